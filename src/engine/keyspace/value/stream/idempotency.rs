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
    /// The last place in that order.
    last_age: u64,
}

#[derive(Clone, Debug, Default)]
struct Producer {
    messages: OrderedMap<Arc<[u8]>, Message>,
    by_age: OrderedMap<u64, Arc<[u8]>>,
}

/// A message on its way into a memory that is built as a whole.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Who sent it.
    pub producer: Arc<[u8]>,
    /// Its name.
    pub name: Arc<[u8]>,
    /// The entry that holds it.
    pub id: StreamId,
}

/// What is remembered of a producer.
pub struct Messages<'a>(&'a Producer);

impl Messages<'_> {
    /// How many messages.
    pub fn len(&self) -> usize {
        self.0.messages.len()
    }

    /// Whether there are none, which no producer has that is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.messages.is_empty()
    }

    /// Their names and the entries that hold them, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], StreamId)> {
        let messages = self.0.by_age.iter();
        messages.filter_map(|(_, name)| Some((&**name, self.0.messages.get(name)?.id)))
    }
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
    /// Seconds for which messages may be remembered at most.
    pub const DURATION_MAX: u64 = 86_400;
    /// Messages of one producer that may be remembered at most.
    pub const SIZE_MAX: u64 = 10_000;
    /// The duration and the number of messages unless something else is configured.
    pub const DEFAULT: (u64, u64) = (100, 100);

    /// Nothing yet.
    pub fn new(duration: u64, max_size: u64) -> Self {
        let (producers, by_age) = Default::default();
        Idempotency { duration, max_size, added: 0, duplicates: 0, producers, by_age, last_age: 0 }
    }

    /// Remembers these messages in place of those that it has. Whether no producer has sent one twice, or more
    /// than are remembered.
    pub fn restore(&mut self, mut messages: Vec<Sent>) -> bool {
        // Nothing tells when they came but the ids that their entries got then.
        messages.sort_by_key(|message| message.id);
        self.last_age = messages.len() as u64;
        let producers = messages.iter().map(|message| message.producer.clone());
        self.by_age = OrderedMap::from_sorted((1..).zip(producers));
        self.producers = OrderedMap::default();
        for (age, Sent { producer, name, id }) in (1..).zip(messages) {
            let came = i64::try_from(id.ms).unwrap_or(i64::MAX);
            let message = Message { id, until: self.until(came), age };
            if self.producers.get(&producer).is_none() {
                self.producers.insert(producer.clone(), Producer::default());
            }
            let fits = self.producers.edit(&producer, |known| {
                known.by_age.insert(age, name.clone());
                known.messages.insert(name, message).is_none() && known.messages.len() as u64 <= self.max_size
            });
            if fits != Some(true) {
                return false;
            }
        }
        true
    }

    /// The producers from a place on in the order of names, with what is remembered of each.
    pub fn messages_from(&self, position: usize) -> impl Iterator<Item = (&[u8], Messages<'_>)> {
        self.producers.iter_from(position).map(|(name, known)| (&**name, Messages(known)))
    }

    /// When a message is forgotten that came at this time.
    fn until(&self, came: i64) -> i64 {
        came.saturating_add(self.duration as i64 * 1000)
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
        self.last_age += 1;
        let noted = Message { id, until: self.until(now), age: self.last_age };
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
