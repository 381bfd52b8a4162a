//! Against naive models.

use super::*;
use crate::engine::rng::Rng;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn tracker(mode: Mode, noloop: bool) -> Tracker {
    Tracker { mode, noloop, ..Tracker::default() }
}

#[derive(Clone, Debug)]
enum Step {
    Start(u64, usize, bool),
    Stop(u64),
    Caching(u64),
    Read(u64, String),
    Change(u64, String),
    Evict,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let (client, key) = (1..4u64, "[ab]{0,2}");
    prop_oneof![
        (client.clone(), 0..4usize, any::<bool>()).prop_map(|(c, mode, noloop)| Step::Start(c, mode, noloop)),
        client.clone().prop_map(Step::Stop),
        client.clone().prop_map(Step::Caching),
        (client.clone(), key).prop_map(|(c, k)| Step::Read(c, k)),
        (client.clone(), key).prop_map(|(c, k)| Step::Read(c, k)),
        (0..4u64, key).prop_map(|(c, k)| Step::Change(c, k)),
        Just(Step::Evict),
        Just(Step::Clear),
    ]
}

proptest! {
    /// The table holds what a set of pairs holds, and tells whom it must.
    #[test]
    fn readers_are_told_once(steps in prop::collection::vec(step(), 0..60)) {
        let mut tracking = Tracking::new(Seed::new(7));
        let mut pairs: BTreeSet<(String, u64)> = BTreeSet::new();
        let mut rng = Rng::new(3);
        for step in steps {
            match step {
                Step::Start(client, mode, noloop) => {
                    let mode = [Mode::Default, Mode::OptIn, Mode::OptOut, Mode::Broadcast][mode];
                    tracking.start(client, tracker(mode, noloop));
                }
                Step::Stop(client) => {
                    tracking.stop(client);
                    if tracking.is_empty() {
                        pairs.clear();
                    }
                }
                Step::Caching(client) => {
                    if let Some(tracker) = tracking.get_mut(client) {
                        tracker.caching = !tracker.caching;
                    }
                }
                Step::Read(client, key) => {
                    let reads = tracking.get(client).is_some_and(|t| {
                        matches!((t.mode, t.caching), (Mode::Default, _) | (Mode::OptIn, true) | (Mode::OptOut, false))
                    });
                    tracking.remember(client, [key.as_bytes()].into_iter());
                    if reads {
                        pairs.insert((key, client));
                    }
                }
                Step::Change(author, key) => {
                    let told = tracking.take_readers(key.as_bytes(), author);
                    let expected: Vec<u64> = (1..4)
                        .filter(|reader| pairs.remove(&(key.clone(), *reader)))
                        .filter(|reader| tracking.get(*reader).is_some_and(|t| {
                            t.mode != Mode::Broadcast && !(t.noloop && *reader == author)
                        }))
                        .collect();
                    prop_assert_eq!(told, expected);
                }
                Step::Evict => {
                    let key = tracking.table.random(&mut rng);
                    prop_assert_eq!(key.is_some(), !pairs.is_empty());
                    let Some(key) = key else { continue };
                    tracking.take_readers(&key, 0);
                    let before = pairs.len();
                    pairs.retain(|(other, _)| other.as_bytes() != &*key);
                    prop_assert!(pairs.len() < before);
                }
                Step::Clear => {
                    tracking.table.clear();
                    pairs.clear();
                    tracking.table.free_some(3);
                }
            }
            let keys: BTreeSet<&String> = pairs.iter().map(|(key, _)| key).collect();
            prop_assert_eq!((tracking.table.len(), tracking.table.items()), (keys.len(), pairs.len()));
        }
        while tracking.table.has_garbage() {
            tracking.table.free_some(3);
        }
    }

    /// Collisions are those that two nested loops find first.
    #[test]
    fn collisions_are_found_in_the_order_of_the_request(
        existing in prop::collection::vec("[ab]{0,4}", 0..4),
        provided in prop::collection::vec("[ab]{0,4}", 0..6),
    ) {
        let mut have = BTreeSet::new();
        for prefix in &existing {
            if collision(&have, &[prefix.as_bytes()]).is_none() {
                have.insert(prefix.as_bytes().into());
            }
        }
        let provided: Vec<&[u8]> = provided.iter().map(|prefix| prefix.as_bytes()).collect();
        let overlap = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a == b);
        let mut expected = None;
        'all: for (index, prefix) in provided.iter().enumerate() {
            for other in &have {
                if overlap(prefix, other) {
                    expected = Some(Collision::Existing((*prefix).into(), other.clone()));
                    break 'all;
                }
            }
            for other in &provided[index + 1..] {
                if overlap(prefix, other) {
                    expected = Some(Collision::Provided((*prefix).into(), (*other).into()));
                    break 'all;
                }
            }
        }
        prop_assert_eq!(collision(&have, &provided), expected);
    }

    /// A broadcast has each changed key of a prefix once, in order, with its last author.
    #[test]
    fn broadcasts_have_what_changed(
        prefixes in prop::collection::vec(("[ab]{0,2}", 1..4u64), 0..6),
        changes in prop::collection::vec(("[ab]{0,3}", 0..4u64), 0..20),
        gone in prop::collection::vec(any::<bool>(), 6),
    ) {
        let mut all = Prefixes::default();
        let mut model: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for (prefix, client) in &prefixes {
            all.add(prefix.as_bytes(), *client);
            model.entry(prefix.clone()).or_default().insert(*client);
        }
        for ((prefix, client), _) in prefixes.iter().zip(gone).filter(|(_, gone)| *gone) {
            all.remove(prefix.as_bytes(), *client);
            if let Some(clients) = model.get_mut(prefix) {
                clients.remove(client);
            }
        }
        model.retain(|_, clients| !clients.is_empty());
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (key, author) in &changes {
            all.note(key.as_bytes(), *author);
            last.insert(key, *author);
        }
        prop_assert_eq!(all.len(), model.len());
        let mut news = all.take_news().into_iter();
        for (prefix, clients) in &model {
            let keys: Vec<(&str, u64)> =
                last.iter().filter(|(key, _)| key.starts_with(prefix.as_str())).map(|(k, a)| (*k, *a)).collect();
            if keys.is_empty() {
                continue;
            }
            let told = news.next().expect("something changed");
            prop_assert_eq!(&told.clients, clients);
            prop_assert!(told.keys().eq(keys.iter().map(|(key, _)| key.as_bytes())));
            let others = keys.iter().filter(|(_, author)| *author != 2).map(|(key, _)| key.as_bytes());
            prop_assert!(told.keys_of_others(2).eq(others));
        }
        prop_assert!(news.next().is_none() && !all.has_news());
    }
}

#[test]
fn prefixes_add_up_and_go_together() {
    let mut tracking = Tracking::new(Seed::new(1));
    let with = |prefix: &[u8]| Tracker {
        mode: Mode::Broadcast,
        prefixes: BTreeSet::from([prefix.into()]),
        ..Tracker::default()
    };
    tracking.start(1, with(b"a"));
    tracking.start(1, with(b"b"));
    tracking.start(2, with(b"b"));
    assert_eq!(
        (tracking.prefixes.len(), tracking.get(1).map(|tracker| tracker.prefixes.len())),
        (2, Some(2))
    );
    tracking.stop(1);
    assert_eq!((tracking.prefixes.len(), tracking.len()), (1, 1));
    tracking.stop(2);
    assert_eq!(tracking.prefixes.len(), 0);
}
