//! The group `hyperloglog`: sets of few elements, whose number the estimate gives exactly.
//!
//! The model does not know a sketch's bytes: workloads keep the commands of strings away from them.

use std::collections::BTreeSet;

use super::value::{Bytes, Value, WrongType};
use super::{Expected, State};
use crate::resp::Reply;

/// Why there is no sketch at a key.
enum Refused {
    Type(WrongType),
    /// A string of another kind.
    NotOne,
}

impl State {
    pub(super) fn hyperloglog(
        &mut self,
        name: &str,
        rest: &[Vec<u8>],
    ) -> Result<Option<Expected>, WrongType> {
        let outcome = match name {
            "PFADD" => self.pfadd(&rest[0], &rest[1..]),
            "PFCOUNT" if rest.len() == 1 => self.pfcount(&rest[0]),
            "PFCOUNT" => self.union(rest).map(|union| (union.len() as i64).into()),
            "PFMERGE" => self.union(rest).map(|union| {
                self.set_sketch(&rest[0], union, false);
                Reply::ok().into()
            }),
            _ => return Ok(None),
        };
        match outcome {
            Ok(expected) => Ok(Some(expected)),
            Err(Refused::Type(wrong_type)) => Err(wrong_type),
            Err(Refused::NotOne) => {
                Ok(Some(Reply::error("WRONGTYPE Key is not a valid HyperLogLog string value.").into()))
            }
        }
    }

    /// The elements that the sketch at a key has seen, and whether its estimate is stored.
    fn sketch_at(&self, key: &[u8]) -> Result<Option<(BTreeSet<Bytes>, bool)>, Refused> {
        match self.entries.get(key).map(|entry| &entry.value) {
            None => Ok(None),
            Some(Value::Sketch { elements, counted }) => Ok(Some((elements.as_ref().clone(), *counted))),
            Some(Value::String(_)) => Err(Refused::NotOne),
            Some(_) => Err(Refused::Type(WrongType)),
        }
    }

    fn set_sketch(&mut self, key: &[u8], elements: BTreeSet<Bytes>, counted: bool) {
        self.update(key, Value::Sketch { elements: elements.into(), counted });
    }

    fn union(&self, keys: &[Vec<u8>]) -> Result<BTreeSet<Bytes>, Refused> {
        let mut union = BTreeSet::new();
        for key in keys {
            union.extend(self.sketch_at(key)?.unwrap_or_default().0);
        }
        Ok(union)
    }

    fn pfadd(&mut self, key: &[u8], added: &[Vec<u8>]) -> Result<Expected, Refused> {
        let old = self.sketch_at(key)?;
        let is_new = old.is_none();
        let (mut elements, _) = old.unwrap_or_default();
        let before = elements.len();
        elements.extend(added.iter().cloned());
        let changed = is_new || elements.len() > before;
        if changed {
            self.set_sketch(key, elements, false);
        }
        Ok(changed.into())
    }

    /// PFCOUNT of one key stores the estimate that it makes, which is a change.
    fn pfcount(&mut self, key: &[u8]) -> Result<Expected, Refused> {
        let Some((elements, counted)) = self.sketch_at(key)? else { return Ok(0.into()) };
        let count = elements.len() as i64;
        if !counted {
            self.set_sketch(key, elements, true);
        }
        Ok(count.into())
    }
}
