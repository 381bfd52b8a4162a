//! Lists.
//!
//! ```text
//! LIST_QUICKLIST_2   count of nodes, then nodes: 1 element | 2 listpack, each as a string
//! LIST_QUICKLIST     count of nodes, then ziplists as strings
//! LIST_ZIPLIST       one ziplist
//! LIST               count, then elements as strings
//! ```

use super::old::ziplist;
use super::reader::listpack_run;
use super::source::{Error, Source};
use super::value::{Progress, Value};
use super::{Reader, Writer, kind};
use crate::engine::keyspace::list::{End, Limits};
use crate::engine::keyspace::value::List;
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::{Form, Object, Packed};

/// Says that a node is one element as it is.
const PLAIN: u64 = 1;
/// Says that a node is a listpack.
const PACKED: u64 = 2;
/// Larger elements make nodes of their own.
const LARGE: usize = 8 << 10;
/// Elements are collected up to so many bytes before they go into the tree.
const COLLECTED: usize = 32 << 10;

/// A list that becomes longer.
struct Growing {
    limits: Limits,
    run: Vec<u8>,
    count: usize,
    list: List,
}

impl Growing {
    fn new(limits: Limits) -> Self {
        Self { limits, run: Vec::new(), count: 0, list: List::default() }
    }

    fn push_element(&mut self, element: Element) {
        element.encode(&mut self.run);
        self.count += 1;
        self.spill(COLLECTED);
    }

    fn push_run(&mut self, run: &[u8], count: usize) {
        self.run.extend_from_slice(run);
        self.count += count;
        self.spill(COLLECTED);
    }

    /// Moves what was collected into the tree, if it is much and too large for an entry.
    fn spill(&mut self, most: usize) {
        let is_big = !self.list.is_empty() || !self.limits.allow(self.run.len(), self.count);
        if is_big && self.run.len() > most {
            self.list.push(End::Right, &self.run, self.count);
            self.run.clear();
            self.count = 0;
        }
    }

    fn finish(mut self) -> Value {
        self.spill(0);
        if !self.list.is_empty() {
            return Object::List(self.list).into();
        }
        match self.count {
            0 => Value::Empty,
            count => Value::Packed { form: Form::List, count, run: self.run },
        }
    }
}

pub(super) fn decode<S: Source>(reader: &mut Reader<S>, kind: u8, limits: Limits) -> Result<Value, Error> {
    let mut list = Growing::new(limits);
    let nodes = if kind == kind::LIST_ZIPLIST { 1 } else { reader.count()? };
    for _ in 0..nodes {
        match kind {
            kind::LIST => list.push_element(Element::from_bytes(reader.string()?)),
            kind::LIST_QUICKLIST_2 => decode_node(reader, &mut list)?,
            _ => {
                let blob = reader.string()?;
                let sound = ziplist(blob, &mut |element| list.push_element(element));
                sound.map_err(|what| reader.invalid(what))?;
            }
        }
    }
    Ok(list.finish())
}

fn decode_node<S: Source>(reader: &mut Reader<S>, list: &mut Growing) -> Result<(), Error> {
    match reader.length()? {
        PLAIN => match reader.string()? {
            // Redis gives nodes of their own to large elements.
            b"" => return Err(reader.invalid("a large element without bytes")),
            element => list.push_element(Element::from_bytes(element)),
        },
        PACKED => {
            let (run, count) = match listpack_run(reader.string()?) {
                Ok(found) => found,
                Err(what) => return Err(reader.invalid(what)),
            };
            list.push_run(&run, count);
        }
        _ => return Err(reader.invalid("a node of an unknown form")),
    }
    Ok(())
}

pub(super) fn encode_small(packed: Packed, writer: &mut Writer) {
    // A list of one large element is a node of its own kind, as in Redis.
    writer.length(1);
    encode_node(packed.run, packed.count, writer);
}

pub(super) fn encode(list: &List, progress: &mut Progress, writer: &mut Writer, until: usize) -> bool {
    if !progress.begun {
        writer.length(list.leaves() as u64);
        progress.begun = true;
    }
    while let Some((run, count, _)) = list.leaf_at(progress.at) {
        if writer.out.len() >= until {
            return false;
        }
        encode_node(run, count, writer);
        progress.at += count;
    }
    true
}

fn encode_node(run: &[u8], count: usize, writer: &mut Writer) {
    if count == 1
        && run.len() > LARGE
        && let Element::Str(bytes) = crate::engine::keyspace::value::listpack::element_at(run, 0).0
    {
        writer.length(PLAIN);
        return writer.string(bytes);
    }
    writer.length(PACKED);
    writer.listpack(run, count);
}
