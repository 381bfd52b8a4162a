//! Looking into HyperLogLogs.

use super::{GROWING, HYPERLOGLOG, sparse_max, view};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::hyperloglog::{Sketch, Union, self_test};
use crate::engine::spec::Arity::Exactly;
use crate::engine::spec::{Flags, KEY, KeyFlags, key_at, string};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "PFDEBUG",
        arity: Exactly(3),
        flags: GROWING.or(Flags::ADMIN).or(Flags::SYSTEM),
        keys: &[key_at(2, KeyFlags::RW.or(KeyFlags::ACCESS))],
        since: "2.8.9",
        complexity: "N/A",
        summary: "Shows the registers, the runs or the encoding of a HyperLogLog, or makes it dense.",
        args: &[string("subcommand"), KEY],
        run: pfdebug,
        ..HYPERLOGLOG
    },
    Command {
        name: "PFSELFTEST",
        arity: Exactly(1),
        flags: Flags::ADMIN.or(Flags::SYSTEM),
        since: "2.8.9",
        complexity: "N/A",
        summary: "Tests the registers and the estimates of HyperLogLogs.",
        run: pfselftest,
        ..HYPERLOGLOG
    },
];

fn pfdebug(call: &mut Call) -> Result {
    let (access, key) = (call.access(), call.args.at(2));
    let subcommand = call.args.at(1).to_ascii_lowercase();
    if subcommand == b"simd" {
        return simd(call);
    }
    let entry = call.server.write_string(access, key)?;
    let mut entry = entry.ok_or(Error::new("ERR The specified key does not exist"))?;
    let old = view(&entry)?;
    let was_dense = old.is_dense();
    let make_dense = matches!(&*subcommand, b"getreg" | b"todense");
    match &*subcommand {
        b"getreg" => {
            let mut union = Union::default();
            union.add(old)?;
            call.reply.array(union.registers().len());
            union.registers().iter().for_each(|register| call.reply.int((*register).into()));
        }
        b"decode" => {
            let runs = old.describe_runs().ok_or(Error::new("ERR HLL encoding is not sparse"))?;
            call.reply.bulk(runs.as_bytes());
        }
        b"encoding" => call.reply.simple(if was_dense { "dense" } else { "sparse" }),
        b"todense" => call.reply.int((!was_dense).into()),
        _ => {
            let name = String::from_utf8_lossy(call.args.at(1));
            return Err(Error::text(format!("ERR Unknown PFDEBUG subcommand '{name}'")));
        }
    }
    if make_dense && !was_dense {
        let mut sketch = Sketch::of(old);
        sketch.make_dense()?;
        entry.replace_string(sketch.into_bytes());
        call.changed_in_silence(key);
    }
    Ok(())
}

/// PFDEBUG SIMD chooses in Redis between two ways to merge registers. Here there is one, which the compiler
/// fits to the processor: the answer is what clients expect, and nothing changes.
fn simd(call: &mut Call) -> Result {
    match &*call.args.at(2).to_ascii_lowercase() {
        b"on" => call.reply.simple("enabled"),
        b"off" => call.reply.simple("disabled"),
        _ => return Err(Error::new("ERR Argument must be ON or OFF")),
    }
    Ok(())
}

fn pfselftest(call: &mut Call) -> Result {
    let sparse_max = sparse_max(call);
    self_test(&mut call.server.rng, sparse_max).map_err(|failure| Error::text(format!("ERR {failure}")))?;
    call.reply.ok();
    Ok(())
}
