//! Entropy of the node that asks, drawn from the world's seed.

use super::machine::SimMachine;
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use x25519_dalek::{PublicKey, StaticSecret};

/// A seed for a generator of the engine.
pub fn seed() -> u64 {
    SimMachine::current().entropy(|draws| draws.draw())
}

/// Fills `bytes` with entropy.
pub fn fill(bytes: &mut [u8]) {
    SimMachine::current().entropy(|draws| draws.fill(bytes));
}

/// Ways to agree on a secret with a peer of TLS: each draws a key of its own. That of production asks the operating system
/// and nobody else, so a world has one of ours.
pub fn key_exchanges() -> Vec<&'static dyn SupportedKxGroup> {
    vec![&X25519]
}

#[derive(Debug)]
struct X25519;

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut bytes = [0; 32];
        fill(&mut bytes);
        let secret = StaticSecret::from(bytes);
        Ok(Box::new(Exchange { public: PublicKey::from(&secret), secret }))
    }
    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct Exchange {
    secret: StaticSecret,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(peer));
        if !shared.was_contributory() {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        Ok(SharedSecret::from(&shared.as_bytes()[..]))
    }
    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }
    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}
