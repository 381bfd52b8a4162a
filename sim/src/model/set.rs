//! The group `set`.

use std::collections::BTreeSet;

use super::value::{Bytes, WrongType};
use super::{Expected, State, argument};
use crate::resp::Reply;

impl State {
    pub(super) fn set_command(
        &mut self,
        name: &str,
        rest: &[Vec<u8>],
    ) -> Result<Option<Expected>, WrongType> {
        let key = rest.first().map(Vec::as_slice).unwrap_or_default();
        Ok(Some(match name {
            "SADD" | "SREM" => {
                let mut set = self.set_at(key)?.as_ref().clone();
                let change = |member: &&Bytes| match name {
                    "SADD" => set.insert(member.to_vec()),
                    _ => set.remove(*member),
                };
                let changed = rest[1..].iter().filter(change).count();
                if changed > 0 {
                    self.set_set(key, set);
                }
                (changed as i64).into()
            }
            "SCARD" => (self.set_at(key)?.len() as i64).into(),
            "SISMEMBER" => self.set_at(key)?.contains(&rest[1]).into(),
            "SMISMEMBER" => {
                let set = self.set_at(key)?;
                Expected::Array(rest[1..].iter().map(|member| set.contains(member).into()).collect())
            }
            "SMEMBERS" => members(self.set_at(key)?.as_ref()),
            "SRANDMEMBER" => Expected::one_of(self.set_at(key)?.iter().cloned().map(Reply::Bulk).collect()),
            "SMOVE" => self.smove(rest)?,
            "SINTER" | "SUNION" | "SDIFF" => members(&self.combined(name, rest)?),
            "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" => {
                let result = self.combined(name.trim_end_matches("STORE"), &rest[1..])?;
                let size = result.len() as i64;
                self.remove(key);
                if size > 0 {
                    self.set_set(key, result);
                }
                size.into()
            }
            "SINTERCARD" | "SUNIONCARD" | "SDIFFCARD" => {
                let keys = argument(&rest[0]) as usize;
                let size = self.combined(name.trim_end_matches("CARD"), &rest[1..=keys])?.len() as i64;
                let limit = rest.get(keys + 2).map_or(size, |limit| argument(limit));
                size.min(limit).into()
            }
            _ => return Ok(None),
        }))
    }

    /// SPOP of one member: any of them.
    pub(super) fn spop(&self, key: &[u8]) -> Result<Vec<(State, Expected)>, WrongType> {
        let set = self.set_at(key)?;
        if set.is_empty() {
            return Ok(vec![(self.clone(), Reply::Null.into())]);
        }
        let without = |member: &Bytes| {
            let (mut state, mut left) = (self.clone(), set.as_ref().clone());
            left.remove(member);
            state.set_set(key, left);
            (state, Some(member.clone()).into())
        };
        Ok(set.iter().map(without).collect())
    }

    fn smove(&mut self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let (from, to, member) = (&rest[0], &rest[1], &rest[2]);
        if !self.entries.contains_key(from) {
            return Ok(0.into());
        }
        let (mut source, mut target) =
            (self.set_at(from)?.as_ref().clone(), self.set_at(to)?.as_ref().clone());
        if from == to || !source.contains(member) {
            return Ok(source.contains(member).into());
        }
        source.remove(member);
        self.set_set(from, source);
        if target.insert(member.clone()) {
            self.set_set(to, target);
        }
        Ok(1.into())
    }

    fn combined(&self, name: &str, keys: &[Vec<u8>]) -> Result<BTreeSet<Bytes>, WrongType> {
        let sets = keys.iter().map(|key| self.set_at(key)).collect::<Result<Vec<_>, _>>()?;
        let mut result = sets[0].as_ref().clone();
        for set in &sets[1..] {
            match name {
                "SINTER" => result.retain(|member| set.contains(member)),
                "SUNION" => result.extend(set.iter().cloned()),
                _ => result.retain(|member| !set.contains(member)),
            }
        }
        Ok(result)
    }
}

fn members(set: &BTreeSet<Bytes>) -> Expected {
    Expected::Unordered(set.iter().cloned().map(Reply::Bulk).collect())
}
