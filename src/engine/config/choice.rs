//! Parameters whose value is one of several words, or a set of them.
//!
//! Words are those of Redis 8.10 and Valkey 9.1 together. Where one meaning has several words, the first
//! is the one shown.

use super::row::{Form, Reason, Rule, Slot};
use super::scalar::{single, store};

fn refuse(words: impl Iterator<Item = &'static str>) -> Reason {
    let words: Vec<_> = words.collect();
    format!("argument(s) must be one of the following: {}", words.join(", ")).into()
}

/// Declares an enum whose variants have words.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$vdoc:meta])* $variant:ident = $word:literal $(| $synonym:literal)*),* $(,)?
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            const WORDS: &'static [(&'static str, Self)] =
                &[$(($word, Self::$variant), $(($synonym, Self::$variant),)*)*];

            /// The word for it in files and replies.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl Slot for $name {
            fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
                let arg = single(args)?;
                let found = Self::WORDS.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(arg));
                match found {
                    Some(&(_, value)) => Ok(store(self, value)),
                    None => Err(refuse(Self::WORDS.iter().map(|&(word, _)| word))),
                }
            }

            fn show(&self, _: Rule) -> Vec<u8> {
                self.word().as_bytes().to_vec()
            }

            fn describe(&self, _: Rule) -> String {
                let words: Vec<_> = Self::WORDS.iter().map(|&(word, _)| word).collect();
                words.join(", ")
            }
        }
    )*};
}

choices! {
    /// Which key gives way when memory is full (`maxmemory-policy`).
    MaxmemoryPolicy {
        /// The least recently used of the keys with an expiry.
        VolatileLru = "volatile-lru",
        /// The least frequently used of the keys with an expiry.
        VolatileLfu = "volatile-lfu",
        /// A random one of the keys with an expiry.
        VolatileRandom = "volatile-random",
        /// The key that expires next.
        VolatileTtl = "volatile-ttl",
        /// The least recently modified of the keys with an expiry.
        VolatileLrm = "volatile-lrm",
        /// The least recently used of all keys.
        AllkeysLru = "allkeys-lru",
        /// The least frequently used of all keys.
        AllkeysLfu = "allkeys-lfu",
        /// A random one of all keys.
        AllkeysRandom = "allkeys-random",
        /// The least recently modified of all keys.
        AllkeysLrm = "allkeys-lrm",
        /// None: writes fail instead.
        Noeviction = "noeviction",
    }
    /// When the append-only file is flushed to the medium (`appendfsync`).
    Appendfsync {
        /// Once a second.
        Everysec = "everysec",
        /// Before each reply.
        Always = "always",
        /// Whenever the system likes to.
        No = "no",
    }
    /// The least important kind of message that is logged (`loglevel`).
    Loglevel {
        /// Everything.
        Debug = "debug",
        /// Much of what is rarely useful.
        Verbose = "verbose",
        /// What matters in production.
        Notice = "notice",
        /// What needs attention.
        Warning = "warning",
        /// No message at all.
        Nothing = "nothing",
    }
    /// How log lines are laid out (`log-format`).
    LogFormat {
        /// Redis's line: pid, role, date, level, message.
        Legacy = "legacy",
        /// Pairs of keys and values.
        Logfmt = "logfmt",
        /// One JSON object a line.
        Json = "json",
    }
    /// How log lines give the time (`log-timestamp-format`).
    LogTimestampFormat {
        /// Day, month and year, then the time with milliseconds.
        Legacy = "legacy",
        /// ISO 8601 with the offset from UTC.
        Iso8601 = "iso8601",
        /// Milliseconds since 1970.
        Milliseconds = "milliseconds",
    }
    /// The syslog facility that messages carry (`syslog-facility`).
    SyslogFacility {
        /// A user's program.
        User = "user",
        /// For local use.
        Local0 = "local0",
        /// For local use.
        Local1 = "local1",
        /// For local use.
        Local2 = "local2",
        /// For local use.
        Local3 = "local3",
        /// For local use.
        Local4 = "local4",
        /// For local use.
        Local5 = "local5",
        /// For local use.
        Local6 = "local6",
        /// For local use.
        Local7 = "local7",
    }
    /// The process supervisor to report to (`supervised`).
    Supervised {
        /// Upstart: stop the process with SIGSTOP once ready.
        Upstart = "upstart",
        /// systemd: notify over `NOTIFY_SOCKET`.
        Systemd = "systemd",
        /// Whichever the environment names.
        Auto = "auto",
        /// None.
        No = "no",
    }
    /// How a replica receives a data set over the socket (`repl-diskless-load`).
    ReplDisklessLoad {
        /// Through a file.
        Disabled = "disabled",
        /// From the socket when it has no data to lose.
        OnEmptyDb = "on-empty-db",
        /// From the socket into a second data set, swapped in at the end.
        Swapdb = "swapdb",
        /// From the socket, dropping the old data set first.
        Flushdb = "flushdb" | "flush-before-load",
    }
    /// Whether TLS clients must show a certificate (`tls-auth-clients`).
    TlsAuthClients {
        /// None is asked for.
        No = "no",
        /// A valid one is required.
        Yes = "yes",
        /// One that is shown must be valid.
        Optional = "optional",
    }
    /// The certificate field that names the user to log in as (`tls-auth-clients-user`).
    TlsAuthClientsUser {
        /// The subject's common name.
        CommonName = "CN",
        /// A URI among the alternative names.
        Uri = "URI",
        /// None: certificates do not log in.
        Off = "off",
    }
    /// How the kernel's out-of-memory score is adjusted (`oom-score-adj`).
    OomScoreAdj {
        /// Not at all.
        No = "no",
        /// By the values, on top of the score at the start.
        Relative = "yes" | "relative",
        /// To the values.
        Absolute = "absolute",
    }
    /// The channels of users to whom none are granted (`acl-pubsub-default`).
    AclPubsubDefault {
        /// All.
        Allchannels = "allchannels",
        /// None.
        Resetchannels = "resetchannels",
    }
    /// Whether payloads of RESTORE and RDB files are checked in depth (`sanitize-dump-payload`).
    SanitizeDumpPayload {
        /// Never.
        No = "no",
        /// Always.
        Yes = "yes",
        /// When a client sends one, unless its user is exempt.
        Clients = "clients",
    }
    /// Who may do something dangerous (`enable-debug-command` and the like).
    ProtectedAction {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Clients on the same machine.
        Local = "local",
    }
    /// The endpoint that cluster replies give first (`cluster-preferred-endpoint-type`).
    ClusterPreferredEndpointType {
        /// The address.
        Ip = "ip",
        /// The announced host name.
        Hostname = "hostname",
        /// None: clients go on with the address they have.
        UnknownEndpoint = "unknown-endpoint",
    }
    /// What a failure to save the cluster's state does (`cluster-config-save-behavior`).
    ClusterConfigSaveBehavior {
        /// The node stops.
        Sync = "sync",
        /// The node goes on.
        BestEffort = "best-effort",
    }
    /// What a command that fails while it is being replicated does (`propagation-error-behavior`).
    PropagationErrorBehavior {
        /// It is logged.
        Ignore = "ignore",
        /// The server stops.
        Panic = "panic",
        /// The server stops if it is a replica.
        PanicOnReplicas = "panic-on-replicas",
    }
    /// Whether files of newer RDB versions are read (`rdb-version-check`).
    RdbVersionCheck {
        /// They are refused.
        Strict = "strict",
        /// They are read as far as understood.
        Relaxed = "relaxed",
    }
}

/// Declares a set of words over bits, with the words of several bits before those of one.
macro_rules! word_sets {
    ($($(#[$doc:meta])* $name:ident none $none:literal { $($(#[$fdoc:meta])* $flag:ident = $word:literal, $bits:expr;)* } $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name(u8);

        impl $name {
            /// The empty set.
            pub const NONE: Self = Self(0);
            $($(#[$fdoc])* pub const $flag: Self = Self($bits);)*
            const WORDS: &'static [(&'static str, u8)] = &[($none, 0), $(($word, $bits)),*];

            /// Whether all of `other` is in this set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The union of both sets.
            pub const fn or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl Slot for $name {
            fn set(&mut self, _: Rule, args: &[&[u8]], _: bool) -> Result<bool, Reason> {
                let mut bits = 0;
                for arg in args {
                    let word = Self::WORDS.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(arg));
                    bits |= word.ok_or_else(|| refuse(Self::WORDS.iter().map(|&(word, _)| word)))?.1;
                }
                if args.is_empty() {
                    return Err(refuse(Self::WORDS.iter().map(|&(word, _)| word)));
                }
                let check: fn($name) -> Result<(), Reason> = $check;
                check(Self(bits))?;
                Ok(store(self, Self(bits)))
            }

            fn show(&self, _: Rule) -> Vec<u8> {
                if let Some((word, _)) = Self::WORDS.iter().find(|&&(_, bits)| bits == self.0) {
                    return word.as_bytes().to_vec();
                }
                let mut left = self.0;
                let mut words = Vec::new();
                for &(word, bits) in &Self::WORDS[1..] {
                    if left & bits == bits {
                        words.push(word);
                        left &= !bits;
                    }
                }
                words.join(" ").into_bytes()
            }

            fn form(&self, rule: Rule) -> Form {
                Form::Line(self.show(rule))
            }

            fn takes_many(&self) -> bool {
                true
            }

            fn describe(&self, _: Rule) -> String {
                let words: Vec<_> = Self::WORDS.iter().map(|&(word, _)| word).collect();
                format!("any of {}", words.join(", "))
            }
        }
    )*};
}

word_sets! {
    /// What a signal to stop does (`shutdown-on-sigint`, `shutdown-on-sigterm`).
    ShutdownOnSignal none "default" {
        /// Save even without save points.
        SAVE = "save", 1;
        /// Do not save.
        NOSAVE = "nosave", 2;
        /// Do not wait for lagging replicas.
        NOW = "now", 4;
        /// Ignore errors that would keep the server from stopping.
        FORCE = "force", 8;
        /// Refuse where stopping would take slots down with it.
        SAFE = "safe", 16;
        /// Hand over to a replica first.
        FAILOVER = "failover", 32;
    } |set| {
        if set.contains(ShutdownOnSignal::SAVE.or(ShutdownOnSignal::NOSAVE)) {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        Ok(())
    };

    /// What is counted for each slot (`cluster-slot-stats-enabled`).
    ClusterSlotStats none "no" {
        /// Everything.
        ALL = "yes", 7;
        /// CPU time.
        CPU = "cpu", 1;
        /// Bytes received and sent.
        NET = "net", 2;
        /// Memory of the keys.
        MEM = "mem", 4;
    } |_| Ok(());
}
