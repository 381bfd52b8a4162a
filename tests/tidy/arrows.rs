//! Which room of `src/` may import which, and who may reach outside.

use super::source::{Source, block_length, identifier, line_number, words};

/// Rooms of the engine that know nothing of ours, so that any other room of it may know them.
const LEAVES: &[&str] = &[
    "engine/buggify",
    "engine/hash",
    "engine/mark",
    "engine/memory",
    "engine/mutant",
    "engine/prefetch",
    "engine/rng",
    "engine/spec",
    "engine/text",
    "engine/time",
];

/// The other rooms and what each may import beside itself, what lies beneath it, and the leaves. A room
/// is a folder or a file of that path. The longest name that fits decides, so `engine/keyspace/value` is
/// not part of `engine/keyspace`.
///
/// A new arrow here is a decision about the architecture: see docs/architecture.md.
const ROOMS: &[(&str, &[&str])] = &[
    ("lib", &["engine", "actor", "cli", "runtime", "simulation"]),
    // For the tests of other programs: a world around a whole server.
    ("simulation", &["engine", "actor", "runtime"]),
    ("main", &["cli", "runtime"]),
    ("cli", &["engine", "actor", "runtime"]),
    // A moment is plain data, which the clock fills in.
    ("runtime", &["engine/memory", "engine/time"]),
    ("actor", &["engine", "runtime"]),
    // The engine, from what knows most to what knows least.
    ("engine", &["engine/*"]),
    // Connections that are only buffers, for tests: drives the server from above.
    ("engine/loopback", &["engine/*"]),
    // Reads the whole server out.
    ("engine/info", &["engine/server", "engine/config", "engine/keyspace", "engine/session"]),
    ("engine/server", &["engine/*"]),
    ("engine/command", &["engine/*"]),
    ("engine/replication", &["engine/persist", "engine/effect", "engine/protocol"]),
    ("engine/cluster", &["engine/persist", "engine/protocol"]),
    ("engine/sentinel", &["engine/persist", "engine/protocol"]),
    ("engine/persist", &["engine/keyspace", "engine/effect", "engine/protocol"]),
    ("engine/aof", &["engine/keyspace", "engine/keyspace/value", "engine/protocol", "engine/rdb"]),
    ("engine/rdb", &["engine/keyspace", "engine/keyspace/value"]),
    ("engine/search", &["engine/keyspace/value"]),
    ("engine/pubsub", &["engine/session", "engine/protocol"]),
    ("engine/tracking", &[]),
    ("engine/effect", &["engine/session", "engine/config", "engine/protocol"]),
    ("engine/session", &["engine/acl", "engine/protocol"]),
    ("engine/script", &["engine/protocol"]),
    ("engine/acl", &["engine/protocol"]),
    ("engine/keyspace", &["engine/keyspace/value"]),
    ("engine/keyspace/value", &[]),
    ("engine/config", &[]),
    ("engine/protocol", &[]),
];

/// What only `src/runtime/` may name, and what to use instead.
const OUTSIDE: [(&str, &str); 9] = [
    ("tokio", "use crate::runtime"),
    ("madsim", "use crate::runtime"),
    ("socket2", "use crate::runtime"),
    ("libc", "use crate::runtime"),
    ("std::fs", "use crate::runtime::fs; the engine hands out an effect"),
    ("std::thread", "use crate::runtime::thread; the engine is one value and needs none"),
    ("std::process", "use crate::runtime; the engine hands out an effect"),
    ("std::env", "take the value as an argument"),
    ("SystemTime", "take `now: Now` as an argument"),
];

/// Complains about imports that a room's row does not allow.
pub fn between_rooms(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("src/") && !source.is_test()) {
        let module = module_of(&source.path);
        let Some(room) = room_of(&module) else {
            complaints.push(format!(
                "{}: no room of tests/tidy/arrows.rs: add a row that says what it may import",
                source.path
            ));
            continue;
        };
        let code = source.code_without_tests();
        for (at, path) in mentions(&code, &module) {
            if let Some(reason) = forbidden(room, &path) {
                let line = line_number(&source.text, at);
                complaints.push(format!("{}:{line}: {reason}", source.path));
            }
        }
    }
    complaints
}

/// Complains about clocks, files, sockets and runtimes named outside `src/runtime/`.
pub fn to_the_outside(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let inside = |path: &str| path.starts_with("src/engine/") || path.starts_with("src/actor/");
    for source in sources.iter().filter(|source| inside(&source.path) && !source.is_test()) {
        let code = source.code_without_tests();
        for (name, instead) in OUTSIDE {
            // A crate is named in a path; `tokio` alone may be a word of ours.
            let crate_name = name.chars().all(|c| c.is_lowercase() || c.is_numeric());
            for at in words(&code, name) {
                if !crate_name || code[at + name.len()..].starts_with("::") {
                    let line = line_number(&source.text, at);
                    complaints.push(format!("{}:{line}: `{name}` is the outside: {instead}", source.path));
                }
            }
        }
    }
    complaints
}

/// The module path of a file: `src/engine/text/mod.rs` is `engine/text`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("/mod").split('/').map(str::to_owned).collect()
}

/// The room of a module or item path: the longest row that is its beginning.
fn room_of(path: &[String]) -> Option<&'static str> {
    let fits = |room: &&str| {
        let mut parts = path.iter();
        room.split('/').all(|part| parts.next().is_some_and(|have| have == part))
    };
    let rooms = ROOMS.iter().map(|(room, _)| *room).chain(LEAVES.iter().copied());
    rooms.filter(fits).max_by_key(|room| room.len())
}

/// Why `room` may not mention `path`, if it may not.
fn forbidden(room: &str, path: &[String]) -> Option<String> {
    let target = room_of(path)?;
    let allowed = ROOMS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, allowed)| allowed);
    let beneath = |name: &str, room: &str| {
        name.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let everything_in = |row: &str| row.strip_suffix("/*").is_some_and(|folder| beneath(target, folder));
    let fine = beneath(target, room)
        || LEAVES.contains(&target)
            && ROOMS.iter().any(|(name, _)| *name == room)
            && room.starts_with("engine")
        || allowed.iter().any(|row| *row == target || everything_in(row))
        || (["actor", "cli", "lib", "main", "simulation"].contains(&room)
            && allowed.iter().any(|row| beneath(target, row)));
    (!fine).then(|| {
        format!(
            "{room} may not know {target} (`crate::{}`): move what both need to a room below, or pass it in as data",
            path.join("::")
        )
    })
}

/// Every path that begins with `crate`, `self` or `super`, as a full path in the crate, with its place.
fn mentions(code: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for at in words(code, "crate").filter(|&at| code[at + 5..].starts_with("::")) {
        expand(&code[at + 7..], Vec::new(), at, &mut found);
    }
    for at in words(code, "super").filter(|&at| !code[..at].ends_with("super::")) {
        let mut base = module.to_vec();
        base.extend(inline_modules(code, at));
        let mut rest = &code[at..];
        while let Some(after) = rest.strip_prefix("super::") {
            base.pop();
            rest = after;
        }
        // A bare `super` stands in `pub(in super)` and the like.
        if !code[at..].starts_with("super::") {
            continue;
        }
        expand(rest, base, at, &mut found);
    }
    found
}

/// Names of the inline modules around a place.
fn inline_modules(code: &str, at: usize) -> Vec<String> {
    let around = words(code, "mod").take_while(|&start| start < at).filter_map(|start| {
        let name = identifier(&code[start + 3..]);
        let open = start + code[start..].find(['{', ';'])?;
        let inside = code.as_bytes()[open] == b'{' && open + block_length(&code[open..])? > at;
        inside.then(|| name.to_owned())
    });
    around.collect()
}

/// Follows a path, into each branch of its braces.
fn expand(code: &str, mut path: Vec<String>, at: usize, found: &mut Vec<(usize, Vec<String>)>) {
    let mut rest = code;
    loop {
        if rest.starts_with('{') {
            let Some(length) = block_length(rest) else { return };
            for branch in branches(&rest[1..length - 1]) {
                expand(branch.trim_start(), path.clone(), at, found);
            }
            return;
        }
        let name = identifier(rest);
        if name.is_empty() {
            break;
        }
        if name != "self" {
            path.push(name.to_owned());
        }
        match rest.trim_start()[name.len()..].strip_prefix("::") {
            Some(after) => rest = after,
            None => break,
        }
    }
    if !path.is_empty() {
        found.push((at, path));
    }
}

/// The parts between commas that stand outside braces.
fn branches(list: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        between_rooms(&[Source::new(path, text)]).len()
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        assert_eq!(complaints("src/engine/text/glob.rs", "use crate::engine::keyspace::Database;"), 1);
        assert_eq!(complaints("src/engine/keyspace/mod.rs", "fn f(x: crate::engine::command::Call) {}"), 1);
        assert_eq!(
            complaints(
                "src/engine/protocol/mod.rs",
                "use crate::{engine::{text, session::{Client}}, runtime};"
            ),
            2
        );
        assert_eq!(complaints("src/engine/config/memory.rs", "use super::super::keyspace::Database;"), 1);
        assert_eq!(
            complaints("src/engine/keyspace/value/list.rs", "use super::super::database::Database;"),
            1
        );
        assert_eq!(complaints("src/engine/session/mod.rs", "use crate::engine::Server;"), 1);
        assert_eq!(complaints("src/runtime/mod.rs", "use crate::actor::Event;"), 1);
        assert_eq!(
            complaints("src/engine/spec.rs", "mod a { mod b { use super::super::super::text::glob; } }"),
            1
        );
    }

    #[test]
    fn a_room_without_a_row_is_found() {
        assert_eq!(complaints("src/gossip.rs", ""), 1);
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        for (path, text) in [
            ("src/engine/command/string/get.rs", "use crate::engine::{keyspace::Database, text::number};"),
            (
                "src/engine/keyspace/mod.rs",
                "use crate::engine::keyspace::value::List; mod value; use self::value::x;",
            ),
            ("src/engine/keyspace/value/list.rs", "use super::packed::Packed; use crate::engine::memory;"),
            ("src/engine/text/long_double.rs", "use super::number::Literal;"),
            ("src/engine/spec.rs", "mod a { use super::key_at; }"),
            (
                "src/engine/text/glob.rs",
                "// crate::engine::command\n#[cfg(test)]\nmod tests { use crate::engine::command; }",
            ),
            ("src/actor/mod.rs", "use crate::{engine::server::Server, runtime::net};"),
            ("src/engine/mod.rs", "pub use self::server::Server; pub(super) fn f() {}"),
        ] {
            assert_eq!(complaints(path, text), 0, "{path} {text}");
        }
    }

    #[test]
    fn the_outside_is_found() {
        let check = |path: &str, text: &str| to_the_outside(&[Source::new(path, text)]).len();
        assert_eq!(check("src/engine/x.rs", "use std::fs; fn f() { tokio::spawn(g()) }"), 2);
        assert_eq!(check("src/actor/x.rs", "std::time::SystemTime::now()"), 1);
        assert_eq!(check("src/runtime/x.rs", "use tokio::net;"), 0);
        assert_eq!(check("src/engine/x.rs", "let libc = 1; // std::fs"), 0);
    }

    #[test]
    fn rows_stand_in_order_and_name_rows() {
        let place = |name: &str| ROOMS.iter().position(|(room, _)| *room == name);
        for (at, (room, allowed)) in ROOMS.iter().enumerate() {
            for target in allowed.iter().filter(|target| !target.ends_with("/*") && !LEAVES.contains(target))
            {
                let target_at =
                    place(target).unwrap_or_else(|| panic!("{room} names {target}, which has no row"));
                // An arrow that only points down the table cannot close a circle.
                assert!(at < target_at || !room.starts_with("engine"), "{room} -> {target}");
            }
        }
    }
}
