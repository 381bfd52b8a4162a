//! Sessions that clients may resume, for as long and as many as the parameters allow.

use crate::runtime::time;
use rustls::server::StoresServerSessions;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Remembered sessions.
pub struct Sessions {
    /// `tls-session-cache-size`.
    limit: usize,
    /// `tls-session-cache-timeout` in microseconds.
    lifetime_us: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When each was made, in monotonic microseconds, and what it is.
    sessions: BTreeMap<Vec<u8>, (u64, Vec<u8>)>,
    /// In the order in which they were made.
    order: VecDeque<(u64, Vec<u8>)>,
}

impl Sessions {
    /// None yet; a limit of 0 is none.
    pub fn new(limit: u64, seconds: u64) -> Self {
        let limit = if limit == 0 { usize::MAX } else { limit as usize };
        Sessions { limit, lifetime_us: seconds.saturating_mul(1_000_000), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self, made: u64, now: u64) -> bool {
        now.saturating_sub(made) >= self.lifetime_us
    }

    fn put_at(&self, key: Vec<u8>, value: Vec<u8>, now: u64) {
        let mut state = self.state();
        state.order.push_back((now, key.clone()));
        state.sessions.insert(key, (now, value));
        // What was taken or replaced is still in the order.
        while let Some((made, key)) = state.order.front()
            && (state.order.len() > self.limit || self.is_over(*made, now))
        {
            let key = key.clone();
            let made = *made;
            state.order.pop_front();
            if state.sessions.get(&key).is_some_and(|session| session.0 == made) {
                state.sessions.remove(&key);
            }
        }
    }

    fn get_at(&self, key: &[u8], now: u64) -> Option<Vec<u8>> {
        let state = self.state();
        let (made, value) = state.sessions.get(key)?;
        (!self.is_over(*made, now)).then(|| value.clone())
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.put_at(key, value, time::now().mono_us);
        true
    }
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get_at(key, time::now().mono_us)
    }
    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let session = self.get(key);
        self.state().sessions.remove(key);
        session
    }
    fn can_cache(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for Sessions {
    /// Nothing of what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_by_time_and_by_number() {
        let sessions = Sessions::new(2, 10);
        for (at, key) in [(0, b"a"), (1_000_000, b"b"), (2_000_000, b"c")] {
            sessions.put_at(key.to_vec(), vec![], at);
        }
        let known = |now| [b"a", b"b", b"c"].map(|key| sessions.get_at(key, now).is_some());
        assert_eq!(known(3_000_000), [false, true, true]);
        assert_eq!(known(11_000_000), [false, false, true]);
        sessions.put_at(b"b".to_vec(), vec![], 11_500_000);
        assert_eq!(known(11_500_000), [false, true, true]);
        sessions.put_at(b"d".to_vec(), vec![], 12_500_000);
        assert_eq!(known(12_500_000), [false, true, false]);
        let state = sessions.state();
        assert_eq!((state.order.len(), state.sessions.len()), (2, 2));
    }
}
