//! XADD and XTRIM.

use super::idempotency::{message_name, new_memory};
use super::options::{NewId, Options, Sender};
use super::{FAST_GROWING, STREAM, create, event, limits, write};
use crate::engine::command::args::Cursor;
use crate::engine::command::call::Event;
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::Object;
use crate::engine::keyspace::value::stream::{
    BYTES_MAX, IdBuf, Limits, Removed, Retention, Stream, StreamId,
};
use crate::engine::mutant;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Arg, Flags, KEY, KeyFlags, block, int, key_at, one_of, string, token};
use crate::engine::time::Now;
use smallvec::SmallVec;

const STRATEGY: Arg =
    one_of("strategy", &[token("maxlen", "MAXLEN"), token("minid", "MINID").since("6.2.0")]);
const OPERATOR: Arg = one_of("operator", &[token("equal", "="), token("approximately", "~")]).optional();
const LIMIT: Arg = int("count").token("LIMIT").optional().since("6.2.0");
/// What becomes of the groups' references.
pub(super) const CONDITION: Arg =
    one_of("condition", &[token("keepref", "KEEPREF"), token("delref", "DELREF"), token("acked", "ACKED")])
        .optional();

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "XADD",
        arity: AtLeast(5),
        flags: FAST_GROWING,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::UPDATE))],
        since: "5.0.0",
        complexity: "O(1), and O(N) when trimming, N being the number of entries removed.",
        summary: "Adds an entry to a stream, which is made if it does not exist.",
        history: &[
            ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
            ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
            ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
        ],
        tips: &["nondeterministic_output"],
        args: &[
            KEY,
            token("nomkstream", "NOMKSTREAM").optional().since("6.2.0"),
            CONDITION,
            one_of(
                "idmp",
                &[
                    string("pid").token("IDMPAUTO"),
                    block("idmp", &[string("pid"), string("iid")]).token("IDMP"),
                ],
            )
            .optional()
            .since("8.6.0"),
            block("trim", &[STRATEGY, OPERATOR, string("threshold"), LIMIT]).optional(),
            one_of("id-selector", &[token("auto-id", "*"), string("id")]),
            block("data", &[string("field"), string("value")]).multiple(),
        ],
        run: xadd,
        ..STREAM
    },
    Command {
        name: "XTRIM",
        arity: AtLeast(4),
        flags: Flags::WRITE,
        keys: &[key_at(1, KeyFlags::RW.or(KeyFlags::DELETE))],
        since: "5.0.0",
        complexity: "O(log(N)) with N being the number of entries; entries that groups refer to cost O(log(N)) each.",
        summary: "Removes the oldest entries of a stream.",
        history: &[
            ("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."),
            ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
        ],
        tips: &["nondeterministic_output"],
        args: &[KEY, block("trim", &[STRATEGY, OPERATOR, string("threshold"), LIMIT, CONDITION])],
        run: xtrim,
        ..STREAM
    },
];

const ADDED: Event = event("xadd");
const TRIMMED: Event = event("xtrim");

fn xadd(call: &mut Call) -> Result {
    let mut cursor = Cursor::new(call.args, 2);
    let limits = limits(&call.server.config);
    let (options, new_id) = Options::of_add(&mut cursor, limits)?;
    let (key, id_at) = (call.args.at(1), cursor.position() - 1);
    let pairs: SmallVec<[&[u8]; 32]> = call.args.from(cursor.position()).iter().collect();
    let Some(new_id) = new_id.filter(|_| !pairs.is_empty() && pairs.len().is_multiple_of(2)) else {
        return Err(call.arity_error());
    };
    if new_id == NewId::Given(StreamId::MIN) {
        return Err(Error::new("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let now = call.now.unix_ms();
    let name = options.sender.map(|sender| message_name(sender, &pairs));
    let memory = new_memory(&call.server.config);
    let access = call.access();
    let mut entry = write(call.server, access, key)?;
    let mut made = Stream::new();
    let stream = match entry.as_mut() {
        Some(entry) => entry.stream_mut().expect("the type was checked"),
        None if options.no_create => {
            call.reply.null();
            return Ok(());
        }
        None => &mut made,
    };
    if let (Some(Sender { producer, .. }), Some(name)) = (options.sender, &name)
        && let Some(known) = stream.idempotency.as_mut()
        && let Some(id) = known.find(producer, name, now)
    {
        known.duplicates += 1;
        call.server.dirty += 1;
        super::write_id(call.reply, id);
        return Ok(());
    }
    let last = if mutant::is_on("reused-id") { stream.last_entry_id() } else { stream.last_id };
    let id = next_id(last, new_id, &pairs, call.now)?;
    stream.append(id, &pairs, limits);
    if let (Some(Sender { producer, .. }), Some(name)) = (options.sender, &name) {
        stream.idempotency.get_or_insert_with(|| memory.into()).note(producer, name, id, now);
    }
    let removed = options.trim.map(|trim| stream.trim(trim, options.references.unwrap_or_default()));
    let threshold = options.approximate_at.and_then(|at| Some((at, threshold(stream, options.trim?.keep))));
    if entry.is_none() {
        create(call, key, made);
    }
    super::write_id(call.reply, id);
    call.changed(key, ADDED);
    if let Some(removed) = removed.filter(|removed| removed.count > 0) {
        call.server.notify(call.session.db, key, TRIMMED);
        discard(call, removed);
    }
    let id_text = (!matches!(new_id, NewId::Given(_))).then_some((id_at, id));
    propagate(call, id_text, threshold, options.limit_at);
    Ok(())
}

/// The id of a new entry after the last one.
fn next_id(last: StreamId, wanted: NewId, pairs: &[&[u8]], now: Now) -> Result<StreamId> {
    let Some(next) = last.next() else {
        return Err(Error::new(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    };
    let id = match wanted {
        NewId::Auto => next.max(StreamId::new(now.unix_ms().max(0) as u64, 0)),
        NewId::Next(ms) if ms == next.ms => next,
        NewId::Next(ms) => StreamId::new(ms, 0),
        NewId::Given(id) => id,
    };
    if id <= last {
        return Err(Error::new(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ));
    }
    let bytes: usize = pairs.iter().map(|part| part.len()).sum();
    if bytes > BYTES_MAX {
        return Err(Error::new("ERR Elements are too large to be stored"));
    }
    Ok(id)
}

/// What an approximate threshold came to: exact, it has the same effect.
fn threshold(stream: &Stream, keep: Retention) -> Vec<u8> {
    match keep {
        Retention::Length(_) => stream.len().to_string(),
        Retention::From(_) => stream.first_stored_id().unwrap_or(StreamId::MAX).to_string(),
    }
    .into_bytes()
}

/// Propagates the request with what the server chose in place of what it was to choose: the id, and where
/// trimming ended.
fn propagate(
    call: &mut Call,
    id: Option<(usize, StreamId)>,
    threshold: Option<(usize, Vec<u8>)>,
    limit_at: Option<usize>,
) {
    if !call.server.propagation.wanted() || id.is_none() && threshold.is_none() {
        return;
    }
    let mut buf = IdBuf::default();
    let mut argv: Vec<&[u8]> = call.args.iter().collect();
    if let Some((at, id)) = id {
        argv[at] = id.write(&mut buf);
    }
    if let Some((at, text)) = &threshold {
        argv[at - 1] = b"=";
        argv[*at] = text;
    }
    if let Some(at) = limit_at {
        // Nothing is left for it to limit, and it is refused without `~`.
        argv.drain(at..at + 2);
    }
    call.propagate(&argv);
}

fn discard(call: &mut Call, removed: Removed) {
    call.server.discard(Box::new(Object::Stream(Box::new(removed.into_stream()))));
}

fn xtrim(call: &mut Call) -> Result {
    let limits: Limits = limits(&call.server.config);
    let options = Options::of_trim(&mut Cursor::new(call.args, 2), limits)?;
    let (key, access) = (call.args.at(1), call.access());
    let Some(trim) = options.trim else { return Err(Error::SYNTAX) };
    let Some(mut entry) = write(call.server, access, key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let stream = entry.stream_mut().expect("the type was checked");
    let removed = stream.trim(trim, options.references.unwrap_or_default());
    let threshold = options.approximate_at.map(|at| (at, threshold(stream, trim.keep)));
    let count = removed.count;
    if count > 0 {
        call.changed(key, TRIMMED);
        call.server.dirty += count - 1;
        discard(call, removed);
        propagate(call, None, threshold, options.limit_at);
    }
    call.reply.int(count as i64);
    Ok(())
}
