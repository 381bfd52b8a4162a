//! Output that a client did not ask for, and the limits on what may wait to be sent.

use super::Server;
use super::describe::Shown;
use crate::engine::effect::Level;
use crate::engine::mark::sometimes;
use crate::engine::mutant;
use crate::engine::protocol::Reply;
use crate::engine::pubsub::Kind;
use crate::engine::session::{Class, ClientId, Closing, Session};
use crate::engine::time::Now;
use std::sync::Arc;

/// A message to the client whose command is running: written after its reply.
#[derive(Debug)]
pub(super) struct Push {
    client: ClientId,
    message: Message,
}

/// What a client gets unasked.
#[derive(Debug)]
pub(super) enum Message {
    /// What was published.
    Published { kind: &'static str, pattern: Option<Box<[u8]>>, channel: Box<[u8]>, message: Box<[u8]> },
    /// Keys that are stale, as an encoded array, or all; maybe in place of another client.
    Invalidation { keys: Option<Arc<[u8]>>, redirected: bool },
    /// This client, which was to get the invalidations, is gone.
    RedirectBroken(u64),
}

impl Message {
    /// What is only understood in RESP3 is not written in RESP2.
    fn write(&self, session: &Session, reply: &mut Reply) {
        match self {
            Message::Published { kind, pattern, channel, message } => {
                write_message(reply, kind, pattern.as_deref(), channel, message);
            }
            Message::Invalidation { keys, redirected } => {
                if session.resp3 {
                    reply.push(2);
                    reply.bulk(b"invalidate");
                } else if *redirected && session.is_subscriber() {
                    reply.push(3);
                    reply.bulk(b"message");
                    reply.bulk(b"__redis__:invalidate");
                } else {
                    return;
                }
                match keys {
                    Some(keys) => reply.raw(keys),
                    None => reply.null(),
                }
            }
            Message::RedirectBroken(redirect) if session.resp3 => {
                reply.push(2);
                reply.bulk(b"tracking-redir-broken");
                reply.int(*redirect as i64);
            }
            Message::RedirectBroken(_) => {}
        }
    }

    /// Comes after everything else that a client is told about its own command.
    fn is_last(&self) -> bool {
        matches!(self, Message::Invalidation { redirected: false, .. } | Message::RedirectBroken(_))
    }
}

/// What the engine wants of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Whether and when it is to end.
    pub closing: Closing,
    /// Whether it waits for something else than input.
    pub blocked: bool,
    /// Give memory for input back, down to this many bytes.
    pub trim_input: Option<usize>,
}

fn write_message(reply: &mut Reply, kind: &str, pattern: Option<&[u8]>, channel: &[u8], message: &[u8]) {
    reply.push(if pattern.is_some() { 4 } else { 3 });
    reply.bulk(kind.as_bytes());
    if let Some(pattern) = pattern {
        reply.bulk(pattern);
    }
    reply.bulk(channel);
    reply.bulk(message);
}

/// Bytes beyond its buffer that a client may leave unread before it has logged in.
const UNAUTHENTICATED_OUTPUT: usize = 1024;

impl Server {
    /// Sends a message to the subscribers of a channel and of the patterns that match it. Returns how
    /// many got it.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) -> i64 {
        if !self.pubsub.has_listeners() {
            return 0;
        }
        let direct: Vec<ClientId> =
            self.pubsub.channels.get(channel).map(|all| all.iter().copied().collect()).unwrap_or_default();
        let mut receivers = direct.len();
        let deaf = receivers > 0 && mutant::is_on("deaf-pattern");
        self.deliver(&direct, "message", None, channel, message);
        let matching: Vec<(Box<[u8]>, Vec<ClientId>)> = self
            .pubsub
            .matching(channel)
            .into_iter()
            .map(|(pattern, clients)| (pattern.into(), clients.iter().copied().collect()))
            .filter(|_| !deaf)
            .collect();
        for (pattern, clients) in matching {
            sometimes!("pattern-message");
            receivers += clients.len();
            self.deliver(&clients, "pmessage", Some(&pattern), channel, message);
        }
        receivers as i64
    }

    /// Sends a message to the subscribers of a shard channel.
    pub fn publish_shard(&mut self, channel: &[u8], message: &[u8]) -> i64 {
        let clients: Vec<ClientId> =
            self.pubsub.shards.get(channel).map(|all| all.iter().copied().collect()).unwrap_or_default();
        self.deliver(&clients, "smessage", None, channel, message);
        clients.len() as i64
    }

    /// Writes a message to each client; encoded once per protocol.
    fn deliver(
        &mut self,
        clients: &[ClientId],
        kind: &'static str,
        pattern: Option<&[u8]>,
        channel: &[u8],
        message: &[u8],
    ) {
        let mut encoded: [Option<Reply>; 2] = [None, None];
        let clients = match clients {
            [first @ .., _] if !first.is_empty() && mutant::is_on("lost-message") => first,
            all => all,
        };
        for client in clients {
            let Some(session) = self.clients.get_mut(*client) else {
                let (pattern, channel, message) = (pattern.map(Into::into), channel.into(), message.into());
                let message = Message::Published { kind, pattern, channel, message };
                self.pushes.push(Push { client: *client, message });
                continue;
            };
            if session.closing != Closing::No {
                continue;
            }
            let resp3 = session.resp3;
            let bytes = encoded[resp3 as usize].get_or_insert_with(|| {
                let mut reply = Reply::default();
                reply.set_resp3(resp3);
                write_message(&mut reply, kind, pattern, channel, message);
                reply
            });
            session.reply.raw(bytes.pending());
            if mutant::is_on("doubled-message") && message.ends_with(b"3") {
                session.reply.raw(bytes.pending());
            }
            self.after_delivery(*client);
        }
    }

    /// Writes a message to a client.
    pub(super) fn push(&mut self, client: ClientId, message: Message) {
        // A client whose script is busy is in the table, and still gets its reply first.
        let waits = self.tracking.author == client.id;
        let Some(mut session) = (!waits).then(|| self.clients.take(client)).flatten() else {
            return self.pushes.push(Push { client, message });
        };
        let mut reply = std::mem::take(&mut session.reply);
        let mark = reply.mark();
        if session.closing == Closing::No {
            message.write(&session, &mut reply);
        }
        let grew = reply.grew(mark);
        session.reply = reply;
        self.clients.put_back(session);
        if grew {
            self.after_delivery(client);
        }
    }

    /// Checks the limits of a client that was sent something, and has its connection woken.
    pub fn after_delivery(&mut self, client: ClientId) {
        let Some(mut session) = self.clients.take(client) else { return };
        let now = Now { mono_us: self.mono_us, ..Now::default() };
        self.check_output(&mut session, now);
        self.recount(&mut session);
        self.wake(&mut session);
        self.clients.put_back(session);
    }

    /// Writes the messages that a command sent to the client that ran it.
    #[inline]
    pub fn flush_pushes(&mut self, session: &Session, reply: &mut Reply) {
        if !self.pushes.is_empty() {
            self.write_pushes(session, reply);
        }
    }

    #[cold]
    fn write_pushes(&mut self, session: &Session, reply: &mut Reply) {
        let client = session.client();
        self.pushes.sort_by_key(|push| push.message.is_last());
        // What is left is for the client whose command had others served.
        self.pushes.retain(|push| {
            if push.client == client {
                push.message.write(session, reply);
            }
            push.client != client
        });
    }

    /// Ends all subscriptions of a client without a word.
    pub fn unsubscribe_all(&mut self, session: &mut Session) {
        let Some(subscriptions) = session.subscriptions.take() else { return };
        let (client, all) = (session.client(), *subscriptions);
        for (kind, names) in
            [(Kind::Channel, all.channels), (Kind::Pattern, all.patterns), (Kind::Shard, all.shards)]
        {
            for name in names {
                self.pubsub.unsubscribe(kind, &name, client);
            }
        }
    }

    /// Closes a client whose output exceeds `client-output-buffer-limit`.
    #[inline]
    pub fn check_output(&mut self, session: &mut Session, now: Now) {
        let bytes = session.overflow();
        if bytes == 0 && session.soft_limit_since.is_none() {
            return;
        }
        let limits = &self.config.client_output_buffer_limit;
        let limit = match session.class() {
            Class::Pubsub => limits.pubsub,
            Class::Replica => limits.replica,
            Class::Normal | Class::Primary => limits.normal,
        };
        let soft_expired = if limit.soft > 0 && bytes as u64 >= limit.soft {
            let since = *session.soft_limit_since.get_or_insert(now.mono_us);
            now.mono_us.saturating_sub(since) > limit.soft_seconds.saturating_mul(1_000_000)
        } else {
            session.soft_limit_since = None;
            false
        };
        let hard = limit.hard > 0 && bytes as u64 >= limit.hard
            || bytes > UNAUTHENTICATED_OUTPUT && self.needs_auth(session);
        if (hard || soft_expired) && session.closing != Closing::Now {
            let line = self.describe(Shown::resting(session), now);
            self.log(
                Level::Warning,
                format!("Client {line} scheduled to be closed ASAP for overcoming of output buffer limits."),
            );
            self.stats.output_buffer_limit_disconnections += 1;
            sometimes!("output-limit");
            self.close(session);
        }
    }

    /// What may be sent to a client now.
    pub fn output(&self, client: ClientId) -> &[u8] {
        self.clients
            .get(client)
            .map(|session| &session.reply.pending()[..session.visible()])
            .unwrap_or_default()
    }

    /// Bytes that a client is still to get, with those that are held.
    pub fn output_waiting(&self, client: ClientId) -> usize {
        self.clients.get(client).map_or(0, |session| session.reply.len())
    }

    /// Takes out what may be sent to a client, leaving `empty` in its place; it counts as waiting until
    /// `handle_written` reports it.
    pub fn take_output(&mut self, client: ClientId, empty: Vec<u8>) -> Vec<u8> {
        let Some(session) = self.clients.get_mut(client) else { return Vec::new() };
        let bytes = match session.held {
            None => session.reply.take(empty),
            Some(_) => session.reply.take_front(session.visible()),
        };
        session.in_flight += bytes.len();
        bytes
    }

    /// The first `count` bytes of a client's output were sent. `taken`: they had been taken out.
    pub fn handle_written(&mut self, client: ClientId, count: usize, taken: bool) {
        self.stats.net_output_bytes += count as u64;
        let Some(session) = self.clients.get_mut(client) else { return };
        self.stats.threads.of(session).writes += 1;
        session.traffic.output += count as u64;
        session.reply_peak = session.reply_peak.max(count);
        if taken {
            session.in_flight = session.in_flight.saturating_sub(count);
        } else {
            session.reply.advance(count);
        }
        // Who only listens has no use for the room until it is told again; meanwhile it would count for `maxmemory`, and
        // what clients are told of one eviction would make the next.
        if session.was_told && session.reply.len() == 0 {
            session.was_told = false;
            session.reply.shrink(session.reply_size as usize);
        }
        if self.counts_clients {
            self.after_writing(client);
        }
    }

    #[cold]
    fn after_writing(&mut self, client: ClientId) {
        if let Some(mut session) = self.clients.take(client) {
            self.recount(&mut session);
            self.clients.put_back(session);
        }
    }

    /// The connection of a woken client is looking: what it finds. Clears the marks.
    pub fn attend(&mut self, client: ClientId) -> Option<Attention> {
        let session = self.clients.get_mut(client)?;
        session.woken = false;
        let trim_input = session.trim_input.take().map(|bytes| bytes as usize);
        Some(Attention { closing: session.closing, blocked: session.blocked.is_some(), trim_input })
    }
}
