//! Parameters with a grammar of their own: save points, addresses, buffer limits, event classes, ...

use super::row::{Form, Reason, Rule, Slot};
use super::scalar::{single, store};
use super::syntax::{argument_into, format_memory, parse_loose_integer, parse_memory};
use crate::engine::text::number::parse_f64;
use crate::engine::text::quote;

fn join<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut joined = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            joined.push(b' ');
        }
        joined.extend(part.as_ref());
    }
    joined
}

/// Arguments as a file spells them, quoted where needed; none at all is written as an empty text.
fn spell<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Vec<u8> {
    let spelled = parts.into_iter().map(|part| {
        let mut argument = Vec::new();
        argument_into(&mut argument, part.as_ref());
        argument
    });
    let text = join(spelled);
    if text.is_empty() { b"\"\"".to_vec() } else { text }
}

/// One empty argument stands for none at all, so that a list can be emptied.
fn or_none<'a, 'b>(args: &'a [&'b [u8]]) -> &'a [&'b [u8]] {
    if let [b""] = args { &[] } else { args }
}

/// Save when so many seconds have passed and so many changes were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// At least 1.
    pub seconds: u64,
    /// Zero saves even without changes.
    pub changes: u64,
}

/// The save points of `save`, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoints(pub Vec<SavePoint>);

impl Default for SavePoints {
    fn default() -> Self {
        let point = |(seconds, changes)| SavePoint { seconds, changes };
        Self([(3600, 1), (300, 100), (60, 10_000)].map(point).to_vec())
    }
}

impl SavePoints {
    fn lines(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter().map(|point| format!("{} {}", point.seconds, point.changes).into_bytes())
    }
}

impl Slot for SavePoints {
    fn set(&mut self, _: Rule, args: &[&[u8]], more: bool) -> Result<bool, Reason> {
        let clear = matches!(args, [b""]);
        let args = or_none(args);
        let mut points = if more && !clear { self.0.clone() } else { Vec::new() };
        if !args.len().is_multiple_of(2) {
            return Err("Invalid save parameters".into());
        }
        for pair in args.chunks_exact(2) {
            let seconds = parse_loose_integer(pair[0], 10).filter(|&seconds| seconds >= 1);
            let changes = parse_loose_integer(pair[1], 10).filter(|&changes| changes >= 0);
            let (Some(seconds), Some(changes)) = (seconds, changes) else {
                return Err("Invalid save parameters".into());
            };
            points.push(SavePoint { seconds: seconds.cast_unsigned(), changes: changes.cast_unsigned() });
        }
        Ok(store(&mut self.0, points))
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        join(self.lines())
    }

    /// Always written: without a line the defaults would come back.
    fn form(&self, _: Rule) -> Form {
        if self.0.is_empty() {
            return Form::Lines(vec![(b"\"\"".to_vec(), true)]);
        }
        Form::Lines(self.lines().map(|line| (line, true)).collect())
    }

    fn takes_many(&self) -> bool {
        true
    }

    fn describe(&self, _: Rule) -> String {
        "pairs of seconds and changes, or an empty text".into()
    }
}

/// The addresses of `bind`; a leading `-` makes an address that does not exist no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAddresses(pub Vec<Vec<u8>>);

impl Default for BindAddresses {
    fn default() -> Self {
        Self(vec![b"*".to_vec(), b"-::*".to_vec()])
    }
}

impl Slot for BindAddresses {
    fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
        // Redis's bound on listening sockets.
        if args.len() > 16 {
            return Err("Too many bind addresses specified.".into());
        }
        // No address has such bytes, and a file would not give them back as they were.
        let fits = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
        if args.iter().any(|address| !address.iter().all(fits)) {
            return Err("Invalid bind address specified.".into());
        }
        Ok(store(&mut self.0, or_none(args).iter().map(|address| address.to_vec()).collect()))
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        join(&self.0)
    }

    fn form(&self, _: Rule) -> Form {
        if *self == Self::default() {
            return Form::Absent;
        }
        Form::Lines(vec![(spell(&self.0), true)])
    }

    fn takes_many(&self) -> bool {
        true
    }

    fn describe(&self, _: Rule) -> String {
        "addresses".into()
    }
}

/// When a client that reads too slowly is disconnected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferLimit {
    /// Bytes of unsent replies at which it happens at once; zero means never.
    pub hard: u64,
    /// Bytes at which it happens after [`BufferLimit::soft_seconds`]; zero means never.
    pub soft: u64,
    /// How long the soft limit may be exceeded without a break.
    pub soft_seconds: u64,
}

/// The limits of `client-output-buffer-limit`, one for each class of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBufferLimits {
    /// Clients that only send commands.
    pub normal: BufferLimit,
    /// Replicas.
    pub replica: BufferLimit,
    /// Subscribers.
    pub pubsub: BufferLimit,
}

impl Default for OutputBufferLimits {
    fn default() -> Self {
        Self {
            normal: BufferLimit::default(),
            replica: BufferLimit { hard: 256 << 20, soft: 64 << 20, soft_seconds: 60 },
            pubsub: BufferLimit { hard: 32 << 20, soft: 8 << 20, soft_seconds: 60 },
        }
    }
}

impl OutputBufferLimits {
    fn class(&mut self, name: &[u8]) -> Option<&mut BufferLimit> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(&mut self.normal),
            b"slave" | b"replica" => Some(&mut self.replica),
            b"pubsub" => Some(&mut self.pubsub),
            _ => None,
        }
    }

    fn classes(&self, replica: &'static str) -> [(&'static str, BufferLimit); 3] {
        [("normal", self.normal), (replica, self.replica), ("pubsub", self.pubsub)]
    }
}

impl Slot for OutputBufferLimits {
    /// Classes that are not named keep their limits.
    fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
        if !args.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = *self;
        for class in args.chunks_exact(4) {
            let place = limits
                .class(class[0])
                .ok_or("Invalid client class specified in buffer limit configuration.")?;
            let seconds = parse_loose_integer(class[3], 10).and_then(|seconds| u64::try_from(seconds).ok());
            let (Some(hard), Some(soft), Some(soft_seconds)) =
                (parse_memory(class[1]), parse_memory(class[2]), seconds)
            else {
                return Err(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.".into()
                );
            };
            *place = BufferLimit { hard, soft, soft_seconds };
        }
        Ok(store(self, limits))
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        join(
            self.classes("slave").map(|(class, limit)| {
                format!("{class} {} {} {}", limit.hard, limit.soft, limit.soft_seconds)
            }),
        )
    }

    fn form(&self, _: Rule) -> Form {
        let usual = Self::default().classes("replica");
        let lines = self.classes("replica").into_iter().zip(usual).map(|((class, limit), (_, usual))| {
            let (hard, soft) = (format_memory(limit.hard), format_memory(limit.soft));
            (format!("{class} {hard} {soft} {}", limit.soft_seconds).into_bytes(), limit != usual)
        });
        Form::Lines(lines.collect())
    }

    fn takes_many(&self) -> bool {
        true
    }

    fn describe(&self, _: Rule) -> String {
        "class, hard limit, soft limit and seconds, repeated".into()
    }
}

/// The values of `oom-score-adj-values`: for a primary, a replica and a background process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomScoreAdjValues(pub [i64; 3]);

impl Default for OomScoreAdjValues {
    fn default() -> Self {
        Self([0, 200, 800])
    }
}

impl Slot for OomScoreAdjValues {
    fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
        let args: &[&[u8]; 3] = args.try_into().map_err(|_| "wrong number of arguments")?;
        let mut values = [0; 3];
        for (value, arg) in values.iter_mut().zip(args) {
            let number = parse_loose_integer(arg, 10).filter(|number| (-2000..=2000).contains(number));
            *value =
                number.ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
        }
        Ok(store(&mut self.0, values))
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        join(self.0.map(|value| value.to_string()))
    }

    fn takes_many(&self) -> bool {
        true
    }

    fn describe(&self, _: Rule) -> String {
        "three integers, -2000 to 2000".into()
    }
}

/// The event classes of `notify-keyspace-events`, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceEvents(u32);

macro_rules! event_classes {
    ($($(#[$doc:meta])* $name:ident = $letter:literal << $bit:literal;)*) => {
        impl KeyspaceEvents {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*
            /// In the order in which they are shown.
            const LETTERS: &'static [(u8, Self)] = &[$(($letter, Self::$name)),*];
        }
    };
}

event_classes! {
    /// Commands of no particular type: DEL, EXPIRE, RENAME, ...
    GENERIC = b'g' << 0;
    /// Strings.
    STRING = b'$' << 1;
    /// Lists.
    LIST = b'l' << 2;
    /// Sets.
    SET = b's' << 3;
    /// Hashes.
    HASH = b'h' << 4;
    /// Sorted sets.
    ZSET = b'z' << 5;
    /// Expiry of a key.
    EXPIRED = b'x' << 6;
    /// Eviction of a key.
    EVICTED = b'e' << 7;
    /// Streams.
    STREAM = b't' << 8;
    /// Types of modules.
    MODULE = b'd' << 9;
    /// Arrays.
    ARRAY = b'a' << 10;
    /// A key came into being.
    NEW = b'n' << 11;
    /// A key was overwritten.
    OVERWRITTEN = b'o' << 12;
    /// A key changed its type.
    TYPE_CHANGED = b'c' << 13;
    /// Publish on `__keyspace@<db>__:<key>`.
    KEYSPACE = b'K' << 14;
    /// Publish on `__keyevent@<db>__:<event>`.
    KEYEVENT = b'E' << 15;
    /// A key that was read does not exist.
    KEY_MISS = b'm' << 16;
    /// Publish hash fields on `__subkeyspace@<db>__:<key>`.
    SUBKEYSPACE = b'S' << 17;
    /// Publish hash fields on `__subkeyevent@<db>__:<event>`.
    SUBKEYEVENT = b'T' << 18;
    /// Publish on a channel for each key and field.
    SUBKEYSPACE_ITEM = b'I' << 19;
    /// Publish on a channel for each event, key and field.
    SUBKEYSPACE_EVENT = b'V' << 20;
}

impl KeyspaceEvents {
    /// The classes that the letter `A` stands for: the data types, expiry and eviction.
    pub const ALL: Self = Self(0x7ff);

    /// Whether all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether anything of `other` is in this set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The union of both sets.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Slot for KeyspaceEvents {
    fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
        let mut events = Self::default();
        for letter in single(args)? {
            let class = match letter {
                b'A' => Some(Self::ALL),
                _ => Self::LETTERS.iter().find(|(known, _)| known == letter).map(|&(_, class)| class),
            };
            let class = class.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdnocaSTIV'.")?;
            events = events.or(class);
        }
        Ok(store(self, events))
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        let (mut letters, left) = match self.contains(Self::ALL) {
            true => (vec![b'A'], Self(self.0 & !Self::ALL.0)),
            false => (Vec::new(), *self),
        };
        letters.extend(
            Self::LETTERS.iter().filter(|&&(_, class)| left.contains(class)).map(|&(letter, _)| letter),
        );
        letters
    }

    fn form(&self, rule: Rule) -> Form {
        Form::Line(quote::quoted(&self.show(rule)))
    }

    fn describe(&self, _: Rule) -> String {
        "letters among `Ag$lshzxeKEtmdnocaSTIV`".into()
    }
}

/// The percentiles of `latency-tracking-info-percentiles`, each between 0 and 100.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Default for Percentiles {
    fn default() -> Self {
        Self(vec![50.0, 99.0, 99.9])
    }
}

impl Percentiles {
    /// Six decimals at most, and no zeros at the end.
    fn words(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|percentile| {
            let text = format!("{percentile:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        })
    }
}

impl Slot for Percentiles {
    fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
        let mut percentiles = Vec::new();
        for arg in or_none(args) {
            let number = parse_f64(arg).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&number) {
                return Err(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into()
                );
            }
            // What is shown is what counts: a value kept more precisely would not survive a rewrite.
            percentiles.push((number * 1e6).round() / 1e6);
        }
        Ok(store(&mut self.0, percentiles))
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        join(self.words())
    }

    /// Always written, as Redis does.
    fn form(&self, _: Rule) -> Form {
        Form::Lines(vec![(spell(self.words()), true)])
    }

    fn takes_many(&self) -> bool {
        true
    }

    fn describe(&self, _: Rule) -> String {
        "numbers, 0 to 100".into()
    }
}

/// The primary that `replicaof` names, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaOf(pub Option<(Vec<u8>, u16)>);

impl Slot for ReplicaOf {
    fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
        let &[host, port] = args else {
            return Err("wrong number of arguments".into());
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            return Ok(store(&mut self.0, None));
        }
        let port = parse_loose_integer(port, 10).and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or("Invalid master port")?;
        Ok(store(&mut self.0, Some((host.to_vec(), port))))
    }

    fn show(&self, _: Rule) -> Vec<u8> {
        match &self.0 {
            Some((host, port)) => join([host.as_slice(), port.to_string().as_bytes()]),
            None => Vec::new(),
        }
    }

    fn form(&self, _: Rule) -> Form {
        match &self.0 {
            Some((host, port)) => {
                Form::Lines(vec![(spell([host.as_slice(), port.to_string().as_bytes()]), true)])
            }
            None => Form::Absent,
        }
    }

    fn takes_many(&self) -> bool {
        true
    }

    fn describe(&self, _: Rule) -> String {
        "host and port, or `no one`".into()
    }
}
