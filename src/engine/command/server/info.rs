//! INFO: figures and facts. The fields are in `engine/info`.

use super::SERVER;
use crate::engine::command::{Call, Command, Result};
use crate::engine::info;
use crate::engine::spec::{Arity::AtLeast, Categories, Flags, string};

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "INFO",
    arity: AtLeast(1),
    flags: Flags::LOADING.or(Flags::STALE),
    categories: Categories::DANGEROUS,
    since: "1.0.0",
    summary: "Returns figures and facts about the server, by section.",
    history: &[("7.0.0", "Takes several sections.")],
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    args: &[string("section").multiple().optional()],
    run: info,
    ..SERVER
}];

fn info(call: &mut Call) -> Result {
    let names: Vec<&[u8]> = call.args.from(1).iter().collect();
    call.server.scripting.tidy();
    let text = info::text(call.server, call.session, call.now, &names);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}
