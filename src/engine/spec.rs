//! What a command's declaration can say: arity, flags, keys, categories, argument grammar.
//!
//! Plain data, no behaviour: `command` turns rows into COMMAND replies, ACL categories and key
//! routing. Names and meanings are those of <https://redis.io/docs/latest/commands/command/>.

/// A set of flags over a `u64`, with named constants; `A | B` works in constants through `or`.
macro_rules! flag_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $flag:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name(u64);
        #[allow(missing_docs, non_camel_case_types, clippy::upper_case_acronyms)]
        #[derive(Clone, Copy)]
        enum Bits { $($flag),* }
        const _: () = { let _ = [$(Bits::$flag as u8),*]; };
        impl $name {
            /// No flag.
            pub const NONE: Self = Self(0);
            $($(#[$fdoc])* pub const $flag: Self = Self(1 << Bits::$flag as u64);)*
            /// Every flag with the name Redis gives it, in declaration order.
            pub const NAMES: &'static [(Self, &'static str)] = &[$((Self::$flag, $text)),*];
            /// The union of both sets.
            pub const fn or(self, other: Self) -> Self { Self(self.0 | other.0) }
            /// What is in this set and not in `other`.
            pub const fn without(self, other: Self) -> Self { Self(self.0 & !other.0) }
            /// Whether all of `other` is in this set.
            pub const fn has(self, other: Self) -> bool { self.0 & other.0 == other.0 }
            /// Whether any of `other` is in this set.
            pub const fn any(self, other: Self) -> bool { self.0 & other.0 != 0 }
            /// Whether no flag is set.
            pub const fn is_empty(self) -> bool { self.0 == 0 }
            /// The names of the flags that are set; those without a name are internal.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().filter(move |(flag, name)| self.has(*flag) && !name.is_empty()).map(|(_, name)| *name)
            }
        }
        impl std::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self { self.or(other) }
        }
    };
}

mod flags {
    flag_set! {
        /// Command flags, as COMMAND reports them.
        Flags {
            WRITE = "write",
            READONLY = "readonly",
            DENYOOM = "denyoom",
            MODULE = "module",
            ADMIN = "admin",
            PUBSUB = "pubsub",
            NOSCRIPT = "noscript",
            BLOCKING = "blocking",
            LOADING = "loading",
            STALE = "stale",
            SKIP_MONITOR = "skip_monitor",
            SKIP_SLOWLOG = "skip_slowlog",
            ASKING = "asking",
            FAST = "fast",
            NO_AUTH = "no_auth",
            /// Concerns replicas although it is no write: PUBLISH, and PFCOUNT, which stores its estimate. Redis
            /// keeps the flag to itself.
            MAY_REPLICATE = "",
            NO_ASYNC_LOADING = "no_async_loading",
            NO_MULTI = "no_multi",
            NO_MANDATORY_KEYS = "no_mandatory_keys",
            MOVABLE_KEYS = "movablekeys",
            ALLOW_BUSY = "allow_busy",
            SCRIPT_RUNNER = "script_runner",
            /// Contains other commands (EXEC, scripts): exempt from dispatch's own assertions.
            CONTAINER = "",
            /// Touches keys that it does not name (SCAN): what expires on the way is no unit.
            ARBITRARY_KEYS = "",
            /// Not shown by COMMAND and its subcommands.
            HIDDEN = "",
            /// Of no use to users: COMMAND DOCS says so.
            SYSTEM = "",
        }
    }
}

mod categories {
    flag_set! {
        /// ACL categories. Those that follow from command flags are computed, the rest declared.
        Categories {
            KEYSPACE = "keyspace", READ = "read", WRITE = "write", SET = "set", SORTEDSET = "sortedset",
            LIST = "list", HASH = "hash", STRING = "string", ARRAY = "array", BITMAP = "bitmap",
            HYPERLOGLOG = "hyperloglog", GEO = "geo", STREAM = "stream", PUBSUB = "pubsub",
            ADMIN = "admin", FAST = "fast", SLOW = "slow", BLOCKING = "blocking",
            DANGEROUS = "dangerous", CONNECTION = "connection", TRANSACTION = "transaction",
            SCRIPTING = "scripting",
        }
    }
}

mod key_flags {
    flag_set! {
        /// How a key is used, as COMMAND's key specifications report it.
        KeyFlags {
            RO = "RO", RW = "RW", OW = "OW", RM = "RM", ACCESS = "access", UPDATE = "update",
            INSERT = "insert", DELETE = "delete", NOT_KEY = "not_key", INCOMPLETE = "incomplete",
            VARIABLE_FLAGS = "variable_flags",
        }
    }
}

pub use categories::Categories;
pub use flags::Flags;
pub use key_flags::KeyFlags;

/// How many arguments a command takes, its name included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly so many.
    Exactly(u16),
    /// So many or more.
    AtLeast(u16),
}

impl Arity {
    /// Whether a call of `argc` arguments (name included) fits.
    pub fn accepts(self, argc: usize) -> bool {
        match self {
            Arity::Exactly(n) => argc == n as usize,
            Arity::AtLeast(n) => argc >= n as usize,
        }
    }
    /// Redis's number: negative means "at least".
    pub fn as_redis(self) -> i64 {
        match self {
            Arity::Exactly(n) => n as i64,
            Arity::AtLeast(n) => -(n as i64),
        }
    }
}

/// Where the keys of one specification begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument (the name is argument 0).
    Index(u16),
    /// After this keyword, searched from this argument on (negative: from the end, backwards).
    Keyword(&'static str, i16),
    /// Cannot be described.
    Unknown,
}

/// Which arguments after the beginning are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Up to `last` relative to the beginning (-1: the last argument), every `step`, at most the
    /// `limit`-th part of the rest (0 and 1: no limit).
    Range {
        /// Last key, relative to the first; negative counts from the end of the arguments.
        last: i16,
        /// Distance between keys.
        step: u16,
        /// Divisor of the rest.
        limit: u16,
    },
    /// The number of keys stands at `count` relative to the beginning, the first key at `first`.
    KeyNum {
        /// Position of the count, relative to the beginning.
        count: u16,
        /// Position of the first key, relative to the beginning.
        first: u16,
        /// Distance between keys.
        step: u16,
    },
    /// Cannot be described.
    Unknown,
}

/// One key specification.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// How the keys are used.
    pub flags: KeyFlags,
    /// Where they begin.
    pub begin: Begin,
    /// Which arguments they are.
    pub find: Find,
}

/// One key of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallKey {
    /// The index of the argument.
    pub index: usize,
    /// How the command uses it.
    pub flags: KeyFlags,
}

/// One key, at this argument.
pub const fn key_at(index: u16, flags: KeyFlags) -> Keys {
    Keys { flags, begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 } }
}

/// All arguments from this one on.
pub const fn keys_from(index: u16, flags: KeyFlags) -> Keys {
    Keys { flags, begin: Begin::Index(index), find: Find::Range { last: -1, step: 1, limit: 0 } }
}

/// Every `step`-th argument from this one on.
pub const fn keys_every(index: u16, step: u16, flags: KeyFlags) -> Keys {
    Keys { flags, begin: Begin::Index(index), find: Find::Range { last: -1, step, limit: 0 } }
}

/// As many keys as the argument at `index` says, right after it.
pub const fn keys_counted(index: u16, flags: KeyFlags) -> Keys {
    Keys { flags, begin: Begin::Index(index), find: Find::KeyNum { count: 0, first: 1, step: 1 } }
}

/// What kind of thing an argument is, as COMMAND DOCS reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// Any bytes.
    String,
    /// A whole number.
    Integer,
    /// A floating-point number.
    Double,
    /// A key; the number is the index of its key specification.
    Key(u8),
    /// A glob pattern.
    Pattern,
    /// A pattern that stands for keys; the number is the index of their key specification.
    KeyPattern(u8),
    /// A Unix time.
    UnixTime,
    /// A keyword that stands for itself.
    PureToken,
    /// One of the sub-arguments.
    OneOf,
    /// All of the sub-arguments, in order.
    Block,
}

/// One argument of a command's grammar.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// The argument's name.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgKind,
    /// The keyword before it, or the keyword itself for a pure token; "" for none.
    pub token: &'static str,
    /// May be left out.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// The token is repeated too.
    pub multiple_token: bool,
    /// What it consists of (`OneOf`, `Block`).
    pub args: &'static [Arg],
    /// The version that brought it, if later than the command's; "" otherwise.
    pub since: &'static str,
    /// How texts show it, if not by its name; "" otherwise.
    pub shown: &'static str,
}

const ARG: Arg = Arg {
    name: "",
    kind: ArgKind::String,
    token: "",
    optional: false,
    multiple: false,
    multiple_token: false,
    args: &[],
    since: "",
    shown: "",
};

impl Arg {
    /// The same argument, optional.
    pub const fn optional(self) -> Arg {
        Arg { optional: true, ..self }
    }
    /// The same argument, repeatable.
    pub const fn multiple(self) -> Arg {
        Arg { multiple: true, ..self }
    }
    /// The same argument, repeatable together with its keyword.
    pub const fn multiple_token(self) -> Arg {
        Arg { multiple: true, multiple_token: true, ..self }
    }
    /// The same argument, brought by a later version.
    pub const fn since(self, since: &'static str) -> Arg {
        Arg { since, ..self }
    }
    /// The same argument, shown under another name.
    pub const fn shown(self, shown: &'static str) -> Arg {
        Arg { shown, ..self }
    }
    /// The same argument behind a keyword.
    pub const fn token(self, token: &'static str) -> Arg {
        Arg { token, ..self }
    }
}

/// The key of the first key specification.
pub const KEY: Arg = Arg { name: "key", kind: ArgKind::Key(0), ..ARG };

/// A key under another name, belonging to the key specification `index`.
pub const fn key(name: &'static str, index: u8) -> Arg {
    Arg { name, kind: ArgKind::Key(index), ..ARG }
}
/// Any bytes.
pub const fn string(name: &'static str) -> Arg {
    Arg { name, ..ARG }
}
/// A whole number.
pub const fn int(name: &'static str) -> Arg {
    Arg { name, kind: ArgKind::Integer, ..ARG }
}
/// A floating-point number.
pub const fn double(name: &'static str) -> Arg {
    Arg { name, kind: ArgKind::Double, ..ARG }
}
/// A glob pattern.
pub const fn pattern(name: &'static str) -> Arg {
    Arg { name, kind: ArgKind::Pattern, ..ARG }
}
/// A pattern that stands for keys of the key specification `index`.
pub const fn key_pattern(name: &'static str, index: u8) -> Arg {
    Arg { name, kind: ArgKind::KeyPattern(index), ..ARG }
}
/// A Unix time.
pub const fn unix_time(name: &'static str) -> Arg {
    Arg { name, kind: ArgKind::UnixTime, ..ARG }
}
/// A keyword that stands for itself.
pub const fn token(name: &'static str, token: &'static str) -> Arg {
    Arg { name, kind: ArgKind::PureToken, token, ..ARG }
}
/// One of several.
pub const fn one_of(name: &'static str, args: &'static [Arg]) -> Arg {
    Arg { name, kind: ArgKind::OneOf, args, ..ARG }
}
/// Several in order.
pub const fn block(name: &'static str, args: &'static [Arg]) -> Arg {
    Arg { name, kind: ArgKind::Block, args, ..ARG }
}
