//! Rare behaviour that is legal: a batch cut short, a flush in the middle, a budget that is all but nothing. The
//! simulator has the server choose it on purpose, so that what follows from it is seen in every campaign.
//!
//! In two phases, as FoundationDB does (its BUGGIFY): in each world some sites are active, and of its passes an active
//! one takes some. Everywhere but in simulations the question is a constant and compiles to nothing.

#[cfg(madsim)]
use std::cell::RefCell;
#[cfg(madsim)]
use std::collections::BTreeMap;
#[cfg(madsim)]
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Whether to do the rare thing at this site.
macro_rules! buggify {
    ($name:literal) => {
        cfg!(madsim) && $crate::engine::buggify::fires($name)
    };
}
pub(crate) use buggify;

/// Of so many worlds one has a site active, and of so many passes an active one takes one.
#[cfg(madsim)]
const ONE_IN: u64 = 4;

/// All sites, and what is rare there.
#[cfg(madsim)]
pub const SITES: &[(&str, &str)] = &[
    ("one-ahead", "requests are parsed one by one"),
    ("short-turn", "a client's turn ends after a few requests"),
    ("one-turn", "a connection lets others go on after each read"),
    ("small-read", "five bytes are read, whatever is there"),
    ("small-write", "half of what is to be sent is"),
    ("late-reports", "a thread waits before it tells the keyspace what came"),
    ("one-report", "the keyspace takes what one thread says, and no more"),
    ("early-tick", "the clock ticks at once again"),
    ("small-expiry", "a tick may look at one entry that may have expired"),
    ("few-clients", "a tick looks after one client"),
    ("one-timeout", "of several waits that end, a tick ends the first"),
    ("free-later", "something small is freed later"),
    ("small-slice", "of what is freed later, one allocation is"),
    ("few-evictions", "a command may evict one key, whatever is missing"),
    ("forgotten-readers", "the tracking table forgets readers though it has room"),
    ("early-split", "a segment of the table parts in two though it is small"),
    ("small-step", "a snapshot takes a step of one entry"),
    ("small-block", "what is saved is written entry by entry"),
    ("late-stream", "what was propagated goes to the append-only file a turn later"),
    ("split-group", "what is written to the append-only file is two groups"),
    ("hasty-group", "a group waits for nobody"),
    ("late-sync", "a flush is put off until something else was looked at"),
    ("early-sync", "a flush comes before its time"),
    ("early-seal", "the append-only file gets a checksum before its time"),
    ("small-load", "the append-only file is read a few bytes at a time"),
];

#[cfg(madsim)]
struct Buggify {
    seed: u64,
    /// Passes of active sites, each of which draws once.
    passes: u64,
    /// The sites that were passed: whether they are active, and whether they fired.
    sites: BTreeMap<&'static str, (bool, bool)>,
}

#[cfg(madsim)]
thread_local! {
    /// A world is one thread.
    static STATE: RefCell<Option<Buggify>> = const { RefCell::new(None) };
}

/// Switches it on for the world of this thread, with a seed of its own, or off.
#[cfg(madsim)]
pub fn choose(seed: Option<u64>) {
    let state = seed.map(|seed| Buggify { seed, passes: 0, sites: BTreeMap::new() });
    STATE.set(state);
}

/// Whether a site does the rare thing this time.
#[cfg(madsim)]
pub fn fires(name: &'static str) -> bool {
    STATE.with_borrow_mut(|state| {
        let Some(Buggify { seed, passes, sites }) = state else { return false };
        let draw = |of: &[u8]| xxh3_64_with_seed(of, *seed).is_multiple_of(ONE_IN);
        let site = sites.entry(name).or_insert_with(|| {
            // Whether it is active depends on no other site.
            (draw(name.as_bytes()), false)
        });
        *passes += u64::from(site.0);
        let fires = site.0 && draw(&passes.to_le_bytes());
        site.1 |= fires;
        fires
    })
}

/// Whether a site does the rare thing this time: never outside of simulations.
#[cfg(not(madsim))]
#[inline(always)]
pub const fn fires(_: &str) -> bool {
    false
}

/// The sites that fired in the world of this thread.
#[cfg(madsim)]
pub fn fired() -> Vec<&'static str> {
    STATE.with_borrow(|state| {
        let sites = state.iter().flat_map(|state| &state.sites);
        sites.filter(|(_, (_, fired))| *fired).map(|(name, _)| *name).collect()
    })
}

#[cfg(all(test, madsim))]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_sites_is_active_and_fires_in_a_quarter_of_its_passes() {
        let name = |number: u64| -> &'static str { Box::leak(number.to_string().into_boxed_str()) };
        let names: Vec<&'static str> = (0..200).map(name).collect();
        let pass = |seed| {
            choose(Some(seed));
            let counts = names.iter().map(|name| (0..100).filter(|_| fires(name)).count());
            counts.collect::<Vec<usize>>()
        };
        let counts = pass(1);
        let active = counts.iter().filter(|count| **count > 0).count();
        assert!((30..80).contains(&active), "{active} of 200");
        assert!(counts.iter().all(|count| *count == 0 || (8..50).contains(count)));
        assert_eq!(fired().len(), active);
        assert_eq!(pass(1), counts, "a seed decides");
        assert_ne!(pass(2), counts);
        choose(None);
        assert!(!names.iter().any(|name| fires(name)), "off");
    }
}
