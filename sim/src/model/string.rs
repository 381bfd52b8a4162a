//! The group `string`.

use super::value::WrongType;
use super::{Between, Expected, Key, Moment, State, argument, integer};
use crate::resp::Reply;

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const NOT_A_STRING: &str = "ERR Key should be of string type if conditions are specified";
const OVERFLOW: &str = "ERR increment or decrement would overflow";

impl State {
    pub(super) fn string(
        &mut self,
        name: &str,
        rest: &[Vec<u8>],
        at: Moment,
    ) -> Result<Option<Expected>, WrongType> {
        let key = rest.first().map(Vec::as_slice).unwrap_or_default();
        Ok(Some(match name {
            "GET" => self.string_at(key)?.into(),
            "SET" => self.set(rest, at)?,
            "SETNX" => {
                let free = !self.entries.contains_key(key);
                if free {
                    self.put_string(key, rest[1].clone(), None);
                }
                free.into()
            }
            "SETEX" | "PSETEX" => {
                let unit = if name == "SETEX" { 1000 } else { 1 };
                self.put_string(key, rest[2].clone(), Some(Between::after(at, argument(&rest[1]) * unit)));
                Reply::ok().into()
            }
            "GETSET" => {
                let old = self.string_at(key)?;
                self.put_string(key, rest[1].clone(), None);
                old.into()
            }
            "GETDEL" => {
                let value = self.string_at(key)?;
                self.remove(key);
                value.into()
            }
            "GETEX" => self.getex(rest, at)?,
            "STRLEN" => (self.string_at(key)?.unwrap_or_default().len() as i64).into(),
            "APPEND" => {
                let mut value = self.string_at(key)?.unwrap_or_default();
                value.extend(&rest[1]);
                let length = value.len() as i64;
                self.set_string(key, value);
                length.into()
            }
            "GETRANGE" => self.getrange(rest)?,
            "SETRANGE" => self.setrange(rest)?,
            "INCR" => self.add(key, 1)?,
            "DECR" => self.add(key, -1)?,
            "INCRBY" => self.add(key, argument(&rest[1]))?,
            "DECRBY" => self.add(key, -argument(&rest[1]))?,
            "MGET" => {
                // What is no string is shown as missing.
                let value = |key: &Key| self.string_at(key).unwrap_or_default().into();
                Expected::Array(rest.iter().map(value).collect())
            }
            "MSET" => {
                self.set_all(rest);
                Reply::ok().into()
            }
            "MSETNX" => {
                let free = rest.iter().step_by(2).all(|key: &Key| !self.entries.contains_key(key));
                if free {
                    self.set_all(rest);
                }
                free.into()
            }
            "DELEX" => {
                // Of its conditions the workload uses IFEQ alone.
                let Ok(value) = self.string_at(key) else {
                    return Ok(Some(Reply::error(NOT_A_STRING).into()));
                };
                let equal = value.is_some_and(|value| value == rest[2]);
                if equal {
                    self.remove(key);
                }
                equal.into()
            }
            _ => return Ok(None),
        }))
    }

    fn set(&mut self, rest: &[Vec<u8>], at: Moment) -> Result<Expected, WrongType> {
        let (key, value) = (&rest[0], &rest[1]);
        let old = self.entries.get(key).cloned();
        let (mut expires, mut get, mut allowed) = (None, false, true);
        let mut options = rest[2..].iter();
        while let Some(option) = options.next() {
            let mut next = || options.next().expect("an option with its argument");
            match option.as_slice() {
                b"NX" => allowed = old.is_none(),
                b"XX" => allowed = old.is_some(),
                b"IFEQ" => {
                    let wanted = next();
                    allowed = self.string_at(key)?.is_some_and(|value| value == *wanted);
                }
                b"GET" => get = true,
                b"KEEPTTL" => expires = old.as_ref().and_then(|entry| entry.expires),
                option => expires = Some(expiry(option, argument(next()), at)),
            }
        }
        let shown = if get { self.string_at(key)? } else { None };
        if allowed {
            self.put_string(key, value.clone(), expires);
        }
        Ok(match (get, allowed) {
            (true, _) => shown.into(),
            (false, true) => Reply::ok().into(),
            (false, false) => Reply::Null.into(),
        })
    }

    fn getex(&mut self, rest: &[Vec<u8>], at: Moment) -> Result<Expected, WrongType> {
        let key = &rest[0];
        let value = self.string_at(key)?;
        if let (Some(entry), Some(option)) = (self.entries.get_mut(key), rest.get(1)) {
            let had = entry.expires.is_some();
            entry.expires = match option.as_slice() {
                b"PERSIST" => None,
                option => Some(expiry(option, argument(&rest[2]), at)),
            };
            if had || option != b"PERSIST" {
                self.touch(key);
            }
        }
        Ok(value.into())
    }

    fn getrange(&self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let value = self.string_at(&rest[0])?.unwrap_or_default();
        let length = value.len() as i64;
        let place = |index: i64| if index < 0 { (length + index).max(0) } else { index };
        let (raw_start, raw_end) = (argument(&rest[1]), argument(&rest[2]));
        let (start, end) = (place(raw_start), place(raw_end).min(length - 1));
        let upside_down = raw_start < 0 && raw_end < 0 && raw_start > raw_end;
        let part = match start <= end && !upside_down {
            true => value[start as usize..=end as usize].to_vec(),
            false => Vec::new(),
        };
        Ok(Reply::Bulk(part).into())
    }

    fn setrange(&mut self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let (key, offset, part) = (&rest[0], argument(&rest[1]) as usize, &rest[2]);
        let mut value = self.string_at(key)?.unwrap_or_default();
        if !part.is_empty() {
            value.resize(value.len().max(offset + part.len()), 0);
            value[offset..offset + part.len()].copy_from_slice(part);
            self.set_string(key, value.clone());
        }
        Ok((value.len() as i64).into())
    }

    fn add(&mut self, key: &[u8], by: i64) -> Result<Expected, WrongType> {
        let Some(old) = self.string_at(key)?.map_or(Some(0), |value| integer(&value)) else {
            return Ok(Reply::error(NOT_AN_INTEGER).into());
        };
        Ok(match old.checked_add(by) {
            None => Reply::error(OVERFLOW).into(),
            Some(new) => {
                self.set_string(key, new.to_string().into_bytes());
                new.into()
            }
        })
    }

    fn set_all(&mut self, pairs: &[Vec<u8>]) {
        for pair in pairs.chunks(2) {
            self.put_string(&pair[0], pair[1].clone(), None);
        }
    }
}

/// EX, PX, EXAT and PXAT.
fn expiry(option: &[u8], number: i64, at: Moment) -> Between {
    match option {
        b"EX" => Between::after(at, number * 1000),
        b"PX" => Between::after(at, number),
        b"EXAT" => Between::exactly(number * 1000),
        b"PXAT" => Between::exactly(number),
        other => panic!("the model does not know the option {}", other.escape_ascii()),
    }
}
