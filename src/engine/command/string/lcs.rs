//! LCS: what two strings have in common.

use super::STRING;
use crate::engine::command::args::{Cursor, int};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::value::IntBuf;
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{Begin, Find, Flags, KeyFlags, Keys, int as int_arg, key, token};
use crate::engine::text::lcs as algorithm;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "LCS",
    arity: AtLeast(3),
    flags: Flags::READONLY,
    keys: &[Keys {
        flags: KeyFlags::RO.or(KeyFlags::ACCESS),
        begin: Begin::Index(1),
        find: Find::Range { last: 1, step: 1, limit: 0 },
    }],
    since: "7.0.0",
    complexity: "O(N*M) where N and M are the lengths of the strings.",
    summary: "Finds the longest subsequence that two strings have in common.",
    args: &[
        key("key1", 0),
        key("key2", 0),
        token("len", "LEN").optional(),
        token("idx", "IDX").optional(),
        int_arg("min-match-len").token("MINMATCHLEN").optional(),
        token("withmatchlen", "WITHMATCHLEN").optional(),
    ],
    run: lcs,
    ..STRING
}];

fn read(call: &mut Call, index: usize) -> Result<Vec<u8>> {
    let entry = call.server.read_string(call.access(), call.args.at(index));
    let entry = entry.map_err(|_| Error::new("ERR The specified keys must contain string values"))?;
    let mut digits = IntBuf::new();
    Ok(entry.and_then(|entry| entry.string(&mut digits)).unwrap_or_default().to_vec())
}

fn lcs(call: &mut Call) -> Result {
    let (mut length_only, mut index, mut lengths, mut least) = (false, false, false, 0);
    let mut cursor = Cursor::new(call.args, 3);
    let (a, b) = (read(call, 1)?, read(call, 2)?);
    while cursor.left() > 0 {
        if cursor.keyword("IDX") {
            index = true;
        } else if cursor.keyword("LEN") {
            length_only = true;
        } else if cursor.keyword("WITHMATCHLEN") {
            lengths = true;
        } else if let Some(number) = cursor.keyword_with_value("MINMATCHLEN") {
            least = int(number)?.max(0) as usize;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    if index && length_only {
        return Err(Error::new("ERR If you want both the length and indexes, please just use IDX."));
    }
    if algorithm::table_bytes(a.len(), b.len()) > call.server.config.proto_max_bulk_len {
        return Err(Error::new(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    if length_only {
        call.reply.int(algorithm::length(&a, &b) as i64);
        return Ok(());
    }
    let found = algorithm::find(&a, &b);
    if !index {
        call.reply.bulk(&found.bytes);
        return Ok(());
    }
    call.reply.map(2);
    call.reply.bulk(b"matches");
    let matches: Vec<_> = found.matches.iter().filter(|part| part.len() >= least).collect();
    call.reply.array(matches.len());
    for part in matches {
        call.reply.array(2 + lengths as usize);
        for (first, last) in [part.a, part.b] {
            call.reply.array(2);
            call.reply.int(first as i64);
            call.reply.int(last as i64);
        }
        if lengths {
            call.reply.int(part.len() as i64);
        }
    }
    call.reply.bulk(b"len");
    call.reply.int(found.bytes.len() as i64);
    Ok(())
}
