//! A client in one line, as CLIENT LIST shows it.

use super::Server;
use crate::engine::protocol::{Args, Reply};
use crate::engine::session::{Closing, REPLY_MAX, Session, Waiting, overflow};
use crate::engine::time::Now;
use crate::engine::tracking::Mode;
use std::fmt::Write;

/// A client and what of it lies elsewhere while its command runs.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// The client.
    pub session: &'a Session,
    /// What it is still to get.
    pub reply: &'a Reply,
    /// The request that is running.
    pub running: Option<Args<'a>>,
}

impl<'a> Shown<'a> {
    /// A client that runs nothing.
    pub fn resting(session: &'a Session) -> Self {
        Shown { session, reply: &session.reply, running: None }
    }
}

impl Server {
    /// The letters of CLIENT LIST's `flags`.
    pub fn client_flags(&self, session: &Session) -> String {
        let blocked = session.blocked.as_ref().is_some_and(|blocked| {
            !matches!(blocked.on, Waiting::Outside | Waiting::Script | Waiting::Shutdown)
        });
        let tracker = self.tracking.get(session.id);
        let letters = [
            (session.monitor, 'O'),
            (session.is_subscriber(), 'P'),
            (session.transaction.is_some(), 'x'),
            (blocked, 'b'),
            (tracker.is_some(), 't'),
            (tracker.is_some_and(|tracker| tracker.broken), 'R'),
            (tracker.is_some_and(|tracker| tracker.mode == Mode::Broadcast), 'B'),
            (self.watch.is_dirty(session.client()), 'd'),
            (session.closing == Closing::AfterReply, 'c'),
            (session.closing == Closing::Now, 'A'),
            (session.peer.unix, 'U'),
            (session.readonly, 'r'),
            (session.no_evict, 'e'),
            (session.no_touch, 'T'),
            (session.import_source, 'I'),
        ];
        let mut flags: String = letters.into_iter().filter_map(|(on, letter)| on.then_some(letter)).collect();
        if flags.is_empty() {
            flags.push('N');
        }
        flags
    }

    /// The line of a client, without its end: the fields of Redis in its
    /// order, then those that came with 8.10, then Valkey's.
    pub fn describe(&self, shown: Shown, now: Now) -> String {
        let Shown { session, running, .. } = shown;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (channels, patterns, shards) = session.subscribed();
        let seconds = |since: u64| now.mono_us.saturating_sub(since) / 1_000_000;
        let (peer, flags) = (&session.peer, self.client_flags(session));
        let mut line = format!(
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub={channels} \
             psub={patterns} ssub={shards} multi={} watch={}",
            session.id,
            peer.address,
            peer.local,
            peer.fd,
            text(session.name()),
            seconds(session.created),
            seconds(session.active),
            session.db,
            session.transaction.as_ref().map_or(-1, |transaction| transaction.queue.len() as i64),
            session.watched.len(),
        );
        self.describe_buffers(&mut line, shown);
        let traffic = session.traffic;
        let command = session.command.map_or("NULL", |id| &self.commands.entry(id).full_name);
        // A paused command has not even been read.
        let waits = session.blocked.as_ref().is_some_and(|blocked| blocked.on != Waiting::Unpause);
        let done = traffic.commands - (running.is_some() || waits) as u64;
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            " cmd={command} user={} redir={} resp={} lib-name={} lib-ver={} io-thread={} tot-net-in={} \
             tot-net-out={} tot-cmds={done} read-events={} avg-pipeline-len-sum={} avg-pipeline-len-cnt={} \
             omem-shared=0 omem-unshared={} capa={}",
            text(self.acl.user(session.user).name()),
            self.tracking.get(session.id).map_or(-1, |tracker| tracker.redirect as i64),
            2 + session.resp3 as u8,
            text(session.lib_name()),
            text(session.lib_version()),
            session.thread,
            traffic.input,
            traffic.output,
            traffic.reads,
            traffic.commands,
            traffic.reads,
            overflow(shown.reply.len() + session.in_flight),
            if session.capa_redirect { "r" } else { "" },
        );
        line
    }

    fn describe_buffers(&self, line: &mut String, shown: Shown) {
        let Shown { session, reply, running } = shown;
        let input = session.input;
        let kept = session.blocked.as_ref().map_or(0, |blocked| blocked.on.argument_bytes());
        let arguments = running.map_or(session.parser.argument_bytes() + kept, |args| args.bytes());
        let queued = session.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
        let output = reply.len() + session.in_flight;
        let overflow = overflow(output);
        let events = if running.is_none() && output > 0 { "rw" } else { "r" };
        let _ = write!(
            line,
            " qbuf={} qbuf-free={} argv-mem={arguments} multi-mem={queued} rbs={} rbp={} obl={} oll={} \
             omem={overflow} tot-mem={} events={events}",
            input.used.saturating_sub(session.parser.understood()),
            input.capacity.saturating_sub(input.used),
            session.reply_size,
            session.reply_peak.min(REPLY_MAX),
            output - overflow,
            (overflow > 0) as u8,
            session.memory(reply),
        );
    }
}
