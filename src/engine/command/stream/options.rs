//! The options that XADD and XTRIM share.

use super::ids::{id, id_to_add};
use crate::engine::command::args::Cursor;
use crate::engine::command::{Error, Result};
use crate::engine::keyspace::value::stream::{Limits, References, Retention, StreamId, Trim};
use crate::engine::text::ascii::c_string;

/// How the id of a new entry comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`: the clock says it.
    Auto,
    /// `ms-*`: the next of that millisecond.
    Next(u64),
    /// As given.
    Given(StreamId),
}

/// What an idempotent producer says to be recognised by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    pub producer: &'a [u8],
    /// The message's name; `None` (IDMPAUTO): its fields tell.
    pub message: Option<&'a [u8]>,
}

/// The options as given.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    pub trim: Option<Trim>,
    /// Where the threshold stands among the arguments, if `~` stands before it.
    pub approximate_at: Option<usize>,
    /// Where LIMIT stands.
    pub limit_at: Option<usize>,
    pub references: Option<References>,
    pub no_create: bool,
    pub sender: Option<Sender<'a>>,
    limit: Option<u64>,
}

impl<'a> Options<'a> {
    /// Reads the options of XADD, up to and with the id, which may be left out by mistake.
    pub fn of_add(cursor: &mut Cursor<'a>, limits: Limits) -> Result<(Self, Option<NewId>)> {
        let mut options = Options::default();
        let id = loop {
            let Some(next) = cursor.peek() else { break None };
            if c_string(next) == b"*" {
                cursor.value()?;
                break Some(NewId::Auto);
            }
            if options.common(cursor)? || options.of_sender(cursor)? {
                continue;
            }
            if cursor.keyword("NOMKSTREAM") {
                options.no_create = true;
                continue;
            }
            match id_to_add(cursor.value()?)? {
                (id, true) => break Some(NewId::Given(id)),
                (id, false) => break Some(NewId::Next(id.ms)),
            }
        };
        if options.sender.is_some() && id.is_some_and(|id| id != NewId::Auto) {
            return Err(Error::new(
                "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
            ));
        }
        options.finish(limits)?;
        Ok((options, id))
    }

    /// Reads the options of XTRIM.
    pub fn of_trim(cursor: &mut Cursor<'a>, limits: Limits) -> Result<Self> {
        let mut options = Options::default();
        while cursor.left() > 0 {
            if !options.common(cursor)? {
                return Err(Error::SYNTAX);
            }
        }
        if options.trim.is_none() && options.limit.unwrap_or_default() == 0 {
            return Err(Error::new("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        options.finish(limits)?;
        Ok(options)
    }

    /// Reads one option that both commands have; whether there was one.
    fn common(&mut self, cursor: &mut Cursor<'a>) -> Result<bool> {
        if cursor.left() > 1 && cursor.keyword("MAXLEN") {
            self.threshold(cursor, |cursor| match cursor.int()? {
                length @ 0.. => Ok(Retention::Length(length as u64)),
                _ => Err(Error::new("ERR The MAXLEN argument must be >= 0.")),
            })?;
        } else if cursor.left() > 1 && cursor.keyword("MINID") {
            self.threshold(cursor, |cursor| Ok(Retention::From(id(cursor.value()?, 0)?)))?;
        } else if cursor.left() > 1 && cursor.keyword("LIMIT") {
            self.limit_at = Some(cursor.position() - 1);
            match cursor.int()? {
                limit @ 0.. => self.limit = Some(limit as u64),
                _ => return Err(Error::new("ERR The LIMIT argument must be >= 0.")),
            }
        } else if self.references.is_none()
            && let Some(references) = references(cursor)
        {
            self.references = Some(references);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn threshold(
        &mut self,
        cursor: &mut Cursor<'a>,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<Retention>,
    ) -> Result {
        if self.trim.is_some() {
            return Err(Error::new(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let approximate = cursor.left() > 1 && cursor.keyword("~");
        if !approximate && cursor.left() > 1 {
            cursor.keyword("=");
        }
        self.approximate_at = approximate.then(|| cursor.position());
        self.trim = Some(Trim { keep: read(cursor)?, approximate, limit: 0 });
        Ok(())
    }

    fn of_sender(&mut self, cursor: &mut Cursor<'a>) -> Result<bool> {
        let auto = cursor.left() > 1 && cursor.keyword("IDMPAUTO");
        let named = !auto && cursor.left() > 2 && cursor.keyword("IDMP");
        if !auto && !named {
            return Ok(false);
        }
        if self.sender.is_some() {
            return Err(Error::new("ERR syntax error, IDMP/IDMPAUTO specified multiple times"));
        }
        let producer = cursor.value()?;
        let message = if auto { None } else { Some(cursor.value()?) };
        let option = if auto { "IDMPAUTO" } else { "IDMP" };
        let lacks =
            |what| Err(Error::text(format!("ERR syntax error, {option} requires a non-empty {what} ID")));
        if producer.is_empty() {
            return lacks("producer");
        }
        if message.is_some_and(|message| message.is_empty()) {
            return lacks("idempotent");
        }
        self.sender = Some(Sender { producer, message });
        Ok(true)
    }

    /// Checks LIMIT against the rest, and fills in what it is if not given.
    fn finish(&mut self, limits: Limits) -> Result {
        if self.trim.is_none() && self.limit.unwrap_or_default() > 0 {
            return Err(Error::new(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.limit.is_some() && self.approximate_at.is_none() {
            return Err(Error::new("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        if let Some(trim) = &mut self.trim {
            trim.limit = self.limit.unwrap_or(Trim::default_limit(limits));
        }
        Ok(())
    }
}

/// Reads KEEPREF, DELREF or ACKED.
pub(super) fn references(cursor: &mut Cursor) -> Option<References> {
    let names = [("KEEPREF", References::Keep), ("DELREF", References::Drop), ("ACKED", References::Spare)];
    names.into_iter().find(|(name, _)| cursor.keyword(name)).map(|(_, references)| references)
}

/// Reads `numids id ...`, what follows IDS: the ids, unread.
pub(super) fn counted_ids<'a>(
    cursor: &mut Cursor<'a>,
    not_positive: Error,
    no_match: Error,
) -> Result<Vec<&'a [u8]>> {
    let count = cursor.int().ok().filter(|count| *count > 0).ok_or(not_positive)?;
    if count > cursor.left() as i64 {
        return Err(no_match);
    }
    (0..count).map(|_| cursor.value()).collect()
}
