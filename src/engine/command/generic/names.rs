//! Whether keys are there, of which type they are, and their end.

use super::{DEL, GENERIC, without_touch};
use crate::engine::command::keys::Access;
use crate::engine::command::{Call, Command, Result};
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Flags, KEY, KeyFlags, key_at, keys_from};

const SUMMED: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
const FAST_READ: Flags = Flags::READONLY.or(Flags::FAST);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "DEL",
        arity: AtLeast(2),
        flags: Flags::WRITE,
        keys: &[keys_from(1, KeyFlags::RM.or(KeyFlags::DELETE))],
        since: "1.0.0",
        complexity: "O(N) in the number of keys; large values are freed later, a little at a time.",
        summary: "Deletes keys.",
        tips: SUMMED,
        args: &[KEY.multiple()],
        run: delete,
        ..GENERIC
    },
    Command {
        name: "UNLINK",
        arity: AtLeast(2),
        flags: Flags::WRITE.or(Flags::FAST),
        keys: &[keys_from(1, KeyFlags::RM.or(KeyFlags::DELETE))],
        since: "4.0.0",
        complexity: "O(N) in the number of keys; large values are freed later, a little at a time.",
        summary: "Deletes keys and frees their values later.",
        tips: SUMMED,
        args: &[KEY.multiple()],
        run: delete,
        ..GENERIC
    },
    Command {
        name: "EXISTS",
        arity: AtLeast(2),
        flags: FAST_READ,
        keys: &[keys_from(1, KeyFlags::RO)],
        since: "1.0.0",
        complexity: "O(N) in the number of keys.",
        summary: "Counts how many of the keys exist; a key named twice counts twice.",
        history: &[("3.0.3", "Accepts multiple `key` arguments.")],
        tips: SUMMED,
        args: &[KEY.multiple()],
        run: exists,
        ..GENERIC
    },
    Command {
        name: "TYPE",
        arity: Exactly(2),
        flags: FAST_READ,
        keys: &[key_at(1, KeyFlags::RO)],
        since: "1.0.0",
        summary: "Returns the type of the value at a key.",
        args: &[KEY],
        run: type_of,
        ..GENERIC
    },
    Command {
        name: "TOUCH",
        arity: AtLeast(2),
        flags: FAST_READ,
        keys: &[keys_from(1, KeyFlags::RO)],
        since: "3.2.1",
        complexity: "O(N) in the number of keys.",
        summary: "Notes that keys were used, and counts those that exist.",
        tips: SUMMED,
        args: &[KEY.multiple()],
        run: touch,
        ..GENERIC
    },
];

fn delete(call: &mut Call) -> Result {
    let mut deleted = 0;
    for key in call.args.from(1).iter() {
        if call.server.remove(call.access(), key) {
            call.changed(key, DEL);
            deleted += 1;
        }
    }
    call.reply.int(deleted);
    Ok(())
}

fn exists(call: &mut Call) -> Result {
    let access = without_touch(call);
    let found = call.args.from(1).iter().filter(|key| call.server.read(access, key).is_some()).count();
    call.reply.int(found as i64);
    Ok(())
}

fn type_of(call: &mut Call) -> Result {
    let entry = call.server.read(without_touch(call), call.args.at(1));
    call.reply.simple(entry.map_or("none", |entry| entry.type_name()));
    Ok(())
}

fn touch(call: &mut Call) -> Result {
    // Also for a client that asked with CLIENT NO-TOUCH to leave no traces: TOUCH is there to leave one.
    let access = Access { touch: true, ..call.access() };
    let found = call.args.from(1).iter().filter(|key| call.server.read(access, key).is_some()).count();
    call.reply.int(found as i64);
    Ok(())
}
