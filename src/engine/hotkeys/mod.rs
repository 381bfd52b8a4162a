//! HOTKEYS: which keys take the most time and the most bytes of the network, while somebody wants to know.

mod heavy;

use super::hash::Seed;
use super::time::Now;
use heavy::HeavyKeys;

/// What is to be found out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Keys by the time of their commands.
    pub by_time: bool,
    /// Keys by the bytes of requests and replies.
    pub by_bytes: bool,
    /// Keys to report of each kind.
    pub count: usize,
    /// Seconds; `None` is until it is stopped.
    pub duration: Option<u64>,
    /// One of so many commands is looked at.
    pub sample: u64,
}

/// Microseconds of the processor that the process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// In user space.
    pub user: u64,
    /// In the kernel.
    pub sys: u64,
}

/// What one call took.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Nanoseconds.
    pub ns: u64,
    /// Bytes of request and reply.
    pub bytes: u64,
}

/// What was found out.
#[derive(Debug)]
pub struct Hotkeys {
    order: Order,
    began: Now,
    before: Processor,
    /// When it was stopped, and what the process had used by then.
    ended: Option<(Now, Processor)>,
    seed: Seed,
    by_time: HeavyKeys,
    by_bytes: HeavyKeys,
    /// What all commands with keys have taken, and the bytes of those that were looked at.
    all: Taken,
    followed_bytes: u64,
}

impl Hotkeys {
    /// Begins now.
    pub fn new(order: Order, now: Now, before: Processor, seed: Seed) -> Self {
        let all = Taken { ns: 0, bytes: 0 };
        let (by_time, by_bytes) = (HeavyKeys::new(order.count), HeavyKeys::new(order.count));
        Hotkeys { order, began: now, before, ended: None, seed, by_time, by_bytes, all, followed_bytes: 0 }
    }

    /// Whether calls are still looked at.
    pub fn is_active(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether its time is over, though it goes on.
    pub fn is_due(&self, now: Now) -> bool {
        let end = |seconds: u64| self.began.mono_us.saturating_add(seconds.saturating_mul(1_000_000));
        self.is_active() && self.order.duration.is_some_and(|seconds| now.mono_us >= end(seconds))
    }

    /// Ends it; what was found out stays.
    pub fn stop(&mut self, now: Now, used: Processor) {
        self.ended = Some((now, used));
    }

    /// A command was called that uses keys; `chance` decides whether it is looked at. What it took is shared out among
    /// them.
    pub fn count<'a>(&mut self, keys: impl ExactSizeIterator<Item = &'a [u8]>, taken: Taken, chance: u64) {
        let share = keys.len() as u64;
        if share == 0 {
            return;
        }
        self.all.ns += taken.ns;
        self.all.bytes += taken.bytes;
        if !chance.is_multiple_of(self.order.sample) {
            return;
        }
        self.followed_bytes += taken.bytes;
        for key in keys {
            let hash = self.seed.hash(key);
            if self.order.by_time {
                self.by_time.add(key, hash, taken.ns / share);
            }
            if self.order.by_bytes {
                self.by_bytes.add(key, hash, taken.bytes / share);
            }
        }
    }

    /// What was ordered.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// When it began, Unix milliseconds, and for how many milliseconds it went on.
    pub fn period(&self, now: Now) -> (i64, u64) {
        let end = self.ended.map_or(now, |(at, _)| at);
        let mut ms = end.mono_us.saturating_sub(self.began.mono_us) / 1000;
        if let Some(seconds) = self.order.duration {
            ms = ms.min(seconds.saturating_mul(1000));
        }
        (self.began.unix_ms(), ms)
    }

    /// What the process used meanwhile; `used` is what it has used by now.
    pub fn processor(&self, used: Processor) -> Processor {
        let end = self.ended.map_or(used, |(_, used)| used);
        Processor {
            user: end.user.saturating_sub(self.before.user),
            sys: end.sys.saturating_sub(self.before.sys),
        }
    }

    /// What all commands with keys have taken.
    pub fn all(&self) -> Taken {
        self.all
    }

    /// The bytes of those that were looked at.
    pub fn followed_bytes(&self) -> u64 {
        self.followed_bytes
    }

    /// The keys with the most nanoseconds.
    pub fn by_time(&self) -> Vec<(&[u8], u64)> {
        self.by_time.top(self.order.count)
    }

    /// The keys with the most bytes.
    pub fn by_bytes(&self) -> Vec<(&[u8], u64)> {
        self.by_bytes.top(self.order.count)
    }
}
