//! The group `sorted-set`, with whole numbers as scores.

use std::collections::BTreeMap;

use super::list::range;
use super::value::{Bytes, WrongType};
use super::{Expected, Key, State, argument};
use crate::resp::Reply;

impl State {
    pub(super) fn sorted_set(&mut self, name: &str, rest: &[Vec<u8>]) -> Result<Option<Expected>, WrongType> {
        let key = rest.first().map(Vec::as_slice).unwrap_or_default();
        Ok(Some(match name {
            "ZADD" => self.zadd(rest)?,
            "ZINCRBY" => self.zincrby(rest)?,
            "ZREM" => {
                let mut set = self.sorted_at(key)?.as_ref().clone();
                let removed = rest[1..].iter().filter(|member| set.remove(*member).is_some()).count();
                if removed > 0 {
                    self.set_sorted(key, set);
                }
                (removed as i64).into()
            }
            "ZCARD" => (self.sorted_at(key)?.len() as i64).into(),
            "ZSCORE" => self.sorted_at(key)?.get(&rest[1]).map(|score| digits(*score)).into(),
            "ZRANK" | "ZREVRANK" => {
                let mut order = ordered(self.sorted_at(key)?.as_ref());
                if name == "ZREVRANK" {
                    order.reverse();
                }
                match order.iter().position(|(_, member)| *member == rest[1]) {
                    Some(rank) => (rank as i64).into(),
                    None => Reply::Null.into(),
                }
            }
            "ZCOUNT" => {
                let (low, high) = (argument(&rest[1]), argument(&rest[2]));
                let within = |score: &&i64| (low..=high).contains(*score);
                (self.sorted_at(key)?.values().filter(within).count() as i64).into()
            }
            "ZRANGE" | "ZREVRANGE" => {
                let mut order = ordered(self.sorted_at(key)?.as_ref());
                if name == "ZREVRANGE" {
                    order.reverse();
                }
                let (from, to) = range(order.len(), argument(&rest[1]), argument(&rest[2]));
                Expected::Array(
                    order[from..to].iter().map(|(_, member)| Some(member.clone()).into()).collect(),
                )
            }
            "ZRANGEBYSCORE" => {
                let (low, high) = (argument(&rest[1]), argument(&rest[2]));
                let order = ordered(self.sorted_at(key)?.as_ref());
                let within = order.into_iter().filter(|(score, _)| (low..=high).contains(score));
                Expected::Array(within.map(|(_, member)| Some(member).into()).collect())
            }
            "ZREMRANGEBYRANK" => {
                let order = ordered(self.sorted_at(key)?.as_ref());
                let (from, to) = range(order.len(), argument(&rest[1]), argument(&rest[2]));
                let mut set = self.sorted_at(key)?.as_ref().clone();
                set.retain(|member, _| !order[from..to].iter().any(|(_, gone)| gone == member));
                if from < to {
                    self.set_sorted(key, set);
                }
                ((to - from) as i64).into()
            }
            "ZPOPMIN" | "ZPOPMAX" => {
                let popped = self.pop_extreme(key, name == "ZPOPMIN")?;
                Expected::Array(
                    popped.map_or(vec![], |(member, score)| {
                        vec![Some(member).into(), Some(digits(score)).into()]
                    }),
                )
            }
            "BZPOPMIN" | "BZPOPMAX" => self.pop_extreme_first(&rest[..rest.len() - 1], name == "BZPOPMIN")?,
            _ => return Ok(None),
        }))
    }

    fn zadd(&mut self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let mut set = self.sorted_at(&rest[0])?.as_ref().clone();
        let options = rest[1..].iter().take_while(|word| word[0].is_ascii_uppercase()).count();
        let has = |option: &str| rest[1..=options].iter().any(|word| word == option.as_bytes());
        let (mut added, mut updated) = (0, 0);
        for pair in rest[1 + options..].chunks(2) {
            let score = argument(&pair[0]);
            match set.get(&pair[1]).copied() {
                None if !has("XX") => {
                    set.insert(pair[1].clone(), score);
                    added += 1;
                }
                Some(old) if !has("NX") => {
                    let refused = has("GT") && score <= old || has("LT") && score >= old;
                    if !refused && score != old {
                        set.insert(pair[1].clone(), score);
                        updated += 1;
                    }
                }
                _ => {}
            }
        }
        if added + updated > 0 {
            self.set_sorted(&rest[0], set);
        }
        Ok(if has("CH") { added + updated } else { added }.into())
    }

    fn zincrby(&mut self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let mut set = self.sorted_at(&rest[0])?.as_ref().clone();
        let old = set.get(&rest[2]).copied();
        let new = old.unwrap_or_default() + argument(&rest[1]);
        // Who watches the key is told of changes only.
        if old != Some(new) {
            set.insert(rest[2].clone(), new);
            self.set_sorted(&rest[0], set);
        }
        Ok(Some(digits(new)).into())
    }

    fn pop_extreme(&mut self, key: &[u8], least: bool) -> Result<Option<(Bytes, i64)>, WrongType> {
        let mut set = self.sorted_at(key)?.as_ref().clone();
        let order = ordered(&set);
        let Some((score, member)) = (if least { order.first() } else { order.last() }) else {
            return Ok(None);
        };
        set.remove(member);
        self.set_sorted(key, set);
        Ok(Some((member.clone(), *score)))
    }

    fn pop_extreme_first(&mut self, keys: &[Key], least: bool) -> Result<Expected, WrongType> {
        for key in keys {
            if let Some((member, score)) = self.pop_extreme(key, least)? {
                let reply = [key.clone(), member, digits(score)];
                return Ok(Expected::Array(reply.into_iter().map(|part| Some(part).into()).collect()));
            }
        }
        Ok(Reply::Null.into())
    }
}

fn ordered(set: &BTreeMap<Bytes, i64>) -> Vec<(i64, Bytes)> {
    let mut order: Vec<_> = set.iter().map(|(member, score)| (*score, member.clone())).collect();
    order.sort();
    order
}

fn digits(score: i64) -> Bytes {
    score.to_string().into_bytes()
}
