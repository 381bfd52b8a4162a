//! DEBUG CLOCK: stops and moves the clock that the server goes by, for tests of what takes long. Only where
//! `--test-clock` allows it, and then whatever `enable-debug-command` says: whoever asked for the one wants no more.

use crate::engine::command::args::not_negative;
use crate::engine::command::{Call, Error, Result};
use crate::engine::effect::{ClockStep, Effect};
use crate::engine::session::Waiting;
use crate::engine::text::ascii;

/// The last moment that can be asked for: the end of the year 9999.
const LAST_MS: i64 = 253_402_300_799_999;
/// Milliseconds that may pass in all, however often the clock is set back: no sum of a moment and a span overflows.
const SPAN_MAX_MS: u64 = 1 << 50;

/// Whether the request is one of these. Without `test-clock` there are none.
pub(super) fn is_meant(call: &Call) -> bool {
    call.server.config.test_clock && ascii::lower(call.args.at(1)) == b"clock"
}

/// Has the clock moved. The reply comes when all that is due then has happened.
pub(super) fn step(call: &mut Call) -> Result {
    let step = match (ascii::lower(call.args.get(2).unwrap_or_default()).as_slice(), call.args.len()) {
        (b"freeze", 3) => ClockStep::Freeze,
        (b"resume", 3) => ClockStep::Resume,
        (b"advance", 4) => ClockStep::Advance(milliseconds(call)?.unsigned_abs() * 1000),
        (b"set", 4) => ClockStep::Set(milliseconds(call)? * 1000),
        _ => return Err(Error::new("ERR DEBUG CLOCK is followed by FREEZE, ADVANCE ms, SET ms or RESUME")),
    };
    let then = step.applied_to(call.now);
    if then.unix_ms() > LAST_MS || then.mono_ms() > SPAN_MAX_MS {
        return Err(Error::new("ERR the clock does not go that far"));
    }
    if !call.may_block() {
        return Err(Error::new("ERR the clock stands still inside a transaction"));
    }
    call.server.ask(Effect::Clock { step, client: call.session.client() });
    call.block(Waiting::Outside, None);
    Ok(())
}

fn milliseconds(call: &Call) -> std::result::Result<i64, Error> {
    Ok(not_negative(call.args.at(3))?.min(LAST_MS + 1))
}
