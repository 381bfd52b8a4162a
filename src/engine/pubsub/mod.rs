//! Who listens to which channel, pattern and shard channel. Delivery is the server's.

use crate::engine::hash::{Map, Seed};
use crate::engine::mutant;
use crate::engine::session::ClientId;
use crate::engine::text::glob;
use std::collections::BTreeSet;

/// Subscribers by channel.
pub type Channels = Map<Box<[u8]>, BTreeSet<ClientId>>;

/// All subscriptions of a server.
#[derive(Debug)]
pub struct Pubsub {
    /// SUBSCRIBE.
    pub channels: Channels,
    /// PSUBSCRIBE.
    pub patterns: Channels,
    /// SSUBSCRIBE.
    pub shards: Channels,
}

/// What a subscription is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A channel.
    Channel,
    /// A pattern of channels.
    Pattern,
    /// A shard channel.
    Shard,
}

impl Pubsub {
    /// No subscriptions.
    pub fn new(seed: Seed) -> Self {
        Pubsub { channels: seed.map(), patterns: seed.map(), shards: seed.map() }
    }
    fn of(&mut self, kind: Kind) -> &mut Channels {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }
    /// Adds a subscription.
    pub fn subscribe(&mut self, kind: Kind, name: &[u8], client: ClientId) {
        let channels = self.of(kind);
        match channels.get_mut(name) {
            Some(clients) => {
                clients.insert(client);
            }
            None => {
                channels.insert(name.into(), BTreeSet::from([client]));
            }
        }
    }
    /// Removes a subscription.
    pub fn unsubscribe(&mut self, kind: Kind, name: &[u8], client: ClientId) {
        let channels = self.of(kind);
        if let Some(clients) = channels.get_mut(name) {
            if mutant::is_on("sticky-subscription") {
                return;
            }
            clients.remove(&client);
            if clients.is_empty() {
                channels.remove(name);
            }
        }
    }
    /// Removes all subscriptions of a client.
    pub fn forget(&mut self, client: ClientId) {
        for channels in [&mut self.channels, &mut self.patterns, &mut self.shards] {
            channels.retain(|_, clients| {
                clients.remove(&client);
                !clients.is_empty()
            });
        }
    }
    /// Whether a message to any channel could reach anybody.
    pub fn has_listeners(&self) -> bool {
        !self.channels.is_empty() || !self.patterns.is_empty()
    }
    /// The patterns that match `channel`, with their subscribers, in reproducible order.
    pub fn matching(&self, channel: &[u8]) -> Vec<(&[u8], &BTreeSet<ClientId>)> {
        let all = self.patterns.iter();
        let matching = all.filter(|(pattern, _)| glob::matches(pattern, channel, false));
        matching.map(|(pattern, clients)| (&**pattern, clients)).collect()
    }
}
