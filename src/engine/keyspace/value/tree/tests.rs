//! The tree against plain vectors, and how much of it a change copies.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;

thread_local! {
    /// Leaves that this thread has cloned.
    static CLONED: Cell<usize> = const { Cell::new(0) };
}

/// A leaf of few elements, so that trees of some hundred elements are deep.
#[derive(Debug, Default, PartialEq)]
struct Run(Vec<u32>);

impl Clone for Run {
    fn clone(&self) -> Self {
        CLONED.set(CLONED.get() + 1);
        Run(self.0.clone())
    }
}

impl Leaf for Run {
    type Shared = Arc<Self>;
    type Key = u32;
    const MAX_WEIGHT: usize = 8;

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn weight(&self) -> usize {
        self.0.len()
    }

    fn split(&mut self, at: SplitAt) -> Self {
        let len = self.0.len();
        Run(self.0.split_off(match at {
            SplitAt::Middle => len / 2,
            SplitAt::End => (len - 1).min(8),
            SplitAt::Start => len.saturating_sub(8).max(1),
            SplitAt::Offset(offset) => offset as usize,
        }))
    }

    fn absorb(&mut self, mut right: Self) {
        self.0.append(&mut right.0);
    }

    fn lower_key(&self) -> u32 {
        self.0[0]
    }
}

fn elements(tree: &Tree<Run>) -> Vec<u32> {
    tree.iter().flat_map(|run| run.0.iter().copied()).collect()
}

fn tree_of(elements: &[u32]) -> Tree<Run> {
    Tree::from_leaves(elements.chunks(8).map(|chunk| Run(chunk.to_vec())))
}

/// Everything that can be asked of a tree of `model`, whose elements are in any order.
fn compare(tree: &Tree<Run>, model: &[u32], from: u64) {
    tree.check(|_, _| false);
    assert_eq!(elements(tree), model);
    assert_eq!(tree.len(), model.len() as u64);
    assert_eq!(tree.is_empty(), model.is_empty());
    assert_eq!(tree.leaves(), tree.iter().count());
    assert_eq!(tree.first().map(|run| run.0[0]), model.first().copied());
    assert_eq!(tree.last().and_then(|run| run.0.last()), model.last());
    let last = tree.cursor_last().map(|cursor| cursor.base() + cursor.leaf().len());
    assert_eq!(last.unwrap_or(0), tree.len());
    let Some(cursor) = tree.cursor_at(from) else {
        assert!(model.is_empty());
        return;
    };
    let (leaf, offset) = tree.leaf_at(from).expect("not empty");
    assert_eq!(leaf.0.get(offset as usize), model.get(from as usize));
    assert_eq!(cursor.base() + offset, from);
    let base = cursor.base() as usize;
    let mut at = base;
    for (run, base) in cursor.clone().forward() {
        assert_eq!(base as usize, at);
        assert_eq!(run.0, model[at..at + run.0.len()]);
        at += run.0.len();
    }
    assert_eq!(at, model.len());
    at = base + cursor.leaf().0.len();
    for (run, base) in cursor.backward() {
        assert_eq!(run.0, model[at - run.0.len()..at]);
        at -= run.0.len();
        assert_eq!(base as usize, at);
    }
    assert_eq!(at, 0);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, Vec<u32>),
    Remove(u16, u8),
    Set(u16, u32),
    PushFirst(u32),
    PushLast(u32),
    PopFirst,
    PopLast,
    /// Rotates: cuts and joins the other way round.
    Rotate(u16),
    RemoveRange(u16, u16),
    AppendSelf,
    Prepend(Vec<u32>),
    Keep,
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    let some = |most: usize| prop::collection::vec(any::<u32>(), 0..most);
    prop_oneof![
        8 => (any::<u16>(), some(6)).prop_map(|(at, new)| Step::Insert(at, new)),
        2 => (any::<u16>(), some(150)).prop_map(|(at, new)| Step::Insert(at, new)),
        8 => (any::<u16>(), any::<u8>()).prop_map(|(at, count)| Step::Remove(at, count % 12)),
        3 => (any::<u16>(), any::<u32>()).prop_map(|(at, new)| Step::Set(at, new)),
        4 => any::<u32>().prop_map(Step::PushFirst),
        4 => any::<u32>().prop_map(Step::PushLast),
        4 => Just(Step::PopFirst),
        4 => Just(Step::PopLast),
        2 => any::<u16>().prop_map(Step::Rotate),
        1 => (any::<u16>(), any::<u16>()).prop_map(|(from, to)| Step::RemoveRange(from, to)),
        1 => Just(Step::AppendSelf),
        2 => some(40).prop_map(Step::Prepend),
        2 => Just(Step::Keep),
        1 => Just(Step::Restore),
    ]
}

/// A place in 0..=len.
fn place(at: u16, len: usize) -> usize {
    at as usize % (len + 1)
}

fn run(step: Step, tree: &mut Tree<Run>, model: &mut Vec<u32>, kept: &mut (Tree<Run>, Vec<u32>)) {
    let len = model.len();
    match step {
        Step::Insert(at, new) => {
            let at = place(at, len);
            tree.edit_at(at as u64, |run, offset| {
                run.0.splice(offset as usize..offset as usize, new.iter().copied());
            });
            model.splice(at..at, new);
        }
        Step::Remove(at, count) => {
            let at = place(at, len);
            let removed = tree.edit_at(at as u64, |run, offset| {
                let from = offset as usize;
                let to = (from + count as usize).min(run.0.len());
                run.0.drain(from..to).count()
            });
            model.drain(at..at + removed);
        }
        Step::Set(at, new) if len > 0 => {
            let at = at as usize % len;
            tree.edit_at(at as u64, |run, offset| run.0[offset as usize] = new);
            model[at] = new;
        }
        Step::Set(..) => {}
        Step::PushFirst(new) => {
            tree.edit_first(|run| run.0.insert(0, new));
            model.insert(0, new);
        }
        Step::PushLast(new) => {
            tree.edit_last(|run| run.0.push(new));
            model.push(new);
        }
        Step::PopFirst => {
            let popped = tree.edit_first(|run| (!run.0.is_empty()).then(|| run.0.remove(0)));
            assert_eq!(popped, (len > 0).then(|| model.remove(0)));
        }
        Step::PopLast => assert_eq!(tree.edit_last(|run| run.0.pop()), model.pop()),
        Step::Rotate(at) => {
            let at = place(at, len);
            let mut right = tree.split_off(at as u64);
            compare(tree, &model[..at], 0);
            compare(&right, &model[at..], 0);
            right.append(std::mem::take(tree));
            *tree = right;
            model.rotate_left(at);
        }
        Step::RemoveRange(from, to) => {
            let (from, to) = (place(from, len), place(to, len));
            let (from, to) = (from.min(to), from.max(to));
            let removed = tree.remove_range(from as u64, to as u64);
            compare(&removed, &model[from..to], 0);
            model.drain(from..to);
        }
        Step::AppendSelf if len < 600 => {
            tree.append(tree.clone());
            model.extend_from_within(..);
        }
        Step::AppendSelf => {}
        Step::Prepend(new) => {
            let mut left = tree_of(&new);
            left.append(std::mem::take(tree));
            *tree = left;
            model.splice(0..0, new);
        }
        Step::Keep => *kept = (tree.clone(), model.clone()),
        Step::Restore => (*tree, *model) = kept.clone(),
    }
}

proptest! {
    #[test]
    fn does_what_a_vector_does(start in prop::collection::vec(any::<u32>(), 0..700), steps in prop::collection::vec((step(), any::<u16>()), 1..80)) {
        let (mut tree, mut model) = (tree_of(&start), start);
        let mut kept = (tree.clone(), model.clone());
        for (step, at) in steps {
            run(step, &mut tree, &mut model, &mut kept);
            compare(&tree, &model, place(at, model.len()) as u64);
            compare(&kept.0, &kept.1, 0);
        }
        let (kept, model) = kept;
        while !tree.free_some(3) {}
        prop_assert!(tree.is_empty());
        compare(&kept, &model, 0);
    }

    #[test]
    fn keeps_a_sorted_set(start in prop::collection::btree_set(0..2000u32, 0..800), steps in prop::collection::vec((0..2000u32, 0..4u8), 1..200)) {
        let mut model = start;
        let sorted: Vec<u32> = model.iter().copied().collect();
        let mut tree = tree_of(&sorted);
        for (wanted, step) in steps {
            let seek = |key: &u32| *key <= wanted;
            let (leaf, base) = tree.leaf_for(seek).map_or((&[][..], 0), |(run, base)| (&run.0[..], base));
            let rank = base as usize + leaf.partition_point(|&have| have < wanted);
            assert_eq!(rank, model.range(..wanted).count());
            assert_eq!(leaf.contains(&wanted), model.contains(&wanted));
            assert_eq!(tree.cursor_for(seek).map_or(0, |cursor| cursor.base()), base);
            let path = tree.path_for(seek).map(|(run, path)| {
                assert!(run.0 == leaf && tree.base_of(&path) == base);
                path
            });
            for (other, run) in tree.fetch([0, wanted, 1999].into_iter(), |key, other| *key <= other) {
                assert_eq!(Some(run), tree.leaf_for(|key| *key <= other).map(|(run, _)| run));
            }
            match (step, path) {
                (0, Some(path)) => {
                    tree.edit_on(&path, |run| run.0.retain(|&have| have != wanted));
                    model.remove(&wanted);
                }
                (1, _) => {
                    let right = tree.split_off(rank as u64);
                    tree.append(right);
                }
                _ => {
                    tree.edit_for(seek, |run| {
                        if let Err(at) = run.0.binary_search(&wanted) {
                            run.0.insert(at, wanted);
                        }
                    });
                    model.insert(wanted);
                }
            }
            tree.check(|a, b| a < b);
            assert!(elements(&tree).iter().eq(&model));
        }
    }
}

/// A tree of four levels.
fn deep() -> Tree<Run> {
    let tree = tree_of(&(0..3000).collect::<Vec<_>>());
    assert_eq!(tree.root.as_ref().map(|root| root.get().height()), Some(3));
    tree
}

/// Nodes of `tree` that `other` does not share, given that both have the same shape.
fn own_nodes(tree: Ref<'_, Run>, other: Ref<'_, Run>) -> usize {
    match (tree, other) {
        (Ref::Leaf(a), Ref::Leaf(b)) => usize::from(!std::ptr::eq(a, b)),
        (Ref::Inner(a), Ref::Inner(b)) if std::ptr::eq(a, b) => 0,
        (Ref::Inner(a), Ref::Inner(b)) => {
            let pairs = a.children.iter().zip(b.children.iter());
            1 + pairs.map(|(a, b)| own_nodes(a, b)).sum::<usize>()
        }
        _ => panic!("different shapes"),
    }
}

#[test]
fn a_change_of_a_clone_copies_one_path_once() {
    let tree = deep();
    let mut changed = tree.clone();
    let own = |changed: &Tree<Run>| {
        own_nodes(changed.root.as_ref().expect("a root").get(), tree.root.as_ref().expect("a root").get())
    };
    assert_eq!(own(&changed), 0);
    CLONED.set(0);
    changed.edit_at(1500, |run, offset| run.0[offset as usize] = 7);
    assert_eq!((own(&changed), CLONED.get()), (4, 1));
    changed.edit_at(1500, |run, offset| run.0[offset as usize] = 8);
    changed.edit_at(1500, |run, _| _ = run.0.pop());
    assert_eq!((own(&changed), CLONED.get()), (4, 1));
    assert!(elements(&tree).into_iter().eq(0..3000));
}

#[test]
fn cutting_and_joining_touch_few_nodes() {
    let tree = deep();
    let mut cut = tree.clone();
    CLONED.set(0);
    let removed = cut.remove_range(1001, 2001);
    assert_eq!((cut.len(), removed.len()), (2000, 1000));
    assert!(CLONED.get() <= 4, "{} leaves cloned", CLONED.get());
}

#[test]
fn elements_that_come_in_order_fill_their_leaves() {
    let (mut up, mut down) = (Tree::<Run>::new(), Tree::<Run>::new());
    for n in 0..4000 {
        up.edit_last(|run| run.0.push(n));
        down.edit_first(|run| run.0.insert(0, n));
    }
    for tree in [up, down] {
        tree.check(|_, _| false);
        assert!(tree.leaves() <= 502, "{} leaves", tree.leaves());
    }
}

#[test]
fn freeing_stops_at_its_budget_and_spares_what_is_shared() {
    let mut tree = deep();
    let leaves = tree.leaves();
    let mut calls = 1;
    while !tree.free_some(10) {
        calls += 1;
    }
    assert!(calls >= leaves / 10 && calls <= leaves / 8, "{calls} calls for {leaves} leaves");
    let mut tree = deep();
    let kept = tree.clone();
    assert!(tree.free_some(1));
    compare(&kept, &(0..3000).collect::<Vec<_>>(), 0);
}

#[test]
fn memory_is_exact_in_small_trees_and_near_in_large_ones() {
    let small = tree_of(&[1; 500]);
    let leaf = size_of::<usize>() + size_of::<Run>();
    assert!(small.leaves() == 63 && small.memory_usage() > 63 * leaf + 500);
    let large = deep();
    let exact = large.root.as_ref().expect("a root").get().memory_usage();
    let estimate = large.memory_usage();
    assert!(estimate.abs_diff(exact) * 4 < exact, "{estimate} for {exact}");
    assert_eq!(Tree::<Run>::new().memory_usage(), 0);
}
