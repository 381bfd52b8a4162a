//! RDB files: nothing that a file says makes the decoder panic, hang or allocate out of proportion, and
//! every value that it lets in is written so that it reads as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::config::Config;
use seedis::engine::loopback::Loopback;
use seedis::engine::rdb::{Decoder, Item, Limits, Loaded, Slice, payload};
use seedis_fuzz::{Counting, live, peak, reset_peak};
use std::sync::LazyLock;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Memory for a byte of input: LZF makes 88 bytes of one, each two of which may be a member with its record.
const PER_BYTE: u64 = 16 << 10;
/// What empty buffers take.
const ALWAYS: u64 = 1 << 20;

static LIMITS: LazyLock<Limits> =
    LazyLock::new(|| Loopback::new(Config::default(), 3).expect("the defaults are fine").server.rdb_limits());

fuzz_target!(|data: &[u8]| {
    let Some((&flags, rest)) = data.split_first() else { return };
    let magic: &[u8] = match flags & 3 {
        0 => b"",
        1 => b"REDIS0012",
        2 => b"REDIS0015",
        _ => b"VALKEY080",
    };
    let file = [magic, rest].concat();
    let limits = &*LIMITS;
    let before = live();
    reset_peak();
    let mut decoder = Decoder::new(Slice::new(&file), limits, 0, flags & 4 != 0);
    let mut entries = Vec::new();
    while let Ok(Some(item)) = decoder.next() {
        if let Item::Entry(Loaded { entry, .. }) = item {
            entries.push(entry);
        }
    }
    assert!(decoder.position() <= file.len() as u64);
    assert!(peak() - before <= ALWAYS + PER_BYTE * file.len() as u64, "{} bytes", peak() - before);
    for entry in entries {
        let dumped = payload::dump(entry.duplicate(b""), flags & 8 != 0);
        let again = payload::restore(&dumped, true, limits, b"", None, 0).expect("what was written reads");
        let again = payload::dump(again, flags & 8 != 0);
        let third = payload::restore(&again, true, limits, b"", None, 0).expect("what was written reads");
        // Once the order of the members is this server's, nothing changes any more.
        assert_eq!(payload::dump(third, flags & 8 != 0), again);
    }
});
