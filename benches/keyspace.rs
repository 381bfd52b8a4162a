//! What a key costs: nanoseconds to get and to set it, bytes to keep it.
//!
//! `cargo bench --bench keyspace`, or with a number of keys: `cargo bench --bench keyspace -- 5000000`

// A benchmark reads the clock; the rule is for the engine.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use seedis::engine::keyspace::{Database, Entry, Expiry, Layout, NewValue};
use seedis::engine::rng::Rng;
use std::hint::black_box;
use std::time::Instant;
#[cfg(not(madsim))]
use tikv_jemalloc_ctl::{epoch, stats};

/// A build for the simulator, which this is not to be run in, has no jemalloc.
#[cfg(madsim)]
fn allocated() -> usize {
    0
}

/// Bytes in use as jemalloc, the library's allocator, counts them.
#[cfg(not(madsim))]
fn allocated() -> usize {
    epoch::advance().expect("jemalloc counts");
    stats::allocated::read().expect("jemalloc counts")
}

fn key(n: u64) -> Vec<u8> {
    format!("key:{n:012}").into_bytes()
}

/// Median nanoseconds per key, over batches of 16 keys in groups: robust against what else runs.
fn timed(keys: &[Vec<u8>], mut run: impl FnMut(&[Vec<u8>])) -> f64 {
    let mut groups: Vec<f64> = keys
        .chunks(1600)
        .map(|group| {
            let start = Instant::now();
            group.chunks(16).for_each(&mut run);
            start.elapsed().as_nanos() as f64 / group.len() as f64
        })
        .collect();
    groups.sort_by(f64::total_cmp);
    groups[groups.len() / 2]
}

/// Prints a line for one shape of value.
fn measure(shape: &str, keys: u64, expiry: Expiry, value: impl Fn(u64) -> Vec<u8>) {
    let all: Vec<Vec<u8>> = (0..keys).map(key).collect();
    let mut rng = Rng::new(7);
    let wanted: Vec<Vec<u8>> = (0..500_000).map(|_| key(rng.below(keys))).collect();
    let new = value(keys / 2);
    let before = allocated();
    let mut db = Database::new(1, Layout::Single);
    let insert = timed(&all, |batch| {
        for key in batch {
            db.set(key, NewValue::from_bytes(&new), expiry, 0);
        }
    });
    let bytes = (allocated() - before) as f64 / keys as f64;
    let read = |entry: Option<&Entry>| _ = black_box(entry.map(Entry::value));
    let get = timed(&wanted, |batch| batch.iter().for_each(|key| read(db.lookup(key))));
    let prefetched = timed(&wanted, |batch| {
        let hashes: [_; 16] = std::array::from_fn(|n| db.hash(batch.get(n).map_or(&[], |key| key)));
        hashes.iter().for_each(|&hash| db.prefetch_bucket(hash));
        hashes.iter().for_each(|&hash| db.prefetch_entry(hash));
        batch.iter().zip(&hashes).for_each(|(key, &hash)| read(db.lookup_hashed(hash, key)));
    });
    let missing = timed(&wanted, |batch| batch.iter().for_each(|key| read(db.lookup(&key[1..]))));
    let overwrite = timed(&wanted, |batch| {
        for key in batch {
            db.set(key, NewValue::from_bytes(&new), expiry, 0);
        }
    });
    println!(
        "{shape:<24} {bytes:7.2} B/key   ns: insert {insert:4.0}  overwrite {overwrite:4.0}  get {get:4.0}  \
         get 16 prefetched {prefetched:4.0}  get missing {missing:4.0}"
    );
}

fn main() {
    let keys = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    println!("{keys} keys of 16 bytes");
    let text = |len: usize| move |n: u64| format!("{n:v>len$}").into_bytes();
    measure("value of 32 bytes", keys, Expiry::Never, text(32));
    measure("value of 32 bytes, TTL", keys, Expiry::At(1 << 41), text(32));
    measure("small integer", keys, Expiry::Never, |n| n.to_string().into_bytes());
    measure("value of 200 bytes", keys, Expiry::Never, text(200));
}
