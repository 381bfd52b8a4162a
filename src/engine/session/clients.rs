//! All clients of a server, found by slot or by number, listed in the order in which they came.

use super::{ClientId, Session};
use std::collections::BTreeMap;

/// The table of clients. The client whose command is running is taken out of it meanwhile.
#[derive(Debug, Default)]
pub struct Clients {
    slots: Vec<Option<Box<Session>>>,
    free: Vec<u32>,
    /// Number to slot, for listing in order and finding by number.
    ids: BTreeMap<u64, u32>,
    last_id: u64,
}

impl Clients {
    /// A new client.
    pub fn add(&mut self, mut session: Box<Session>) -> ClientId {
        self.last_id += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        session.id = self.last_id;
        session.slot = slot;
        self.slots[slot as usize] = Some(session);
        self.ids.insert(self.last_id, slot);
        ClientId { id: self.last_id, slot }
    }
    /// Removes a client for good.
    pub fn remove(&mut self, client: ClientId) -> Option<Box<Session>> {
        if self.ids.get(&client.id) != Some(&client.slot) {
            return None;
        }
        self.ids.remove(&client.id);
        self.free.push(client.slot);
        self.slots[client.slot as usize].take()
    }
    /// Takes a client out while its command runs.
    pub fn take(&mut self, client: ClientId) -> Option<Box<Session>> {
        self.slots.get_mut(client.slot as usize)?.take_if(|session| session.id == client.id)
    }
    /// Puts it back.
    pub fn put_back(&mut self, session: Box<Session>) {
        let slot = session.slot as usize;
        self.slots[slot] = Some(session);
    }
    /// A client, unless it is gone or running.
    pub fn get(&self, client: ClientId) -> Option<&Session> {
        self.slots.get(client.slot as usize)?.as_deref().filter(|session| session.id == client.id)
    }
    /// A client, unless it is gone or running.
    pub fn get_mut(&mut self, client: ClientId) -> Option<&mut Session> {
        self.slots.get_mut(client.slot as usize)?.as_deref_mut().filter(|session| session.id == client.id)
    }
    /// The client of this number, running or not.
    pub fn find(&self, id: u64) -> Option<ClientId> {
        self.ids.get(&id).map(|slot| ClientId { id, slot: *slot })
    }
    /// How many, the running one included.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.ids.len()
    }
    /// All names in the order in which they came, the running one's included.
    pub fn ids(&self) -> impl Iterator<Item = ClientId> {
        self.ids.iter().map(|(id, slot)| ClientId { id: *id, slot: *slot })
    }
    /// All but the running one, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.ids.values().filter_map(|slot| self.slots[*slot as usize].as_deref())
    }
    /// The clients numbered after `id`, at most `count`: for work spread over ticks.
    pub fn after(&self, id: u64, count: usize) -> Vec<ClientId> {
        let range = self.ids.range(id + 1..).take(count);
        range.map(|(id, slot)| ClientId { id: *id, slot: *slot }).collect()
    }
}
