//! CLIENT PAUSE: until when, and for whom. Keys on their way to another server pause writers too.

use super::migration::Moving;

/// Which commands wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// None.
    #[default]
    None,
    /// Those that may write.
    Writes,
    /// All.
    All,
}

/// Microseconds after which those look again who wait for the end of a pause that nobody knows.
const AGAIN_US: u64 = 1000;

/// What is paused.
#[derive(Debug, Default)]
pub struct Pause {
    /// Which commands wait for the end of CLIENT PAUSE.
    pub scope: Scope,
    /// Until this moment of the monotonic clock in microseconds.
    pub until: u64,
    /// Keys that are being handed over: no write runs until the target has answered.
    pub moving: Option<Moving>,
}

impl Pause {
    /// Whether anything waits.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.scope != Scope::None || self.moving.is_some()
    }
    /// Pauses, or makes a pause longer or wider; never shorter or narrower, as Redis does.
    pub fn extend(&mut self, scope: Scope, until: u64) {
        self.until = self.until.max(until);
        self.scope = self.scope.max(scope);
    }
    /// When something that must not happen now may be tried again.
    pub fn again_at(&self, now_us: u64) -> u64 {
        if self.scope == Scope::None { now_us + AGAIN_US } else { self.until }
    }
    /// Ends CLIENT PAUSE if its time has come, or at once. Returns whether it ended.
    pub fn end(&mut self, now_us: Option<u64>) -> bool {
        let ends = self.scope != Scope::None && now_us.is_none_or(|now| now >= self.until);
        if ends {
            (self.scope, self.until) = (Scope::None, 0);
        }
        ends
    }
}
