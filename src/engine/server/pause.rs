//! CLIENT PAUSE: until when, and for whom.

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

/// The state of CLIENT PAUSE.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pause {
    /// Which commands wait.
    pub scope: Scope,
    /// Until this moment of the monotonic clock in microseconds.
    pub until: u64,
}

impl Pause {
    /// Whether anything waits.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.scope != Scope::None
    }
    /// Pauses, or makes a pause longer or wider; never shorter or narrower, as Redis does.
    pub fn extend(&mut self, scope: Scope, until: u64) {
        self.until = self.until.max(until);
        self.scope = self.scope.max(scope);
    }
    /// Ends the pause if its time has come, or at once. Returns whether it ended.
    pub fn end(&mut self, now_us: Option<u64>) -> bool {
        let ends = self.is_on() && now_us.is_none_or(|now| now >= self.until);
        if ends {
            *self = Pause::default();
        }
        ends
    }
}
