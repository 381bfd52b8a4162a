//! INCREX: a counter with bounds and an expiry, as rate limiters want it.

use super::counter::{UPDATE, decimal, read_long_double, store_number};
use super::expiry::{EX, EXAT, Lifetime, PERSIST, PX, PXAT};
use super::{FAST_GROWING, STRING};
use crate::engine::command::args::Cursor;
use crate::engine::command::call::{generic_event, string_event};
use crate::engine::command::{Call, Command, Error, Result};
use crate::engine::keyspace::{Expiry, NewValue};
use crate::engine::spec::Arity::AtLeast;
use crate::engine::spec::{KEY, double, int, key_at, one_of, string, token};
use crate::engine::text::long_double::LongDouble;
use crate::engine::text::number::parse_i64;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "INCREX",
    arity: AtLeast(2),
    flags: FAST_GROWING,
    keys: &[key_at(1, UPDATE)],
    since: "8.8.0",
    summary: "Adds to the number at a key within bounds, and changes when the key expires.",
    args: &[
        KEY,
        one_of("increment", &[double("float").token("BYFLOAT"), int("integer").token("BYINT")]).optional(),
        token("saturate", "SATURATE").optional(),
        string("lowerbound").token("LBOUND").optional(),
        string("upperbound").token("UBOUND").optional(),
        one_of("expiration", &[EX, PX, EXAT, PXAT, PERSIST]).optional(),
        token("enx", "ENX").optional(),
    ],
    run: increx,
    ..STRING
}];

const INFINITE: Error = Error::new("ERR applied increment would be Infinity");

const NOT_INTEGER: Error = Error::new("ERR Increment is not an integer or out of range");

/// The options as given, and the increment, with which a fault comes before those of what follows.
#[derive(Default)]
struct Options<'a> {
    float: Option<LongDouble>,
    int: Option<i64>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturate: bool,
    lifetime: Option<Lifetime<'a>>,
    /// ENX: only if the key has no expiry yet.
    if_none: bool,
}

fn float_increment(text: &[u8]) -> Result<LongDouble> {
    let number = LongDouble::parse(text).ok_or(Error::new("ERR Increment is not a valid float"))?;
    if !number.is_finite() {
        return Err(Error::new("ERR BYFLOAT increment cannot be Infinity"));
    }
    Ok(number)
}

fn options<'a>(cursor: &mut Cursor<'a>) -> Result<Options<'a>> {
    let mut options = Options::default();
    while cursor.left() > 0 {
        let no_increment = options.float.is_none() && options.int.is_none();
        if no_increment && let Some(number) = cursor.keyword_with_value("BYFLOAT") {
            options.float = Some(float_increment(number)?);
        } else if no_increment && let Some(number) = cursor.keyword_with_value("BYINT") {
            options.int = Some(parse_i64(number).ok_or(NOT_INTEGER)?);
        } else if options.lower.is_none()
            && let Some(number) = cursor.keyword_with_value("LBOUND")
        {
            options.lower = Some(number);
        } else if options.upper.is_none()
            && let Some(number) = cursor.keyword_with_value("UBOUND")
        {
            options.upper = Some(number);
        } else if !options.saturate && cursor.keyword("SATURATE") {
            options.saturate = true;
        } else if !options.if_none && cursor.keyword("ENX") {
            options.if_none = true;
        } else if options.lifetime.is_none()
            && let Some(lifetime) = Lifetime::read(cursor)
            && lifetime != Lifetime::Keep
        {
            options.lifetime = Some(lifetime);
        } else {
            return Err(Error::SYNTAX);
        }
    }
    match (options.if_none, options.lifetime) {
        (true, Some(Lifetime::Persist)) => Err(Error::SYNTAX),
        _ => Ok(options),
    }
}

/// What is added, and the bounds of the sum.
struct Addend<T> {
    delta: T,
    lower: T,
    upper: T,
}

impl<T: PartialOrd> Addend<T> {
    fn checked(self) -> Result<Self> {
        if self.lower > self.upper {
            return Err(Error::new("ERR LBOUND can't be greater than UBOUND"));
        }
        Ok(self)
    }
}

/// A text as a number; the default if none was given.
fn parse<T>(
    text: Option<&[u8]>,
    default: T,
    parse: fn(&[u8]) -> Option<T>,
    error: &'static str,
) -> Result<T> {
    text.map_or(Ok(default), |text| parse(text).ok_or(Error::new(error)))
}

impl Addend<i64> {
    fn of(options: &Options) -> Result<Self> {
        let delta = options.int.unwrap_or(1);
        let lower =
            parse(options.lower, i64::MIN, parse_i64, "ERR LBOUND is not an integer or out of range")?;
        let upper =
            parse(options.upper, i64::MAX, parse_i64, "ERR UBOUND is not an integer or out of range")?;
        Addend { delta, lower, upper }.checked()
    }
}

impl Addend<LongDouble> {
    fn of(delta: LongDouble, options: &Options) -> Result<Self> {
        let number = LongDouble::parse;
        let lower = parse(options.lower, LongDouble::lowest(), number, "ERR LBOUND is not a valid float")?;
        let upper = parse(options.upper, LongDouble::largest(), number, "ERR UBOUND is not a valid float")?;
        Addend { delta, lower, upper }.checked()
    }
}

/// What the addition came to: old and new value as text, and their difference; `None` if it would
/// leave the bounds.
struct Sum {
    text: String,
    float: bool,
    delta: String,
    applies: bool,
}

impl Sum {
    fn value(&self) -> NewValue<'_> {
        if self.float { decimal(&self.text) } else { NewValue::from_bytes(self.text.as_bytes()) }
    }
}

fn increx(call: &mut Call) -> Result {
    let options = options(&mut Cursor::new(call.args, 2))?;
    let key = call.args.at(1);
    // What is wrong with the numbers comes first, then with the expiry, then with the key.
    let (sum, moment) = match options.float {
        Some(float) => {
            let addend = Addend::<LongDouble>::of(float, &options)?;
            let moment = moment(call, &options)?;
            (add_float(call, key, addend, options.saturate)?, moment)
        }
        None => {
            let addend = Addend::<i64>::of(&options)?;
            let moment = moment(call, &options)?;
            (add_int(call, key, addend, options.saturate)?, moment)
        }
    };
    call.reply.array(2);
    write_number(call, &sum.text, sum.float);
    write_number(call, &sum.delta, sum.float);
    if !sum.applies {
        return Ok(());
    }
    let had_expiry = call.server.peek(call.access(), key).is_some_and(|entry| entry.has_expiry());
    let wanted = !(options.if_none && had_expiry);
    let expiry = match (moment, options.lifetime) {
        (Some(moment), _) if wanted => Expiry::At(moment),
        (_, Some(Lifetime::Persist)) => Expiry::Never,
        _ => Expiry::Keep,
    };
    if moment.is_some_and(|moment| wanted && call.is_past(moment)) {
        if call.server.live(call.access(), key) {
            call.delete(key);
        }
        return Ok(());
    }
    store_number(call, key, sum.value(), expiry);
    call.changed(key, string_event(if sum.float { "incrbyfloat" } else { "incrby" }));
    let mut argv: Vec<&[u8]> = vec![b"SET", key, sum.text.as_bytes()];
    let mut digits = itoa::Buffer::new();
    match expiry {
        Expiry::At(ms) => {
            call.server.notify(call.session.db, key, generic_event("expire"));
            argv.extend([b"PXAT" as &[u8], digits.format(ms).as_bytes()]);
        }
        Expiry::Keep => argv.push(b"KEEPTTL"),
        Expiry::Never if had_expiry => call.server.notify(call.session.db, key, generic_event("persist")),
        Expiry::Never => {}
    }
    call.propagate(&argv);
    Ok(())
}

/// When the key is to expire, as Unix milliseconds.
fn moment(call: &Call, options: &Options) -> Result<Option<i64>> {
    if options.if_none && options.lifetime.is_none() {
        return Err(Error::new("ERR ENX flag requires an expiration"));
    }
    Ok(options.lifetime.map(|lifetime| lifetime.moment(call.now, "increx")).transpose()?.flatten())
}

/// Whole numbers as integers, decimals as doubles (bulk strings in RESP2), with all their digits.
fn write_number(call: &mut Call, text: &str, float: bool) {
    match parse_i64(text.as_bytes()) {
        Some(number) if !float => call.reply.int(number),
        _ => call.reply.double_text(text),
    }
}

fn add_int(
    call: &mut Call,
    key: &[u8],
    Addend { delta, lower, upper }: Addend<i64>,
    saturate: bool,
) -> Result<Sum> {
    let old = match call.server.write_string(call.access(), key)? {
        Some(entry) => entry.string_integer().flatten().ok_or(Error::NOT_INTEGER)?,
        None => 0,
    };
    let exact = old as i128 + delta as i128;
    let inside = (lower as i128..=upper as i128).contains(&exact);
    let new = match (inside, saturate) {
        (true, _) => exact as i64,
        (false, true) => exact.clamp(lower as i128, upper as i128) as i64,
        (false, false) => old,
    };
    let applied = new.checked_sub(old).ok_or(Error::new("ERR applied increment would overflow"))?;
    Ok(Sum { text: new.to_string(), float: false, delta: applied.to_string(), applies: inside || saturate })
}

fn add_float(
    call: &mut Call,
    key: &[u8],
    Addend { delta, lower, upper }: Addend<LongDouble>,
    saturate: bool,
) -> Result<Sum> {
    let old = read_long_double(call, key)?.unwrap_or(LongDouble::from(0));
    if !old.is_finite() {
        return Err(Error::new("ERR value cannot be Infinity"));
    }
    let exact = old.saturating_add(delta);
    let inside = exact.is_finite() && lower <= exact && exact <= upper;
    let new = match (inside, saturate) {
        (true, _) => exact,
        (false, true) if exact < lower => lower,
        (false, true) => upper,
        (false, false) => old,
    };
    Ok(Sum {
        text: new.to_human_string(),
        float: true,
        delta: new.checked_sub(old).ok_or(INFINITE)?.to_human_string(),
        applies: inside || saturate,
    })
}
