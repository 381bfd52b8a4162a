//! Idempotent producers: which messages a stream already has, by the producer's name and the message's.

use super::StreamId;
use crate::engine::keyspace::value::ordered::OrderedMap;
use std::sync::Arc;

/// What a stream remembers of its idempotent producers: of each the last messages, at most `max_size` and
/// none for longer than `duration`.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// Seconds.
    pub duration: u64,
    /// Messages of one producer.
    pub max_size: u64,
    /// How many messages were noted since the stream exists.
    pub added: u64,
    /// How many were refused because they were known.
    pub duplicates: u64,
    producers: OrderedMap<Arc<[u8]>, Producer>,
    /// Who sent what is remembered, in the order in which it came.
    by_age: OrderedMap<u64, Arc<[u8]>>,
}

#[derive(Clone, Debug, Default)]
struct Producer {
    messages: OrderedMap<Arc<[u8]>, Message>,
    by_age: OrderedMap<u64, Arc<[u8]>>,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    /// The entry that holds it.
    id: StreamId,
    /// When it is forgotten, in Unix milliseconds.
    until: i64,
    /// Its place among all messages of the stream.
    age: u64,
}

impl Idempotency {
    /// Nothing yet.
    pub fn new(duration: u64, max_size: u64) -> Self {
        let (producers, by_age) = Default::default();
        Idempotency { duration, max_size, added: 0, duplicates: 0, producers, by_age }
    }

    /// How many producers are remembered.
    pub fn producers(&self) -> usize {
        self.producers.len()
    }

    /// How many messages are.
    pub fn tracked(&self) -> usize {
        self.by_age.len()
    }

    /// The entry that holds this message, if that is still remembered at `now` (Unix milliseconds).
    pub fn find(&self, producer: &[u8], message: &[u8], now: i64) -> Option<StreamId> {
        let message = self.producers.get(producer)?.messages.get(message)?;
        (message.until > now).then_some(message.id)
    }

    /// Notes which entry holds a message that `find` does not know.
    pub fn note(&mut self, producer: &[u8], message: &[u8], id: StreamId, now: i64) {
        self.added += 1;
        let noted = Message { id, until: now.saturating_add(self.duration as i64 * 1000), age: self.added };
        self.forget(producer, message);
        self.forget_expired(now);
        if self.producers.get(producer).is_none() {
            self.producers.insert(producer.into(), Producer::default());
        }
        self.by_age.insert(noted.age, producer.into());
        let max_size = self.max_size as usize;
        let excess = self.producers.edit(producer, |producer| {
            let name: Arc<[u8]> = message.into();
            producer.by_age.insert(noted.age, name.clone());
            producer.messages.insert(name, noted);
            let oldest = producer.by_age.first().map(|(_, name)| name.clone());
            oldest.filter(|_| producer.messages.len() > max_size)
        });
        if let Some(oldest) = excess.flatten() {
            self.forget(producer, &oldest);
        }
    }

    fn forget_expired(&mut self, now: i64) {
        while let Some((age, producer)) = self.by_age.first()
            && let producer = producer.clone()
            && let Some(messages) = self.producers.get(&producer)
            && let Some(name) = messages.by_age.get(age).cloned()
            && messages.messages.get(&name).is_some_and(|message| message.until <= now)
        {
            self.forget(&producer, &name);
        }
    }

    fn forget(&mut self, producer: &[u8], message: &[u8]) {
        let forgotten = self.producers.edit(producer, |producer| {
            let message = producer.messages.remove(message);
            message.iter().for_each(|message| drop(producer.by_age.remove(&message.age)));
            (message, producer.messages.is_empty())
        });
        let Some((Some(message), empty)) = forgotten else { return };
        self.by_age.remove(&message.age);
        if empty {
            self.producers.remove(producer);
        }
    }

    /// Changes the limits. What was remembered under others is forgotten.
    pub fn configure(&mut self, duration: u64, max_size: u64) {
        let Idempotency { added, duplicates, .. } = *self;
        *self = Idempotency { added, duplicates, ..Self::new(duration, max_size) };
    }

    /// Bytes on the heap, about.
    pub fn memory_usage(&self) -> usize {
        /// What the name of a message, its places and the lists of its producer take.
        const MESSAGE: usize = 160;
        size_of::<Self>() + self.producers.memory_usage() + self.tracked() * MESSAGE
    }
}
