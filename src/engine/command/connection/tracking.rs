//! CLIENT TRACKING and its kin: client-side caching
//! (<https://redis.io/docs/latest/develop/reference/client-side-caching/>).

use super::CLIENT;
use crate::engine::command::{Call, Command, Error, Result, args};
use crate::engine::protocol::Args;
use crate::engine::server::Server;
use crate::engine::spec::{Arity::AtLeast, Arity::Exactly, int, one_of, string, token};
use crate::engine::tracking::{Collision, Mode, Tracker, collision};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "TRACKING",
        arity: AtLeast(3),
        since: "6.0.0",
        complexity: "O(1). Some options may introduce additional complexity.",
        summary: "Has the server tell when keys that the client cached change.",
        args: &[
            one_of("status", &[token("on", "ON"), token("off", "OFF")]),
            int("client-id").token("REDIRECT").optional(),
            string("prefix").token("PREFIX").optional().multiple_token(),
            token("bcast", "BCAST").optional(),
            token("optin", "OPTIN").optional(),
            token("optout", "OPTOUT").optional(),
            token("noloop", "NOLOOP").optional(),
        ],
        run: tracking,
        ..CLIENT
    },
    Command {
        name: "TRACKINGINFO",
        arity: Exactly(2),
        since: "6.2.0",
        summary: "Shows how the connection tracks keys.",
        run: tracking_info,
        ..CLIENT
    },
    Command {
        name: "CACHING",
        arity: Exactly(3),
        since: "6.0.0",
        summary: "Has the keys of the next command tracked, or not.",
        args: &[one_of("mode", &[token("yes", "YES"), token("no", "NO")])],
        run: caching,
        ..CLIENT
    },
    Command {
        name: "GETREDIR",
        arity: Exactly(2),
        since: "6.0.0",
        summary: "Returns the connection that gets the invalidations.",
        run: getredir,
        ..CLIENT
    },
];

/// The options of CLIENT TRACKING.
#[derive(Default)]
struct Options<'a> {
    redirect: u64,
    prefixes: Vec<&'a [u8]>,
    bcast: bool,
    optin: bool,
    optout: bool,
    noloop: bool,
}

impl<'a> Options<'a> {
    fn parse(server: &Server, args: Args<'a>) -> Result<Self> {
        let (mut options, mut rest) = (Options::default(), args.iter());
        while let Some(option) = rest.next() {
            match option.to_ascii_lowercase().as_slice() {
                b"redirect" => {
                    let client = rest.next().ok_or(Error::SYNTAX)?;
                    if options.redirect != 0 {
                        return Err(Error::new("ERR A client can only redirect to a single other client"));
                    }
                    options.redirect = existing_client(server, client)?;
                }
                b"prefix" => options.prefixes.push(rest.next().ok_or(Error::SYNTAX)?),
                b"bcast" => options.bcast = true,
                b"optin" => options.optin = true,
                b"optout" => options.optout = true,
                b"noloop" => options.noloop = true,
                _ => return Err(Error::SYNTAX),
            }
        }
        Ok(options)
    }

    /// The mode, if the options agree with each other and with what the client does now.
    fn mode(&self, before: Option<&Tracker>) -> Result<Mode> {
        if !self.bcast && !self.prefixes.is_empty() {
            return Err(Error::new("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        let before = before.map(|tracker| tracker.mode);
        if before.is_some_and(|mode| (mode == Mode::Broadcast) != self.bcast) {
            return Err(Error::new(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        if self.bcast && (self.optin || self.optout) {
            return Err(Error::new("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        let mode = match (self.optin, self.optout) {
            (true, true) => return Err(Error::new("ERR You can't specify both OPTIN mode and OPTOUT mode")),
            (true, false) => Mode::OptIn,
            (false, true) => Mode::OptOut,
            (false, false) if self.bcast => Mode::Broadcast,
            (false, false) => Mode::Default,
        };
        if matches!((before, mode), (Some(Mode::OptIn), Mode::OptOut) | (Some(Mode::OptOut), Mode::OptIn)) {
            return Err(Error::new(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        Ok(mode)
    }
}

fn existing_client(server: &Server, id: &[u8]) -> Result<u64> {
    let client = u64::try_from(args::int(id)?).ok().and_then(|id| server.clients.find(id));
    client.map(|client| client.id).ok_or(Error::new("ERR The client ID you want redirect to does not exist"))
}

fn tracking(call: &mut Call) -> Result {
    let options = Options::parse(call.server, call.args.from(3))?;
    if super::on_off(call.args.at(2))? {
        let before = call.server.tracking.get(call.session.id);
        let mode = options.mode(before)?;
        let existing = before.map(|tracker| tracker.prefixes.clone()).unwrap_or_default();
        if let Some(collision) = collision(&existing, &options.prefixes) {
            return Err(collision_error(&collision));
        }
        let mut prefixes = options.prefixes;
        if mode == Mode::Broadcast && prefixes.is_empty() {
            prefixes.push(b"");
        }
        let prefixes = prefixes.into_iter().map(Into::into).collect();
        let (noloop, redirect) = (options.noloop, options.redirect);
        let tracker = Tracker { mode, noloop, redirect, prefixes, ..Tracker::default() };
        call.server.start_tracking(call.session, tracker);
    } else {
        call.server.stop_tracking(call.session);
    }
    call.reply.ok();
    Ok(())
}

fn collision_error(collision: &Collision) -> Error {
    let (new, which, other) = match collision {
        Collision::Existing(new, other) => (new, "an existing", other),
        Collision::Provided(new, other) => (new, "another provided", other),
    };
    let (overlaps, prefix) = (b"' overlaps with ", b" prefix '");
    let end = b"'. Prefixes for a single client must not overlap.";
    Error::bytes([b"ERR Prefix '", &**new, overlaps, which.as_bytes(), prefix, other, end].concat())
}

fn tracking_info(call: &mut Call) -> Result {
    let tracker = call.server.tracking.get(call.session.id);
    let mut flags = Vec::new();
    if let Some(tracker) = tracker {
        flags.push("on");
        match (tracker.mode, tracker.caching) {
            (Mode::Default, _) => {}
            (Mode::Broadcast, _) => flags.push("bcast"),
            (Mode::OptIn, caching) => {
                flags.extend(["optin"].into_iter().chain(caching.then_some("caching-yes")))
            }
            (Mode::OptOut, caching) => {
                flags.extend(["optout"].into_iter().chain(caching.then_some("caching-no")))
            }
        }
        flags.extend(tracker.noloop.then_some("noloop"));
        flags.extend(tracker.broken.then_some("broken_redirect"));
    } else {
        flags.push("off");
    }
    call.reply.map(3);
    call.reply.bulk(b"flags");
    call.reply.set(flags.len());
    flags.iter().for_each(|flag| call.reply.bulk(flag.as_bytes()));
    call.reply.bulk(b"redirect");
    call.reply.int(tracker.map_or(-1, |tracker| tracker.redirect as i64));
    call.reply.bulk(b"prefixes");
    call.reply.array(tracker.map_or(0, |tracker| tracker.prefixes.len()));
    tracker.iter().flat_map(|tracker| &tracker.prefixes).for_each(|prefix| call.reply.bulk(prefix));
    Ok(())
}

fn caching(call: &mut Call) -> Result {
    let Some(tracker) = call.server.tracking.get_mut(call.session.id) else {
        return Err(Error::new(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    };
    let (mode, error) = match call.args.at(2).to_ascii_lowercase().as_slice() {
        b"yes" => {
            (Mode::OptIn, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
        }
        b"no" => {
            (Mode::OptOut, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
        }
        _ => return Err(Error::SYNTAX),
    };
    if tracker.mode != mode {
        return Err(Error::new(error));
    }
    tracker.caching = true;
    call.reply.ok();
    Ok(())
}

fn getredir(call: &mut Call) -> Result {
    let tracker = call.server.tracking.get(call.session.id);
    call.reply.int(tracker.map_or(-1, |tracker| tracker.redirect as i64));
    Ok(())
}
