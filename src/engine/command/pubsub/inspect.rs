//! PUBSUB: who listens to what.

use super::PUBSUB;
use crate::engine::command::{Call, Command, Result};
use crate::engine::pubsub::Channels;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Flags, pattern, string};
use crate::engine::text::glob;

const INSPECT: Command =
    Command { parent: Some("PUBSUB"), flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE), ..PUBSUB };

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "PUBSUB",
        arity: AtLeast(2),
        since: "2.8.0",
        complexity: "Depends on subcommand.",
        summary: "Holds the commands that tell who listens to what.",
        ..PUBSUB
    },
    Command {
        name: "CHANNELS",
        arity: AtLeast(2),
        since: "2.8.0",
        complexity: "O(N) where N is the number of active channels, and assuming constant time pattern \
                     matching (relatively short channels and patterns)",
        summary: "Lists the channels that somebody listens to.",
        args: &[pattern("pattern").optional()],
        run: |call| list(call, |call| &call.server.pubsub.channels),
        ..INSPECT
    },
    Command {
        name: "NUMSUB",
        arity: AtLeast(2),
        since: "2.8.0",
        complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        summary: "Counts the listeners of channels.",
        args: &[string("channel").optional().multiple()],
        run: |call| count(call, |call| &call.server.pubsub.channels),
        ..INSPECT
    },
    Command {
        name: "NUMPAT",
        arity: Exactly(2),
        since: "2.8.0",
        summary: "Counts the patterns that somebody listens to.",
        run: numpat,
        ..INSPECT
    },
    Command {
        name: "SHARDCHANNELS",
        arity: AtLeast(2),
        since: "7.0.0",
        complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern \
                     matching (relatively short shard channels).",
        summary: "Lists the shard channels that somebody listens to.",
        args: &[pattern("pattern").optional()],
        run: |call| list(call, |call| &call.server.pubsub.shards),
        ..INSPECT
    },
    Command {
        name: "SHARDNUMSUB",
        arity: AtLeast(2),
        since: "7.0.0",
        complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        summary: "Counts the listeners of shard channels.",
        args: &[string("shardchannel").optional().multiple()],
        run: |call| count(call, |call| &call.server.pubsub.shards),
        ..INSPECT
    },
    Command {
        name: "HELP",
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        since: "6.2.0",
        summary: "Lists the subcommands.",
        run: help,
        ..INSPECT
    },
];

fn list(call: &mut Call, of: for<'a> fn(&'a Call) -> &'a Channels) -> Result {
    if call.args.len() > 3 {
        return Err(call.subcommand_error());
    }
    let wanted = call.args.get(2);
    let all = of(call).keys();
    let mut names: Vec<Box<[u8]>> = all
        .filter(|name| wanted.is_none_or(|pattern| glob::matches(pattern, name, false)))
        .cloned()
        .collect();
    names.sort_unstable();
    call.reply.array(names.len());
    names.iter().for_each(|name| call.reply.bulk(name));
    Ok(())
}

fn count(call: &mut Call, of: for<'a> fn(&'a Call) -> &'a Channels) -> Result {
    let names = call.args.from(2);
    call.reply.array(names.len() * 2);
    for name in names.iter() {
        let listeners = of(call).get(name).map_or(0, |clients| clients.len());
        call.reply.bulk(name);
        call.reply.int(listeners as i64);
    }
    Ok(())
}

fn numpat(call: &mut Call) -> Result {
    call.reply.int(call.server.pubsub.patterns.len() as i64);
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "CHANNELS [<pattern>]",
        "    List the channels with listeners, or those that match the pattern.",
        "NUMPAT",
        "    Count the different patterns with listeners.",
        "NUMSUB [<channel> ...]",
        "    Count the listeners of each channel; those of patterns do not count.",
        "SHARDCHANNELS [<pattern>]",
        "    List the shard channels with listeners, or those that match the pattern.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Count the listeners of each shard channel.",
    ])
}
