//! Adding elements, counting them, putting sketches together.

use super::{GROWING, HYPERLOGLOG, sparse_max, view};
use crate::engine::command::call::string_event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::hyperloglog::{self, Sketch, Union};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, KeyFlags, key, key_at, keys_from, string};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "PFADD",
        arity: AtLeast(2),
        flags: GROWING.or(Flags::FAST),
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::INSERT))],
        since: "2.8.9",
        complexity: "O(1) for each element.",
        summary: "Lets a HyperLogLog see elements; says whether its estimate may have changed.",
        args: &[KEY, string("element").multiple().optional()],
        run: pfadd,
        ..HYPERLOGLOG
    },
    Command {
        name: "PFCOUNT",
        arity: AtLeast(2),
        // It stores the estimate that it has made.
        flags: Flags::READONLY.or(Flags::MAY_REPLICATE),
        keys: &[keys_from(1, KeyFlags::RW.or(KeyFlags::ACCESS))],
        since: "2.8.9",
        complexity: "O(1) for one key, mostly a look at a stored estimate; O(N) for N keys, with a larger constant.",
        summary: "Estimates how many different elements HyperLogLogs have seen together.",
        args: &[KEY.multiple()],
        run: pfcount,
        ..HYPERLOGLOG
    },
    Command {
        name: "PFMERGE",
        arity: AtLeast(2),
        flags: GROWING,
        keys: &[
            key_at(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::INSERT)),
            keys_from(2, KeyFlags::RO.or(KeyFlags::ACCESS)),
        ],
        since: "2.8.9",
        complexity: "O(N) for N HyperLogLogs, with a large constant.",
        summary: "Lets a HyperLogLog see what others have seen.",
        args: &[key("destkey", 0), key("sourcekey", 1).multiple().optional()],
        run: pfmerge,
        ..HYPERLOGLOG
    },
];

fn pfadd(call: &mut Call) -> Result {
    let (access, key, elements) = (call.access(), call.args.at(1), call.args.from(2));
    let sparse_max = sparse_max(call);
    let changes = match call.server.write_string(access, key)? {
        None => {
            let mut sketch = Sketch::empty();
            let changes = 1 + add_all(&mut sketch, elements.iter(), sparse_max)?;
            call.server.set_raw(access, key, sketch.into_bytes());
            changes
        }
        Some(mut entry) if view(&entry)?.is_dense() => {
            let bytes = entry.string_mut(0).unwrap_or_default();
            let changes = elements.iter().filter(|element| hyperloglog::add_in_place(bytes, element)).count();
            if changes > 0 {
                hyperloglog::invalidate(bytes);
            }
            changes
        }
        Some(mut entry) => {
            let mut sketch = Sketch::of(view(&entry)?);
            let changes = add_all(&mut sketch, elements.iter(), sparse_max)?;
            if changes > 0 {
                entry.replace_string(sketch.into_bytes());
            }
            changes
        }
    };
    if changes > 0 {
        call.changed(key, string_event("pfadd"));
        call.server.dirty += changes as u64 - 1;
    }
    call.reply.int((changes > 0).into());
    Ok(())
}

/// Lets a sketch see elements; says how many of them changed it.
fn add_all<'a>(
    sketch: &mut Sketch,
    elements: impl Iterator<Item = &'a [u8]>,
    sparse_max: usize,
) -> Result<usize> {
    let mut changes = 0;
    for element in elements {
        changes += usize::from(sketch.add(element, sparse_max)?);
    }
    sketch.invalidate();
    Ok(changes)
}

fn pfcount(call: &mut Call) -> Result {
    let (access, keys) = (call.access(), call.args.from(1));
    if keys.len() > 1 {
        let mut union = Union::default();
        for key in keys.iter() {
            if let Some(entry) = call.server.read_string(access, key)? {
                union.add(view(entry)?)?;
            }
        }
        call.reply.int(union.estimate());
        return Ok(());
    }
    let key = keys.at(0);
    let Some(entry) = call.server.read_string(access, key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let sketch = view(entry)?;
    if let Some(estimate) = sketch.cached() {
        call.reply.int(estimate);
        return Ok(());
    }
    let estimate = sketch.estimate()?;
    if let Some(mut entry) = call.server.write_string(access, key)? {
        hyperloglog::set_cached(entry.string_mut(0).unwrap_or_default(), estimate);
    }
    call.changed_in_silence(key);
    call.reply.int(estimate);
    Ok(())
}

fn pfmerge(call: &mut Call) -> Result {
    let (access, target, keys) = (call.access(), call.args.at(1), call.args.from(1));
    let sparse_max = sparse_max(call);
    let (mut union, mut dense) = (Union::default(), false);
    for key in keys.iter() {
        if let Some(entry) = call.server.read_string(access, key)? {
            let source = view(entry)?;
            dense |= source.is_dense();
            union.add(source)?;
        }
    }
    let merge = |mut sketch: Sketch| {
        if dense {
            sketch.make_dense()?;
        }
        sketch.add_all(&union, sparse_max)?;
        sketch.invalidate();
        Ok::<_, Error>(sketch.into_bytes())
    };
    match call.server.write_string(access, target)? {
        None => call.server.set_raw(access, target, merge(Sketch::empty())?),
        Some(mut entry) => {
            let old = view(&entry)?;
            if old.is_dense() {
                hyperloglog::add_all_in_place(entry.string_mut(0).unwrap_or_default(), &union);
            } else {
                let merged = merge(Sketch::of(old))?;
                entry.replace_string(merged);
            }
        }
    }
    call.changed(target, string_event("pfadd"));
    call.reply.ok();
    Ok(())
}
