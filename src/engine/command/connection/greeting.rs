//! Saying hello, and whether anybody is there.

use super::CONNECTION;
use crate::engine::command::{Call, Command, Result};
use crate::engine::spec::{Arity::AtLeast, Flags, string};

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "PING",
    arity: AtLeast(1),
    flags: Flags::FAST,
    since: "1.0.0",
    summary: "Replies PONG, or with the message given.",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    args: &[string("message").optional()],
    run: ping,
    ..CONNECTION
}];

fn ping(call: &mut Call) -> Result {
    if call.args.len() > 2 {
        return Err(call.arity_error());
    }
    let message = call.args.get(1);
    if call.session.only_subscribes() {
        call.reply.array(2);
        call.reply.bulk(b"pong");
        call.reply.bulk(message.unwrap_or_default());
    } else if let Some(message) = message {
        call.reply.bulk(message);
    } else {
        call.reply.simple("PONG");
    }
    Ok(())
}
