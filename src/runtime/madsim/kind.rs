//! The kinds of faults that worlds know: one list, and which of them have really happened in the world of this
//! thread. A fault that was enabled and never struck has not.

use std::cell::Cell;

/// Who injects a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Network,
    Disk,
    Process,
    Clock,
    /// Memory and file descriptors.
    Memory,
    /// Those who talk to the server.
    Client,
}

impl Source {
    /// Its name, for a person.
    pub fn word(self) -> &'static str {
        match self {
            Source::Network => "network",
            Source::Disk => "disk",
            Source::Process => "process",
            Source::Clock => "clock",
            Source::Memory => "memory",
            Source::Client => "client",
        }
    }
}

macro_rules! kinds {
    ($($source:ident { $($kind:ident $name:literal $what:literal)* })*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultKind {
            $($(#[doc = $what] $kind,)*)*
        }

        impl FaultKind {
            pub const ALL: &[FaultKind] = &[$($(FaultKind::$kind),*),*];

            pub fn source(self) -> Source {
                match self {
                    $($(FaultKind::$kind => Source::$source,)*)*
                }
            }

            /// What the command line calls it.
            pub fn name(self) -> &'static str {
                match self {
                    $($(FaultKind::$kind => $name,)*)*
                }
            }

            /// What it does.
            pub fn what(self) -> &'static str {
                match self {
                    $($(FaultKind::$kind => $what,)*)*
                }
            }
        }
    };
}

kinds! {
    Network {
        Latency "latency" "a segment took long: of a heavy tail, or in a burst of such"
        Loss "loss" "a segment was lost, and came later"
        OneWayCut "one-way-cut" "a packet did not get through, while the way back was open"
        Cut "cut" "a packet did not get through, nor would one on the way back"
        Isolation "isolation" "a packet did not get through to or from a node that was cut off from all"
        SwizzleClog "swizzle-clog" "a packet was held, on links that clog one by one and open in another order"
        Bandwidth "bandwidth" "a segment waited for those before it on a narrow link"
        Fragments "fragments" "one byte travelled alone although there were more"
        Coalescing "coalescing" "several writes travelled as one segment"
        FullWindow "full-window" "a write found no room"
        Reset "reset" "a connection was reset after any byte"
        HalfClose "half-close" "one end said that it would send no more, and went on reading"
        SilentDeath "silent-death" "a packet went to a machine without power: no answer"
        FailedConnect "failed-connect" "connecting was refused, or timed out"
        FailedAccept "failed-accept" "accept failed: EMFILE, or ECONNABORTED"
    }
    Disk {
        LostData "lost-data" "a power failure took data that was not synced"
        TornPrefix "torn-prefix" "of the unsynced sectors of a file the first ones survived"
        TornSubset "torn-subset" "of the unsynced sectors of a file some survived, with gaps"
        GarbageSector "garbage-sector" "where a sector was lost there is garbage"
        Reordering "reordering" "something unsynced survived, and what was done before it did not"
        LostCreate "lost-create" "a name that was given to a new file was lost"
        LostRename "lost-rename" "a rename was lost"
        LostUnlink "lost-unlink" "a removed name was back"
        LostTruncate "lost-truncate" "a file that was cut was as long as before"
        SyncError "sync-error" "a sync failed and dropped pages"
        LyingSync "lying-sync" "a sync reported success and had done nothing"
        WriteError "write-error" "a write, an open or a change of names failed with EIO"
        FullDisk "full-disk" "ENOSPC"
        ShortWrite "short-write" "a write took a part of what it was given"
        ShortRead "short-read" "a read gave a part of what was asked for and there"
        ReadError "read-error" "a read failed with EIO"
        BitRot "bit-rot" "a bit was flipped on the media"
        MisdirectedWrite "misdirected-write" "a sector was written where another belongs"
        MisdirectedRead "misdirected-read" "a read gave what is elsewhere in the file"
        Stall "stall" "an operation of the disk stood still for a while"
    }
    Process {
        Kill "kill" "the server's process was killed between two steps"
        KillInOperation "kill-in-operation" "the server died while its disk was at work for it"
        PowerCut "power-cut" "the server's machine lost its power"
        CrashInRecovery "crash-in-recovery" "the server died before it was ready"
        CrashLoop "crash-loop" "the server died three times in a row before it was ready"
        Pause "pause" "the server's process stood still"
        ActorPanic "actor-panic" "one of the server's tasks panicked"
        StopInRewrite "stop-in-rewrite" "SIGTERM came while the append-only file was rewritten, or keys were saved"
    }
    Clock {
        Skew "skew" "the server's wall clock is off all the time"
        Drift "drift" "the server's clocks are fast or slow"
        JumpForward "jump-forward" "the server's wall clock jumped ahead"
        JumpBack "jump-back" "the server's wall clock jumped back"
        CoarseTimers "coarse-timers" "a timer of the server fired late, since its kernel counts in ticks"
    }
    Memory {
        MemoryThrash "memory-thrash" "keys were evicted, or writes refused, to keep within maxmemory"
        SnapshotPressure "snapshot-pressure" "writes came while a snapshot was taken, which had to preserve what they changed"
        DescriptorExhaustion "descriptor-exhaustion" "the server had as many connections open as it may"
    }
    Client {
        SlowReader "slow-reader" "a client read its replies a few bytes at a time"
        NeverReads "never-reads" "a client sent until all buffers were full, and read nothing"
        DropInTransaction "drop-in-transaction" "a client left between MULTI and EXEC"
        LongPipeline "long-pipeline" "a client sent ten thousand commands at once"
        OversizeBulk "oversize-bulk" "a client announced more bytes than a request may have"
        Garbage "garbage" "a client sent what is no request"
        ReconnectStorm "reconnect-storm" "a client connected and left, many times at once"
        KilledWaiter "killed-waiter" "a client was killed while it waited for a key"
    }
}

thread_local! {
    /// A bit for each kind. A world is one thread.
    static FIRED: Cell<u64> = const { Cell::new(0) };
}

const _: () = assert!(FaultKind::ALL.len() <= 64, "a bit for each");

impl FaultKind {
    /// It has happened.
    pub fn fired(self) {
        FIRED.set(FIRED.get() | 1 << self as u32);
    }

    /// Whether it has happened.
    pub fn has_fired(self) -> bool {
        FIRED.get() & (1 << self as u32) != 0
    }

    /// Takes out which have happened in the world of this thread.
    pub fn take_fired() -> Vec<FaultKind> {
        let fired = Self::ALL.iter().copied().filter(|kind| kind.has_fired()).collect();
        FIRED.set(0);
        fired
    }

    pub fn named(name: &str) -> Option<FaultKind> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_what_fired_is_taken_out_once() {
        let names: BTreeSet<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), FaultKind::ALL.len());
        assert!(FaultKind::ALL.iter().all(|kind| FaultKind::named(kind.name()) == Some(*kind)));
        FaultKind::take_fired();
        FaultKind::Garbage.fired();
        FaultKind::Loss.fired();
        assert_eq!(FaultKind::take_fired(), [FaultKind::Loss, FaultKind::Garbage]);
        assert!(FaultKind::take_fired().is_empty());
    }
}
