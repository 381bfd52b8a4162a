//! XREAD, and what it shares with XREADGROUP: options, limits of the reply, waiting.

use super::ids::id;
use super::{STREAM, read, write_entry, write_id};
use crate::engine::command::args::{Cursor, int, timeout_ms};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::stream::{Entry, IdBuf, Stream, StreamId};
use crate::engine::protocol::reply::Mark;
use crate::engine::protocol::{Argv, Reply};
use crate::engine::session::Awaited;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Arg, Begin, Find, Flags, KEY, KeyFlags, Keys, block, int as integer, string};
use crate::engine::text::ascii::c_string;

pub(super) const COUNT: Arg = integer("count").token("COUNT").optional();
pub(super) const MAXCOUNT: Arg = integer("maxcount").token("MAXCOUNT").optional().since("8.10.0");
pub(super) const MAXSIZE: Arg = integer("maxsize").token("MAXSIZE").optional().since("8.10.0");
pub(super) const BLOCK: Arg = integer("milliseconds").token("BLOCK").optional();
pub(super) const STREAMS: Arg = block("streams", &[KEY.multiple(), string("id").multiple()]).token("STREAMS");

/// The keys after STREAMS, which is looked for from this argument on.
pub(super) const fn keys_after_streams(from: i16) -> Keys {
    Keys {
        flags: KeyFlags::RO.or(KeyFlags::ACCESS).or(KeyFlags::INCOMPLETE),
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range { last: -1, step: 1, limit: 2 },
    }
}

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "XREAD",
    arity: AtLeast(4),
    flags: Flags::READONLY.or(Flags::BLOCKING).or(Flags::MOVABLE_KEYS),
    keys: &[keys_after_streams(1)],
    since: "5.0.0",
    summary: "Returns the entries of streams after the ids given, and waits for some if there are none.",
    history: &[("8.10.0", "Added the `MAXCOUNT` and `MAXSIZE` options.")],
    args: &[COUNT, MAXCOUNT, MAXSIZE, BLOCK, STREAMS],
    run: xread,
    ..STREAM
}];

/// The options of XREAD and XREADGROUP.
#[derive(Default)]
pub(super) struct Options<'a> {
    /// Group and consumer.
    pub group: Option<(&'a [u8], &'a [u8])>,
    /// Nobody has to acknowledge the entries.
    pub no_ack: bool,
    /// Entries that others have had for so many milliseconds are to be claimed.
    pub claim: Option<i64>,
    /// The deadline for waiting, if it is to be waited.
    pub block: Option<Option<u64>>,
    /// Entries of one stream.
    count: Option<usize>,
    /// Entries of all streams.
    max_count: Option<usize>,
    /// Bytes of the reply after which nothing is added.
    max_size: Option<usize>,
    /// Where the keys begin.
    keys_at: usize,
    /// How many streams.
    pub streams: usize,
}

impl<'a> Options<'a> {
    /// Reads the options, up to and with STREAMS.
    pub fn read(call: &Call<'a>, with_group: bool) -> Result<Self> {
        let mut options = Options::default();
        let mut cursor = Cursor::new(call.args, 1);
        let positive = |cursor: &mut Cursor, error| match cursor.int()? {
            number @ 1.. => Ok(Some(number as usize)),
            _ => Err(Error::new(error)),
        };
        while options.keys_at == 0 {
            let more = cursor.left() > 1;
            if more && cursor.keyword("BLOCK") {
                options.block = Some(timeout_ms(cursor.value()?, call.now)?);
            } else if more && cursor.keyword("COUNT") {
                options.count = Some(cursor.int()?.max(0) as usize).filter(|count| *count > 0);
            } else if more && cursor.keyword("MAXCOUNT") {
                options.max_count = positive(&mut cursor, "ERR MAXCOUNT must be a positive integer")?;
            } else if more && cursor.keyword("MAXSIZE") {
                options.max_size = positive(&mut cursor, "ERR MAXSIZE must be a positive integer")?;
            } else if more && cursor.keyword("STREAMS") {
                options.keys_at = cursor.position();
                options.streams = cursor.left() / 2;
            } else if cursor.left() > 2 && cursor.keyword("GROUP") {
                only_for_groups(with_group, "GROUP")?;
                options.group = Some((cursor.value()?, cursor.value()?));
            } else if cursor.keyword("NOACK") {
                only_for_groups(with_group, "NOACK")?;
                options.no_ack = true;
            } else if more && cursor.keyword("CLAIM") {
                only_for_groups(with_group, "CLAIM")?;
                options.claim = Some(min_idle_time(cursor.value()?)?);
            } else {
                return Err(Error::SYNTAX);
            }
        }
        if cursor.left() % 2 == 1 {
            let (name, wanted) =
                if with_group { ("xreadgroup", "ID or '>'") } else { ("xread", "ID, '+', or '$'") };
            return Err(Error::text(format!(
                "ERR Unbalanced '{name}' list of streams: for each stream key an {wanted} must be specified."
            )));
        }
        if options.max_count.is_some_and(|most| options.count.is_some_and(|count| count > most)) {
            return Err(Error::new("ERR MAXCOUNT must be greater than or equal to COUNT"));
        }
        Ok(options)
    }

    /// Where the id of a stream stands.
    pub fn id_at(&self, stream: usize) -> usize {
        self.keys_at + self.streams + stream
    }

    /// The key of a stream.
    pub fn key(&self, call: &Call<'a>, stream: usize) -> &'a [u8] {
        call.args.at(self.keys_at + stream)
    }
}

fn only_for_groups(with_group: bool, option: &str) -> Result {
    if with_group {
        return Ok(());
    }
    Err(Error::text(format!(
        "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
    )))
}

fn min_idle_time(text: &[u8]) -> Result<i64> {
    match int(text) {
        Ok(time @ 0..) => Ok(time),
        Ok(_) => Err(Error::new("ERR min-idle-time must be a positive integer")),
        Err(_) => Err(Error::new("ERR min-idle-time is not an integer or out of range")),
    }
}

/// A reply of several streams, within the limits of the request.
pub(super) struct Streams {
    count: Option<usize>,
    max_count: usize,
    max_size: usize,
    start: Mark,
    /// Where the entries of the running stream begin.
    entries: Mark,
    /// How many of them were written.
    written: usize,
    streams: usize,
    total: usize,
}

impl Streams {
    /// Nothing yet.
    pub fn new(options: &Options, reply: &Reply) -> Self {
        Streams {
            count: options.count,
            max_count: options.max_count.unwrap_or(usize::MAX),
            max_size: options.max_size.unwrap_or(usize::MAX),
            start: reply.mark(),
            entries: reply.mark(),
            written: 0,
            streams: 0,
            total: 0,
        }
    }

    /// How many entries of this stream are still wanted, as far as it depends on their number.
    pub fn room(&self) -> usize {
        let left = self.max_count - self.total;
        self.count.map_or(left, |count| left.min(count - self.written))
    }

    /// Whether it has reached a limit. The first entry always fits.
    fn is_full(&self, reply: &Reply) -> bool {
        let too_large = || reply.since(self.start).len() >= self.max_size;
        self.total >= self.max_count || (self.total > 0 && too_large())
    }

    /// Begins another stream; `false` if there is no more room.
    pub fn begin(&mut self, reply: &mut Reply, key: &[u8]) -> bool {
        if self.is_full(reply) {
            return false;
        }
        self.streams += 1;
        if !reply.is_resp3() {
            reply.array(2);
        }
        reply.bulk(key);
        self.entries = reply.mark();
        true
    }

    /// Whether another entry is wanted.
    pub fn takes(&self, reply: &Reply) -> bool {
        self.room() > 0 && !self.is_full(reply)
    }

    /// Counts an entry that was written.
    pub fn count(&mut self) {
        self.written += 1;
        self.total += 1;
    }

    /// Ends the running stream.
    pub fn end(&mut self, reply: &mut Reply) {
        reply.array_at(self.entries, self.written);
        self.written = 0;
    }

    /// Writes entries as long as there is room.
    fn write<'a>(&mut self, reply: &mut Reply, entries: impl Iterator<Item = Entry<'a>>) {
        for entry in entries {
            if !self.takes(reply) {
                break;
            }
            write_entry(reply, &entry);
            self.count();
        }
    }

    /// Ends the reply; whether there is one.
    pub fn finish(&self, reply: &mut Reply) -> bool {
        match (self.streams, reply.is_resp3()) {
            (0, _) => return false,
            (streams, true) => reply.map_at(self.start, streams),
            (streams, false) => reply.array_at(self.start, streams),
        }
        true
    }
}

/// There is nothing to be read: the client waits, or is told so. An id of `$` becomes what it means now.
pub(super) fn wait(call: &mut Call, options: &Options, awaited: Awaited, ends: &[(usize, StreamId)]) {
    let Some(deadline) = options.block.filter(|_| call.may_block()) else {
        return call.reply.null_array();
    };
    let mut bufs: Vec<IdBuf> = ends.iter().map(|_| IdBuf::default()).collect();
    let mut argv: Vec<&[u8]> = call.args.iter().collect();
    for ((at, id), buf) in ends.iter().zip(&mut bufs) {
        argv[*at] = id.write(buf);
    }
    let keys: Vec<&[u8]> = (0..options.streams).map(|stream| options.key(call, stream)).collect();
    call.block_on_to_run(Argv::of(argv), awaited, keys, deadline);
}

fn xread(call: &mut Call) -> Result {
    let options = Options::read(call, false)?;
    let mut ends = Vec::new();
    let mut after = Vec::with_capacity(options.streams);
    let access = call.access();
    for n in 0..options.streams {
        let stream = read(call.server, access, options.key(call, n))?;
        let last = |id: fn(&Stream) -> StreamId| stream.map_or(StreamId::MIN, id);
        after.push(match c_string(call.args.at(options.id_at(n))) {
            b"$" => {
                let end = last(|stream| stream.last_id);
                ends.push((options.id_at(n), end));
                end
            }
            b"+" => last(|stream| stream.last_entry_id().previous().unwrap_or_default()),
            b">" => {
                return Err(Error::new(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
                     <consumer> option.",
                ));
            }
            _ => id(call.args.at(options.id_at(n)), 0)?,
        });
    }
    let mut streams = Streams::new(&options, call.reply);
    for (n, after) in after.into_iter().enumerate() {
        let key = options.key(call, n);
        let entry = call.server.peek(access, key);
        let Some(stream) = entry.and_then(|entry| entry.stream()) else { continue };
        let Some(start) = after.next().filter(|start| stream.last_entry_id() >= *start) else { continue };
        if !streams.begin(call.reply, key) {
            break;
        }
        streams.write(call.reply, stream.entries(start, StreamId::MAX));
        streams.end(call.reply);
    }
    if !streams.finish(call.reply) {
        wait(call, &options, Awaited::Stream, &ends);
    }
    Ok(())
}

/// An entry that was deleted since it was delivered.
pub(super) fn write_deleted(reply: &mut Reply, id: StreamId) {
    reply.array(2);
    write_id(reply, id);
    reply.null_array();
}
