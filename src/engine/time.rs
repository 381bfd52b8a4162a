//! What time it is, as the engine is told.

/// A moment, given to every entry point of the engine. One moment serves a whole batch of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Wall-clock microseconds since the Unix epoch: expiry, TIME, stream ids. May jump.
    pub unix_us: i64,
    /// Microseconds of a clock that never goes back: time-outs, idle times, uptime.
    pub mono_us: u64,
}

impl Now {
    /// So many microseconds later.
    pub fn later(self, us: u64) -> Self {
        Now { unix_us: self.unix_us.saturating_add_unsigned(us), mono_us: self.mono_us.saturating_add(us) }
    }
    /// Wall-clock milliseconds since the Unix epoch, the unit in which keys expire.
    pub fn unix_ms(self) -> i64 {
        self.unix_us.div_euclid(1000)
    }
    /// Wall-clock seconds since the Unix epoch.
    pub fn unix_secs(self) -> i64 {
        self.unix_us.div_euclid(1_000_000)
    }
    /// Milliseconds of the monotonic clock.
    pub fn mono_ms(self) -> u64 {
        self.mono_us / 1000
    }
}
