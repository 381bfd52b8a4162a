//! The group `hash`.

use super::value::WrongType;
use super::{Expected, State, argument, integer};
use crate::resp::Reply;

impl State {
    pub(super) fn hash(&mut self, name: &str, rest: &[Vec<u8>]) -> Result<Option<Expected>, WrongType> {
        let key = rest.first().map(Vec::as_slice).unwrap_or_default();
        let field = rest.get(1).map(Vec::as_slice).unwrap_or_default();
        Ok(Some(match name {
            "HSET" | "HMSET" | "HSETNX" => self.hset(name, rest)?,
            "HGET" => self.hash_at(key)?.get(field).cloned().into(),
            "HMGET" => {
                let hash = self.hash_at(key)?;
                Expected::Array(rest[1..].iter().map(|field| hash.get(field).cloned().into()).collect())
            }
            "HGETALL" => {
                let hash = self.hash_at(key)?;
                Expected::Pairs(hash.iter().map(|(field, value)| (bulk(field), bulk(value))).collect())
            }
            "HKEYS" => Expected::Unordered(self.hash_at(key)?.keys().map(|field| bulk(field)).collect()),
            "HVALS" => Expected::Unordered(self.hash_at(key)?.values().map(|value| bulk(value)).collect()),
            "HLEN" => (self.hash_at(key)?.len() as i64).into(),
            "HEXISTS" => self.hash_at(key)?.contains_key(field).into(),
            "HSTRLEN" => (self.hash_at(key)?.get(field).map_or(0, Vec::len) as i64).into(),
            "HDEL" => {
                let mut hash = self.hash_at(key)?.as_ref().clone();
                let removed = rest[1..].iter().filter(|field| hash.remove(*field).is_some()).count();
                if removed > 0 {
                    self.set_hash(key, hash);
                }
                (removed as i64).into()
            }
            "HINCRBY" => self.hincrby(rest)?,
            "HRANDFIELD" => Expected::one_of(self.hash_at(key)?.keys().map(|field| bulk(field)).collect()),
            _ => return Ok(None),
        }))
    }

    fn hset(&mut self, name: &str, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let mut hash = self.hash_at(&rest[0])?.as_ref().clone();
        let before = hash.len();
        if name == "HSETNX" && hash.contains_key(&rest[1]) {
            return Ok(0.into());
        }
        for pair in rest[1..].chunks(2) {
            hash.insert(pair[0].clone(), pair[1].clone());
        }
        let added = (hash.len() - before) as i64;
        self.set_hash(&rest[0], hash);
        Ok(if name == "HMSET" { Reply::ok().into() } else { added.into() })
    }

    fn hincrby(&mut self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let mut hash = self.hash_at(&rest[0])?.as_ref().clone();
        let Some(old) = hash.get(&rest[1]).map_or(Some(0), |value| integer(value)) else {
            return Ok(Reply::error("ERR hash value is not an integer").into());
        };
        let Some(new) = old.checked_add(argument(&rest[2])) else {
            return Ok(Reply::error("ERR increment or decrement would overflow").into());
        };
        hash.insert(rest[1].clone(), new.to_string().into_bytes());
        self.set_hash(&rest[0], hash);
        Ok(new.into())
    }
}

fn bulk(bytes: &[u8]) -> Reply {
    Reply::Bulk(bytes.to_vec())
}
