//! Entropy of the operating system.

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
