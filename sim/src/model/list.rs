//! The group `list`, with what waits.
//!
//! A blocking command takes effect when it is answered: when an element is there, or, if its time is up,
//! at a moment at which there is none.

use std::collections::VecDeque;

use super::value::{Bytes, WrongType};
use super::{Expected, Key, State, argument};
use crate::resp::Reply;

impl State {
    pub(super) fn list(&mut self, name: &str, rest: &[Vec<u8>]) -> Result<Option<Expected>, WrongType> {
        let key = rest.first().map(Vec::as_slice).unwrap_or_default();
        Ok(Some(match name {
            "LPUSH" | "RPUSH" | "LPUSHX" | "RPUSHX" => {
                let mut list = self.list_at(key)?.as_ref().clone();
                if name.ends_with('X') && list.is_empty() {
                    return Ok(Some(0.into()));
                }
                rest[1..].iter().for_each(|element| push(&mut list, name.starts_with('L'), element.clone()));
                let length = list.len() as i64;
                self.set_list(key, list);
                length.into()
            }
            "LPOP" | "RPOP" => match rest.get(1) {
                None => self.pop(key, name == "LPOP")?.into(),
                Some(count) => self.pop_count(key, name == "LPOP", argument(count))?,
            },
            "LLEN" => (self.list_at(key)?.len() as i64).into(),
            "LINDEX" => {
                let list = self.list_at(key)?;
                place(&list, argument(&rest[1])).map(|index| list[index].clone()).into()
            }
            "LRANGE" => {
                let list = self.list_at(key)?;
                let (from, to) = range(list.len(), argument(&rest[1]), argument(&rest[2]));
                Expected::Array(list.range(from..to).map(|element| Some(element.clone()).into()).collect())
            }
            "LTRIM" => {
                let mut list = self.list_at(key)?.as_ref().clone();
                if !list.is_empty() {
                    let (from, to) = range(list.len(), argument(&rest[1]), argument(&rest[2]));
                    list = list.range(from..to).cloned().collect();
                    self.set_list(key, list);
                }
                Reply::ok().into()
            }
            "LSET" => self.lset(rest)?,
            "LINSERT" => self.linsert(rest)?,
            "LREM" => self.lrem(rest)?,
            "RPOPLPUSH" => self.lmove(rest, false, true)?,
            "LMOVE" | "BLMOVE" => self.lmove(rest, rest[2] == b"LEFT", rest[3] == b"LEFT")?,
            "BLPOP" | "BRPOP" => self.pop_first(&rest[..rest.len() - 1], name == "BLPOP")?,
            _ => return Ok(None),
        }))
    }

    fn pop(&mut self, key: &[u8], left: bool) -> Result<Option<Bytes>, WrongType> {
        let mut list = self.list_at(key)?.as_ref().clone();
        let element = if left { list.pop_front() } else { list.pop_back() };
        if element.is_some() {
            self.set_list(key, list);
        }
        Ok(element)
    }

    fn pop_count(&mut self, key: &[u8], left: bool, count: i64) -> Result<Expected, WrongType> {
        if self.list_at(key)?.is_empty() {
            return Ok(Reply::Null.into());
        }
        let mut popped = Vec::new();
        for _ in 0..count {
            match self.pop(key, left)? {
                Some(element) => popped.push(Some(element).into()),
                None => break,
            }
        }
        Ok(Expected::Array(popped))
    }

    /// Pops from the first of several lists that has something.
    fn pop_first(&mut self, keys: &[Key], left: bool) -> Result<Expected, WrongType> {
        for key in keys {
            if let Some(element) = self.pop(key, left)? {
                return Ok(Expected::Array(vec![Some(key.clone()).into(), Some(element).into()]));
            }
        }
        Ok(Reply::Null.into())
    }

    fn lmove(&mut self, rest: &[Vec<u8>], from_left: bool, to_left: bool) -> Result<Expected, WrongType> {
        let (from, to) = (&rest[0], &rest[1]);
        if self.list_at(from)?.is_empty() {
            return Ok(Reply::Null.into());
        }
        self.list_at(to)?;
        let element = self.pop(from, from_left)?;
        let mut target = self.list_at(to)?.as_ref().clone();
        push(&mut target, to_left, element.clone().expect("it has elements"));
        self.set_list(to, target);
        Ok(element.into())
    }

    fn lset(&mut self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let mut list = self.list_at(&rest[0])?.as_ref().clone();
        if list.is_empty() {
            return Ok(Reply::error("ERR no such key").into());
        }
        let Some(index) = place(&list, argument(&rest[1])) else {
            return Ok(Reply::error("ERR index out of range").into());
        };
        list[index] = rest[2].clone();
        self.set_list(&rest[0], list);
        Ok(Reply::ok().into())
    }

    fn linsert(&mut self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let mut list = self.list_at(&rest[0])?.as_ref().clone();
        if list.is_empty() {
            return Ok(0.into());
        }
        let Some(pivot) = list.iter().position(|element| *element == rest[2]) else { return Ok((-1).into()) };
        list.insert(pivot + usize::from(rest[1] == b"AFTER"), rest[3].clone());
        let length = list.len() as i64;
        self.set_list(&rest[0], list);
        Ok(length.into())
    }

    fn lrem(&mut self, rest: &[Vec<u8>]) -> Result<Expected, WrongType> {
        let list = self.list_at(&rest[0])?;
        let count = argument(&rest[1]);
        let hits: Vec<usize> = (0..list.len()).filter(|&index| list[index] == rest[2]).collect();
        let most = if count == 0 { hits.len() } else { hits.len().min(count.unsigned_abs() as usize) };
        let gone = if count < 0 { &hits[hits.len() - most..] } else { &hits[..most] };
        if !gone.is_empty() {
            let left = (0..list.len()).filter(|index| !gone.contains(index));
            self.set_list(&rest[0], left.map(|index| list[index].clone()).collect());
        }
        Ok((gone.len() as i64).into())
    }
}

fn push(list: &mut VecDeque<Bytes>, left: bool, element: Bytes) {
    if left { list.push_front(element) } else { list.push_back(element) }
}

fn place(list: &VecDeque<Bytes>, index: i64) -> Option<usize> {
    let index = if index < 0 { list.len() as i64 + index } else { index };
    usize::try_from(index).ok().filter(|index| *index < list.len())
}

/// The half-open range that two indexes of Redis mean.
pub(super) fn range(length: usize, from: i64, to: i64) -> (usize, usize) {
    let length = length as i64;
    let place = |index: i64| if index < 0 { (length + index).max(0) } else { index };
    let to = if to < 0 { length + to } else { to.min(length - 1) };
    let from = place(from);
    if from > to { (0, 0) } else { (from as usize, to as usize + 1) }
}
