//! TLS: what certificates and parameters make of it, how connections begin with it, and what it does to their bytes.
//!
//! - [`gate`] is the way in: it holds the current setup.
//! - [`setup`] turns parameters and files into what handshakes need; CONFIG SET makes a new one, and connections that
//!   have begun keep theirs.
//! - [`handshake`] has a thread for the arithmetic of beginning, which costs others nothing there.
//! - [`stream`] encrypts and decrypts on the connection's own thread.

mod certificate;
mod ciphers;
pub mod gate;
pub mod handshake;
mod sessions;
pub mod setup;
pub mod stream;

#[cfg(test)]
mod tests;
