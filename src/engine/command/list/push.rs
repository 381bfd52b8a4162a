//! Adding elements at the ends of lists.

use super::{GROWING, INSERT, LIST, changed, check_sizes, length, limits, list_mut, pushed};
use crate::engine::command::{Call, Command, Result};
use crate::engine::keyspace::Expiry;
use crate::engine::keyspace::list::{Batch, End};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Flags, KEY, key_at, string};

const PUSH: Command = Command {
    arity: AtLeast(3),
    flags: GROWING.or(Flags::FAST),
    keys: &[key_at(1, INSERT)],
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
    args: &[KEY, string("element").multiple()],
    ..LIST
};
const SEVERAL_SINCE_2_4: &[(&str, &str)] = &[("2.4.0", "Accepts multiple `element` arguments.")];
const SEVERAL_SINCE_4: &[(&str, &str)] = &[("4.0.0", "Accepts multiple `element` arguments.")];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "LPUSH",
        since: "1.0.0",
        summary: "Adds elements at the head of a list, which is created if there is none.",
        history: SEVERAL_SINCE_2_4,
        run: |call| push(call, End::Left, false),
        ..PUSH
    },
    Command {
        name: "RPUSH",
        since: "1.0.0",
        summary: "Adds elements at the tail of a list, which is created if there is none.",
        history: SEVERAL_SINCE_2_4,
        run: |call| push(call, End::Right, false),
        ..PUSH
    },
    Command {
        name: "LPUSHX",
        since: "2.2.0",
        summary: "Adds elements at the head of a list if there is one.",
        history: SEVERAL_SINCE_4,
        run: |call| push(call, End::Left, true),
        ..PUSH
    },
    Command {
        name: "RPUSHX",
        since: "2.2.0",
        summary: "Adds elements at the tail of a list if there is one.",
        history: SEVERAL_SINCE_4,
        run: |call| push(call, End::Right, true),
        ..PUSH
    },
];

fn push(call: &mut Call, end: End, only_existing: bool) -> Result {
    check_sizes(call)?;
    let key = call.args.at(1);
    let elements = call.args.from(2);
    let batch = match end {
        // The last one pushed is the first of the list.
        End::Left => Batch::new(elements.iter().rev()),
        End::Right => Batch::new(elements.iter()),
    };
    if only_existing && length(call, key)?.is_none() {
        call.reply.int(0);
        return Ok(());
    }
    let len = add(call, key, end, &batch)?;
    changed(call, key, pushed(end), batch.len());
    call.reply.int(len as i64);
    Ok(())
}

/// Adds elements to the list at a key, which is created if there is none, and gives the new length. The
/// caller still says `changed`.
#[inline]
pub(super) fn add(call: &mut Call, key: &[u8], end: End, batch: &Batch) -> Result<usize> {
    let limits = limits(call.server);
    if let Some(mut entry) = list_mut(call, key)? {
        return Ok(entry.list_push(end, batch, limits));
    }
    call.server.set(call.access(), key, batch.to_value(end, limits), Expiry::Never);
    Ok(batch.len())
}
