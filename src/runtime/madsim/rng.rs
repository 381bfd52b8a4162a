//! Entropy of the node that asks, drawn from the world's seed.

use super::machine::SimMachine;

/// A seed for a generator of the engine.
pub fn seed() -> u64 {
    SimMachine::current().entropy(|draws| draws.draw())
}

/// Fills `bytes` with entropy.
pub fn fill(bytes: &mut [u8]) {
    SimMachine::current().entropy(|draws| draws.fill(bytes));
}
