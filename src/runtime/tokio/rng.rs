//! Entropy of the operating system.

use rustls::crypto::SupportedKxGroup;

/// A seed for a generator of the engine.
///
/// # Panics
/// If the system gives no entropy at all: a server with guessable ids and hash seeds must not start.
pub fn seed() -> u64 {
    getrandom::u64().expect("the operating system gives no entropy")
}

/// Fills `bytes` with entropy.
///
/// # Panics
/// As [`seed`].
pub fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives no entropy");
}

/// Ways to agree on a secret with a peer of TLS: each draws a key of its own.
pub fn key_exchanges() -> Vec<&'static dyn SupportedKxGroup> {
    rustls::crypto::ring::ALL_KX_GROUPS.to_vec()
}
