//! What the tree under big collections costs, in nanoseconds an operation, beside the standard library's B-tree.
//!
//! `cargo bench --bench tree`, or with a number of elements: `cargo bench --bench tree -- 1000000`

// A benchmark reads the clock; the rule is for the engine.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use seedis::engine::keyspace::value::tree::{Leaf, SplitAt, Tree};
use seedis::engine::rng::Rng;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

/// Up to 64 numbers in order.
#[derive(Clone, Default)]
struct Run(Vec<u64>);

impl Leaf for Run {
    type Shared = triomphe::Arc<Self>;
    type Key = u64;
    const MAX_WEIGHT: usize = 64;

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn weight(&self) -> usize {
        self.0.len()
    }

    fn split(&mut self, at: SplitAt) -> Self {
        let middle = match at {
            SplitAt::Middle => self.0.len() / 2,
            SplitAt::End => 64,
            SplitAt::Start => self.0.len() - 64,
            SplitAt::Offset(offset) => offset as usize,
        };
        Run(self.0.split_off(middle))
    }

    fn absorb(&mut self, mut right: Self) {
        self.0.append(&mut right.0);
    }

    fn lower_key(&self) -> u64 {
        self.0[0]
    }
}

fn insert(tree: &mut Tree<Run>, new: u64) {
    tree.edit_for(
        |&key| key <= new,
        |run| {
            if let Err(at) = run.0.binary_search(&new) {
                run.0.insert(at, new);
            }
        },
    );
}

fn remove(tree: &mut Tree<Run>, old: u64) {
    tree.edit_for(
        |&key| key <= old,
        |run| {
            if let Ok(at) = run.0.binary_search(&old) {
                run.0.remove(at);
            }
        },
    );
}

/// Median nanoseconds of a step, over groups of 1000: robust against what else runs.
fn timed(steps: u64, mut step: impl FnMut(u64)) -> f64 {
    let mut groups: Vec<f64> = (0..steps / 1000)
        .map(|group| {
            let start = Instant::now();
            (group * 1000..(group + 1) * 1000).for_each(&mut step);
            start.elapsed().as_nanos() as f64 / 1000.0
        })
        .collect();
    groups.sort_by(f64::total_cmp);
    groups[groups.len() / 2]
}

fn report(what: &str, tree: f64, set: Option<f64>) {
    let set = set.map_or_else(|| "-".to_owned(), |set| format!("{set:.0}"));
    println!("{what:<42} tree {tree:6.0}   BTreeSet {set:>6}");
}

/// Sorted sets of random numbers.
fn keyed(count: u64) {
    let mut rng = Rng::new(7);
    let all: Vec<u64> = (0..count).map(|_| rng.next_u64()).collect();
    let steps = count.min(1_000_000);
    let (mut tree, mut set) = (Tree::<Run>::new(), BTreeSet::new());
    let mine = timed(count, |n| insert(&mut tree, all[n as usize]));
    report("insert, all", mine, Some(timed(count, |n| _ = set.insert(all[n as usize]))));
    println!("{} leaves", tree.leaves());
    let wanted: Vec<u64> = (0..steps).map(|_| all[rng.below(count) as usize]).collect();
    let find = |n: u64| {
        let wanted = wanted[n as usize];
        let (run, base) = tree.leaf_for(|&key| key <= wanted).expect("not empty");
        (run.0.binary_search(&wanted), base)
    };
    let mine = timed(steps, |n| _ = black_box(find(n).0));
    report("find", mine, Some(timed(steps, |n| _ = black_box(set.contains(&wanted[n as usize])))));
    report("rank", timed(steps, |n| _ = black_box(find(n))), None);
    let mine = timed(steps, |n| {
        remove(&mut tree, wanted[n as usize]);
        insert(&mut tree, wanted[n as usize].wrapping_add(1));
    });
    let other = timed(steps, |n| {
        set.remove(&wanted[n as usize]);
        set.insert(wanted[n as usize].wrapping_add(1));
    });
    report("remove and insert", mine, Some(other));
    let walk =
        |tree: &Tree<Run>| tree.iter().map(|run| run.0.iter().fold(0, |a, b| a ^ b)).fold(0, |a, b| a ^ b);
    let start = Instant::now();
    black_box(walk(&tree));
    let mine = start.elapsed().as_nanos() as f64 / count as f64;
    let start = Instant::now();
    black_box(set.iter().fold(0, |a, b| a ^ b));
    report("walk, an element", mine, Some(start.elapsed().as_nanos() as f64 / count as f64));
}

/// Lists, by position.
fn positional(count: u64) {
    let mut rng = Rng::new(8);
    let steps = count.min(1_000_000);
    let mut tree = Tree::<Run>::new();
    report("push at the end, all", timed(count, |n| tree.edit_last(|run| run.0.push(n))), None);
    println!("{} leaves", tree.leaves());
    let places: Vec<u64> = (0..steps).map(|_| rng.below(count - 1000)).collect();
    let get = |n: u64| tree.leaf_at(places[n as usize]).map(|(run, offset)| run.0[offset as usize]);
    report("get at a position", timed(steps, |n| _ = black_box(get(n))), None);
    let set = |tree: &mut Tree<Run>, n: u64| {
        tree.edit_at(places[n as usize], |run, offset| run.0[offset as usize] = n);
    };
    report("set at a position", timed(steps, |n| set(&mut tree, n)), None);
    let mut copy = tree.clone();
    report(
        "set at a position, each after a clone",
        timed(steps.min(100_000), |n| {
            copy = tree.clone();
            set(&mut tree, n);
        }),
        None,
    );
    drop(copy);
    report(
        "push at the end, pop at the start",
        timed(steps, |n| {
            tree.edit_last(|run| run.0.push(n));
            black_box(tree.edit_first(|run| run.0.remove(0)));
        }),
        None,
    );
    report(
        "cut 1000 out and append them",
        timed(steps.min(100_000), |n| {
            let cut = tree.remove_range(places[n as usize], places[n as usize] + 1000);
            tree.append(cut);
        }),
        None,
    );
    let leaves = tree.leaves();
    let mut slices = 0;
    let start = Instant::now();
    while !tree.free_some(100) {
        slices += 1;
    }
    println!("free a leaf: {} ns, in {slices} slices", start.elapsed().as_nanos() as usize / leaves);
}

fn main() {
    let count = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(10_000_000);
    println!("{count} elements of 8 bytes in leaves of up to 64, ns");
    keyed(count);
    positional(count);
}
