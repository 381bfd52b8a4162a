//! Keys that move to another server.

use super::GENERIC;
use crate::engine::command::args::{self, Cursor};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::protocol::Args;
use crate::engine::server::migration::{Migration, Target};
use crate::engine::session::Waiting;
use crate::engine::spec::{
    Arity::AtLeast, Begin, Categories, Find, Flags, KEY, KeyFlags, Keys, block, int, key, key_at, one_of,
    string, token,
};
use crate::engine::text::number::parse_i64;

const FROM: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "MIGRATE",
    arity: AtLeast(6),
    flags: Flags::WRITE.or(Flags::MOVABLE_KEYS),
    categories: Categories::KEYSPACE.or(Categories::DANGEROUS),
    keys: &[
        key_at(3, FROM),
        Keys {
            flags: FROM.or(KeyFlags::INCOMPLETE),
            begin: Begin::Keyword("KEYS", -2),
            find: Find::Range { last: -1, step: 1, limit: 0 },
        },
    ],
    since: "2.6.0",
    complexity: "That of DUMP and DEL here and of RESTORE there, and O(N) for the bytes on their way.",
    summary: "Moves keys to another server.",
    history: &[
        ("3.0.0", "Added the `COPY` and `REPLACE` options."),
        ("3.0.6", "Added the `KEYS` option."),
        ("4.0.7", "Added the `AUTH` option."),
        ("6.0.0", "Added the `AUTH2` option."),
    ],
    tips: &["nondeterministic_output"],
    args: &[
        string("host"),
        int("port"),
        one_of("key-selector", &[KEY, token("empty-string", "")]),
        int("destination-db"),
        int("timeout"),
        token("copy", "COPY").optional().since("3.0.0"),
        token("replace", "REPLACE").optional().since("3.0.0"),
        one_of(
            "authentication",
            &[
                string("auth").shown("password").token("AUTH").since("4.0.7"),
                block("auth2", &[string("username"), string("password")]).token("AUTH2").since("6.0.0"),
            ],
        )
        .optional(),
        key("keys", 1).shown("key").token("KEYS").optional().multiple().since("3.0.6"),
    ],
    run: migrate,
    ..GENERIC
}];

/// Milliseconds to wait if the request names no time.
const TIMEOUT_MS: i64 = 1000;

/// What MIGRATE is asked to do beside moving the key of its third argument.
struct Options<'a> {
    copy: bool,
    replace: bool,
    credentials: Vec<Vec<u8>>,
    keys: Args<'a>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Self> {
        let (only, mut words) = (args.from(3).first(1), Cursor::new(args, 6));
        let mut options = Options { copy: false, replace: false, credentials: Vec::new(), keys: only };
        while words.left() > 0 {
            if words.keyword("COPY") {
                options.copy = true;
            } else if words.keyword("REPLACE") {
                options.replace = true;
            } else if words.keyword("AUTH") {
                options.credentials = vec![words.value()?.to_vec()];
            } else if words.keyword("AUTH2") {
                options.credentials = vec![words.value()?.to_vec(), words.value()?.to_vec()];
            } else if words.keyword("KEYS") {
                if !only.at(0).is_empty() {
                    return Err(Error::new(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                options.keys = args.from(words.position());
                break;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }
}

fn migrate(call: &mut Call) -> Result {
    let Options { copy, replace, credentials, keys } = Options::parse(call.args)?;
    let timeout = args::int(call.args.at(5))?;
    let db = args::int(call.args.at(4))?;
    let access = call.access();
    let mut entries: Vec<_> = keys
        .iter()
        .filter_map(|key| call.server.read(access, key).map(|entry| entry.duplicate(key)))
        .collect();
    if entries.is_empty() {
        call.reply.simple("NOKEY");
        return Ok(());
    }
    entries.sort_by(|a, b| a.key().cmp(b.key()));
    if !call.may_block() {
        // It could only be answered before the target has.
        return Err(Error::new("ERR MIGRATE cannot wait for its target inside a transaction"));
    }
    // What is no port is one where nobody listens.
    let port = parse_i64(call.args.at(2)).unwrap_or(0) as u16;
    let migration = Migration {
        client: call.session.client(),
        target: Target { host: call.args.at(1).to_vec(), port, credentials },
        db,
        timeout_ms: if timeout > 0 { timeout } else { TIMEOUT_MS } as u64,
        replace,
        asking: call.server.config.cluster_enabled,
        compress: call.server.config.rdbcompression,
        entries,
    };
    call.block(Waiting::Outside, None);
    call.server.migrate(migration, (!copy).then_some(access.db));
    Ok(())
}
