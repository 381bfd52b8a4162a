//! Scripts: <https://redis.io/docs/latest/develop/programmability/eval-intro/>.

mod eval;
mod function;
mod manage;

use super::{BASE, Call, Command, Error, Group, Result};
use crate::engine::spec::{Categories, Flags};

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[eval::COMMANDS, manage::COMMANDS, function::COMMANDS];

const SCRIPTING: Command =
    Command { group: Group::Scripting, categories: Categories::SCRIPTING, flags: Flags::NOSCRIPT, ..BASE };

/// Whether `SCRIPT FLUSH` or `FUNCTION FLUSH` asks for what it forgets to be freed later.
fn flushes_later(call: &Call, unknown: &'static str) -> Result<bool> {
    match call.args.get(2) {
        None => Ok(call.server.config.lazyfree_lazy_user_flush),
        Some(mode) if mode.eq_ignore_ascii_case(b"ASYNC") => Ok(true),
        Some(mode) if mode.eq_ignore_ascii_case(b"SYNC") => Ok(false),
        Some(_) => Err(Error::new(unknown)),
    }
}
