//! The group `generic`: keys of any type, and when they expire.

use super::{Between, Expected, Moment, State, argument};
use crate::resp::Reply;

const NO_SUCH_KEY: &str = "ERR no such key";

impl State {
    pub(super) fn generic(&mut self, name: &str, rest: &[Vec<u8>], at: Moment) -> Option<Expected> {
        let key = rest.first().map(Vec::as_slice).unwrap_or_default();
        Some(match name {
            "DEL" | "UNLINK" => (rest.iter().filter(|key| self.remove(key).is_some()).count() as i64).into(),
            "EXISTS" | "TOUCH" => {
                (rest.iter().filter(|key| self.entries.contains_key(*key)).count() as i64).into()
            }
            "TYPE" => {
                let kind = self.entries.get(key).map_or("none", |entry| entry.value.type_name());
                Reply::Status(kind.as_bytes().to_vec()).into()
            }
            "EXPIRE" => {
                self.expire(rest, Between::after(at, argument(&rest[1]) * 1000), argument(&rest[1]) <= 0)
            }
            "PEXPIRE" => self.expire(rest, Between::after(at, argument(&rest[1])), argument(&rest[1]) <= 0),
            "PERSIST" => self.persist(key),
            "TTL" => self.ttl(key, at, |left| (left + 500) / 1000),
            "PTTL" => self.ttl(key, at, |left| left),
            "EXPIRETIME" => self.expiry_time(key, |at| (at + 500) / 1000),
            "PEXPIRETIME" => self.expiry_time(key, |at| at),
            "RENAME" => self.rename(rest, true),
            "RENAMENX" => self.rename(rest, false),
            "COPY" => self.copy(rest),
            "FLUSHALL" => {
                let all: Vec<_> = self.entries.keys().cloned().collect();
                all.iter().for_each(|key| _ = self.remove(key));
                Reply::ok().into()
            }
            _ => return None,
        })
    }

    fn expire(&mut self, rest: &[Vec<u8>], when: Between, is_past: bool) -> Expected {
        let key = &rest[0];
        let Some(entry) = self.entries.get_mut(key) else { return 0.into() };
        let allowed = match rest.get(2).map(Vec::as_slice) {
            Some(b"NX") => entry.expires.is_none(),
            Some(b"XX") => entry.expires.is_some(),
            _ => true,
        };
        if !allowed {
            return 0.into();
        }
        entry.expires = Some(when);
        if is_past {
            self.remove(key);
        }
        self.touch(key);
        1.into()
    }

    fn persist(&mut self, key: &[u8]) -> Expected {
        let Some(entry) = self.entries.get_mut(key) else { return 0.into() };
        let had = entry.expires.take().is_some();
        if had {
            self.touch(key);
        }
        had.into()
    }

    fn ttl(&self, key: &[u8], at: Moment, unit: fn(i64) -> i64) -> Expected {
        match self.entries.get(key).map(|entry| entry.expires) {
            None => (-2).into(),
            Some(None) => (-1).into(),
            Some(Some(when)) => {
                let (low, high) = (when.low - at.latest, when.high - at.earliest);
                Expected::Int(unit(low.max(0)), unit(high.max(0)))
            }
        }
    }

    fn expiry_time(&self, key: &[u8], unit: fn(i64) -> i64) -> Expected {
        match self.entries.get(key).map(|entry| entry.expires) {
            None => (-2).into(),
            Some(None) => (-1).into(),
            Some(Some(when)) => Expected::Int(unit(when.low), unit(when.high)),
        }
    }

    fn rename(&mut self, rest: &[Vec<u8>], replace: bool) -> Expected {
        let (from, to) = (&rest[0], &rest[1]);
        if !self.entries.contains_key(from) {
            return Reply::error(NO_SUCH_KEY).into();
        }
        if from == to {
            return if replace { Reply::ok().into() } else { 0.into() };
        }
        if !replace && self.entries.contains_key(to) {
            return 0.into();
        }
        if let Some(entry) = self.remove(from) {
            self.put(to, entry.value, entry.expires);
        }
        if replace { Reply::ok().into() } else { 1.into() }
    }

    fn copy(&mut self, rest: &[Vec<u8>]) -> Expected {
        let (from, to) = (&rest[0], &rest[1]);
        let replace = rest.get(2).is_some_and(|option| option == b"REPLACE");
        match self.entries.get(from).cloned() {
            Some(entry) if replace || !self.entries.contains_key(to) => {
                self.put(to, entry.value, entry.expires);
                1.into()
            }
            _ => 0.into(),
        }
    }
}
