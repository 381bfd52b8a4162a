//! Leaves: how full they are, what moves, what large elements and bulk removals do to them.

use super::*;

impl List {
    /// Panics unless the tree and its leaves are whole.
    pub fn check(&self) {
        self.tree.check(|(), ()| false);
        for run in self.tree.iter() {
            assert_eq!(listpack::check(run.bytes()), listpack::Soundness::Sound(run.len() as usize));
        }
    }
}

fn list(count: usize) -> List {
    let mut list = List::default();
    for n in 0..count {
        list.push(End::Right, &listpack::encoded(format!("element:{n}").as_bytes()), 1);
    }
    list
}

#[test]
fn leaves_filled_from_either_end_are_full() {
    let element = listpack::encoded(b"0123456789");
    for end in [End::Left, End::Right] {
        let mut list = List::default();
        for _ in 0..1000 {
            list.push(end, &element, 1);
        }
        list.check();
        let a_leaf = Run::MAX_WEIGHT / element.len();
        assert_eq!(list.runs().count(), 1000usize.div_ceil(a_leaf), "{end:?}");
        // Several at a time fill them as well.
        let mut list = List::default();
        for _ in 0..100 {
            list.push(end, &element.repeat(7), 7);
        }
        list.check();
        assert_eq!(list.runs().count(), 700usize.div_ceil(a_leaf), "{end:?}");
    }
}

#[test]
fn leaves_of_a_few_large_elements_are_not_half_empty() {
    for size in [Run::MAX_WEIGHT / 3 + 1, Run::MAX_WEIGHT / 2 + 1, Run::MAX_WEIGHT + 1] {
        let element = listpack::encoded(&vec![b'x'; size]);
        for (end, several) in [(End::Left, 1), (End::Right, 1), (End::Left, 5), (End::Right, 5)] {
            let mut list = List::default();
            for _ in 0..60 / several {
                list.push(end, &element.repeat(several), several);
            }
            list.check();
            let held: usize = list.tree.iter().map(Leaf::memory_usage).sum();
            assert!(held < 60 * element.len() * 5 / 4, "{held} for 60 of {size} bytes");
        }
    }
}

#[test]
fn a_queue_holds_no_more_leaves_than_it_needs() {
    for (into, out) in [(End::Left, End::Right), (End::Right, End::Left)] {
        let mut list = list(100);
        let before = list.runs().count();
        for n in 0..10_000 {
            list.push(into, &listpack::encoded(format!("element:{}", n % 100).as_bytes()), 1);
            list.pop(out, &mut |_| {});
        }
        list.check();
        assert_eq!(list.len(), 100);
        assert!(list.runs().count() <= before + 1, "{into:?}");
    }
}

#[test]
fn pushes_to_both_ends_in_turn_seldom_move_a_leaf() {
    let element = listpack::encoded(b"x");
    let mut run = Run::growing(End::Right, &element, 1);
    let (mut moves, mut start) = (0, 0);
    while run.push(End::Left, &element, 1) && run.push(End::Right, &element, 1) {
        let place = run.bytes().as_ptr() as usize;
        moves += usize::from(place + element.len() != start);
        start = place;
    }
    assert!(moves < 8, "{moves} moves for {} elements", run.len());
}

#[test]
fn large_elements_have_leaves_of_their_own() {
    let mut list = list(50);
    let large = vec![b'x'; 10 * Run::MAX_WEIGHT];
    for index in [0, 25, 40, 53] {
        list.insert(index, &listpack::encoded(&large));
        list.check();
    }
    list.set(10, &listpack::encoded(&large));
    list.push(End::Left, &listpack::encoded(&large), 1);
    list.check();
    let leaves = list.tree.iter().filter(|run| run.weight() > Run::MAX_WEIGHT).map(|run| run.len());
    assert_eq!(leaves.collect::<Vec<_>>(), [1; 6]);
    assert_eq!(list.get(0), Some(Element::Str(&large)));
}

#[test]
fn what_is_removed_in_bulk_is_given_back_whole() {
    let mut list = list(10_000);
    let removed = list.remove(10..9_990);
    assert_eq!((list.len(), removed.len()), (20, 9_980));
    list.check();
    removed.check();
    assert_eq!(removed.get(0), Some(Element::Str(b"element:10")));
    let mut removed = removed;
    let mut steps = 0;
    while !removed.free_some(64) {
        steps += 1;
    }
    assert!(steps > 10, "freed in {steps} steps");
}
