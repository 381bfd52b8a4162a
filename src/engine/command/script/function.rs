//! FUNCTION: libraries of functions.

use super::{SCRIPTING, flushes_later};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::protocol::Reply;
use crate::engine::rdb::payload;
use crate::engine::server::functions::Library;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, Categories, Flags, one_of, string, token};
use crate::engine::text::ascii;
use crate::engine::text::glob;

const FUNCTION: Command = Command { parent: Some("FUNCTION"), since: "7.0.0", ..SCRIPTING };
const WRITES: Flags = Flags::NOSCRIPT.or(Flags::WRITE);
const EVERYWHERE: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "FUNCTION",
        arity: AtLeast(2),
        categories: Categories::NONE,
        flags: Flags::NONE,
        since: "7.0.0",
        complexity: "Depends on subcommand.",
        summary: "Holds the commands about functions.",
        ..SCRIPTING
    },
    Command {
        name: "LOAD",
        arity: AtLeast(3),
        flags: WRITES.or(Flags::DENYOOM),
        complexity: "O(1) (considering compilation time is redundant)",
        summary: "Loads a library.",
        tips: EVERYWHERE,
        args: &[token("replace", "REPLACE").optional(), string("function-code")],
        run: load,
        ..FUNCTION
    },
    Command {
        name: "DELETE",
        arity: Exactly(3),
        flags: WRITES,
        summary: "Removes a library with its functions.",
        tips: EVERYWHERE,
        args: &[string("library-name")],
        run: delete,
        ..FUNCTION
    },
    Command {
        name: "FLUSH",
        arity: AtLeast(2),
        flags: WRITES,
        complexity: "O(N) where N is the number of functions deleted",
        summary: "Removes all libraries.",
        tips: EVERYWHERE,
        args: &[one_of("flush-type", &[token("async", "ASYNC"), token("sync", "SYNC")]).optional()],
        run: flush,
        ..FUNCTION
    },
    Command {
        name: "DUMP",
        arity: Exactly(2),
        complexity: "O(N) where N is the number of functions",
        summary: "Puts all libraries into a payload that FUNCTION RESTORE takes.",
        run: dump,
        ..FUNCTION
    },
    Command {
        name: "RESTORE",
        arity: AtLeast(3),
        flags: WRITES.or(Flags::DENYOOM),
        complexity: "O(N) where N is the number of functions on the payload",
        summary: "Loads all libraries of a payload.",
        tips: EVERYWHERE,
        args: &[
            string("serialized-value"),
            one_of(
                "policy",
                &[token("flush", "FLUSH"), token("append", "APPEND"), token("replace", "REPLACE")],
            )
            .optional(),
        ],
        run: restore,
        ..FUNCTION
    },
    Command {
        name: "LIST",
        arity: AtLeast(2),
        complexity: "O(N) where N is the number of functions",
        summary: "Lists libraries and their functions.",
        tips: &["nondeterministic_output_order"],
        args: &[
            string("library-name-pattern").token("LIBRARYNAME").optional(),
            token("withcode", "WITHCODE").optional(),
        ],
        run: list,
        ..FUNCTION
    },
    Command {
        name: "STATS",
        arity: Exactly(2),
        flags: Flags::NOSCRIPT.or(Flags::ALLOW_BUSY),
        summary: "Tells which function runs, and how many there are.",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        run: stats,
        ..FUNCTION
    },
    Command {
        name: "KILL",
        arity: Exactly(2),
        flags: Flags::NOSCRIPT.or(Flags::ALLOW_BUSY),
        summary: "Ends the function that runs, if it has written nothing.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        run: kill,
        ..FUNCTION
    },
    Command {
        name: "HELP",
        arity: Exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        summary: "Lists the subcommands.",
        run: help,
        ..FUNCTION
    },
];

fn load(call: &mut Call) -> Result {
    let mut replace = false;
    let last = call.args.len() - 1;
    for option in call.args.from(2).iter().take(last - 2) {
        if !option.eq_ignore_ascii_case(b"REPLACE") {
            return Err(Error::bytes([b"ERR Unknown option given: ", option].concat()));
        }
        replace = true;
    }
    let name = call.server.load_library(call.args.at(last), replace)?;
    call.server.dirty += 1;
    call.reply.bulk(name.as_bytes());
    Ok(())
}

fn delete(call: &mut Call) -> Result {
    let name = String::from_utf8_lossy(call.args.at(2)).into_owned();
    if !call.server.delete_library(&name) {
        return Err(Error::new("ERR Library not found"));
    }
    call.server.dirty += 1;
    call.reply.ok();
    Ok(())
}

fn flush(call: &mut Call) -> Result {
    if call.args.len() > 3 {
        return Err(call.subcommand_error());
    }
    let later = flushes_later(call, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option")?;
    let forgotten = call.server.scripting.functions.count();
    call.server.scripting.functions.flush();
    if later {
        // Redis counts its engine too.
        call.server.count_as_freed(forgotten, 1);
    }
    call.server.dirty += 1;
    call.reply.ok();
    Ok(())
}

fn dump(call: &mut Call) -> Result {
    call.reply.bulk(&payload::dump_functions(&call.server.scripting.functions.sources()));
    Ok(())
}

fn restore(call: &mut Call) -> Result {
    let policy = match call.args.len() {
        3 => b"append".to_vec(),
        4 => ascii::lower(call.args.at(3)),
        _ => return Err(call.subcommand_error()),
    };
    let (flush, replace) = match policy.as_slice() {
        b"append" => (false, false),
        b"replace" => (false, true),
        b"flush" => (true, false),
        _ => {
            return Err(Error::new(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let sources = payload::functions(call.args.at(2)).map_err(|refusal| match refusal {
        payload::Refusal::Footer => Error::new("ERR DUMP payload version or checksum are wrong"),
        payload::Refusal::Value(_) => Error::new("ERR failed loading payload"),
        payload::Refusal::NoValue => Error::new("ERR given type is not a function"),
    })?;
    call.server.load_libraries(&sources, flush, replace).map_err(|error| {
        // The texts differ by a pair of quotes.
        Error::text(String::from_utf8_lossy(error.as_bytes()).replacen("Library '", "Library ", 1).replacen(
            "' already exists",
            " already exists",
            1,
        ))
    })?;
    call.server.dirty += 1;
    call.reply.ok();
    Ok(())
}

fn list(call: &mut Call) -> Result {
    let (mut wanted, mut with_code, mut at): (Option<&[u8]>, bool, usize) = (None, false, 2);
    while let Some(option) = call.args.get(at) {
        at += 1;
        if !with_code && option.eq_ignore_ascii_case(b"WITHCODE") {
            with_code = true;
        } else if wanted.is_none() && option.eq_ignore_ascii_case(b"LIBRARYNAME") {
            let name = call.args.get(at).ok_or(Error::new("ERR library name argument was not given"))?;
            wanted = Some(name);
            at += 1;
        } else {
            return Err(Error::bytes([b"ERR Unknown argument ", option].concat()));
        }
    }
    let mark = call.reply.mark();
    let mut count = 0;
    for (name, library) in &call.server.scripting.functions.libraries {
        if wanted.is_some_and(|pattern| !glob::matches(pattern, name.as_bytes(), true)) {
            continue;
        }
        write_library(call.reply, name, library, with_code);
        count += 1;
    }
    call.reply.array_at(mark, count);
    Ok(())
}

fn write_library(reply: &mut Reply, name: &str, library: &Library, with_code: bool) {
    reply.map(3 + usize::from(with_code));
    reply.bulk(b"library_name");
    reply.bulk(name.as_bytes());
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(function.name.as_bytes());
        reply.bulk(b"description");
        match &function.description {
            Some(text) => reply.bulk(text),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        reply.set(function.flags.len());
        function.flags.iter().for_each(|flag| reply.simple(flag));
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.source);
    }
}

fn stats(call: &mut Call) -> Result {
    let running = call.server.running_function()?;
    call.reply.map(2);
    call.reply.bulk(b"running_script");
    match running {
        None => call.reply.null(),
        Some(shown) => {
            call.reply.map(3);
            call.reply.bulk(b"name");
            call.reply.bulk(shown.name.as_bytes());
            call.reply.bulk(b"command");
            call.reply.array(shown.request.args().len());
            shown.request.args().iter().for_each(|arg| call.reply.bulk(arg));
            call.reply.bulk(b"duration_ms");
            call.reply.int(shown.ms as i64);
        }
    }
    call.reply.bulk(b"engines");
    call.reply.map(1);
    call.reply.bulk(b"LUA");
    call.reply.map(2);
    call.reply.bulk(b"libraries_count");
    call.reply.int(call.server.scripting.functions.libraries.len() as i64);
    call.reply.bulk(b"functions_count");
    call.reply.int(call.server.scripting.functions.count() as i64);
    Ok(())
}

fn kill(call: &mut Call) -> Result {
    call.server.kill_script(true)?;
    call.reply.ok();
    Ok(())
}

fn help(call: &mut Call) -> Result {
    call.help(&[
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Create a new library with the given library name and code.",
        "DELETE <LIBRARY NAME>",
        "    Delete the given library.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    Return general information on all the libraries:",
        "    * Library name",
        "    * The engine used to run the Library",
        "    * Library description",
        "    * Functions list",
        "    * Library code (if WITHCODE is given)",
        "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
        "STATS",
        "    Return information about the current function running:",
        "    * Function name",
        "    * Command used to run the function",
        "    * Duration in MS that the function is running",
        "    If no function is running, return nil",
        "    In addition, returns a list of available engines.",
        "KILL",
        "    Kill the current running function.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all the libraries.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the libraries.",
        "    * SYNC: Synchronously flush the libraries.",
        "DUMP",
        "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
        "    control how to handle existing libraries (default APPEND):",
        "    * FLUSH: delete all existing libraries.",
        "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
        "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
        "      libraries with the new libraries (notice that even on this option there is a chance of failure",
        "      in case of functions name conflict with another library).",
    ])
}
