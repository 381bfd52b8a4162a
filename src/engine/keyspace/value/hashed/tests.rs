//! Hashed collections against a map.

use super::*;
use crate::engine::keyspace::value::listpack::{self, Buffer, encoded};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

impl Hasher {
    /// One whose hashes have but so many bits.
    pub fn weak(seed: u64, bits: u32) -> Arc<Self> {
        let ignored = u64::MAX.checked_shr(bits).unwrap_or(0);
        Arc::new(Hasher { seed: Seed::new(seed), ignored })
    }
}

fn member(n: u16) -> Buffer {
    // Some spell integers, and some are longer than a record inside the leaf may be.
    match n % 4 {
        0 => encoded(n.to_string().as_bytes()),
        1 if n % 32 == 1 => encoded(&vec![b'm'; 600 + usize::from(n)]),
        _ => encoded(format!("member:{n}").as_bytes()),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u16, Vec<u8>),
    Remove(u16),
    RemoveAt(usize),
    Snapshot,
    Scan(usize),
}

fn step(members: u16) -> impl Strategy<Value = Step> {
    let payload = prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (400..700usize).prop_map(|len| vec![7; len])];
    prop_oneof![
        12 => (0..members, payload).prop_map(|(n, payload)| Step::Put(n, payload)),
        5 => (0..members).prop_map(Step::Remove),
        2 => any::<usize>().prop_map(Step::RemoveAt),
        1 => Just(Step::Snapshot),
        1 => (0..20usize).prop_map(Step::Scan),
    ]
}

fn agree(hashed: &Hashed, model: &BTreeMap<Buffer, Vec<u8>>) {
    hashed.check();
    assert_eq!(hashed.len(), model.len());
    for (member, payload) in model {
        assert_eq!(hashed.get(member).expect("there"), [&member[..], payload].concat());
        let alike: Vec<&[u8]> = hashed.with_hash(hashed.hash(member)).collect();
        assert!(alike.iter().any(|record| record.starts_with(member)));
    }
}

proptest! {
    /// With few bits of hash many members collide, even across leaves.
    #[test]
    fn agrees_with_a_map(
        seed in any::<u64>(),
        bits in prop_oneof![Just(0u32), 1..8u32, Just(64)],
        steps in prop::collection::vec(step(400), 0..300),
    ) {
        let mut hashed = Hashed::new(Hasher::weak(seed, bits));
        let mut model = BTreeMap::new();
        let mut snapshots = Vec::new();
        for step in steps {
            match step {
                Step::Put(n, payload) => {
                    let (head, tail) = payload.split_at(payload.len() / 2);
                    let new = hashed.put(&member(n), [head, tail]);
                    prop_assert_eq!(new, model.insert(member(n), payload).is_none());
                }
                Step::Remove(n) => {
                    prop_assert_eq!(hashed.remove(&member(n)), model.remove(&member(n)).is_some());
                    prop_assert!(hashed.get(&member(n)).is_none());
                }
                Step::RemoveAt(at) if !model.is_empty() => {
                    let at = at % model.len();
                    let record = hashed.at(at).to_vec();
                    prop_assert_eq!(Some(&record[..]), hashed.iter().nth(at));
                    hashed.remove_at(at);
                    prop_assert!(model.remove(&record[..listpack::next(&record, 0)]).is_some());
                }
                Step::RemoveAt(_) => {}
                Step::Snapshot => snapshots.push((hashed.clone(), model.clone())),
                Step::Scan(count) => {
                    let (mut seen, mut cursor) = (BTreeSet::new(), 0);
                    loop {
                        let mut shown = 0;
                        cursor = hashed.scan(cursor, count, &mut |record| {
                            shown += 1;
                            assert!(seen.insert(record.to_vec()), "shown once");
                        });
                        prop_assert!(shown > 0 || model.is_empty());
                        prop_assert!(bits < 64 || shown <= count.max(1));
                        if cursor == 0 {
                            break;
                        }
                    }
                    prop_assert_eq!(seen.len(), model.len());
                }
            }
        }
        snapshots.push((hashed, model));
        snapshots.iter().for_each(|(hashed, model)| agree(hashed, model));
    }
}

/// Members that stay are shown exactly once by a scan, whatever else comes and goes.
#[test]
fn scans_survive_changes() {
    let mut hashed = Hashed::new(Hasher::weak(3, 64));
    for n in 0..1000 {
        hashed.put(&member(n), [b"", b""]);
    }
    let (mut seen, mut cursor, mut other) = (BTreeMap::<Vec<u8>, u32>::new(), 0, 1000);
    loop {
        cursor = hashed.scan(cursor, 10, &mut |record| *seen.entry(record.to_vec()).or_default() += 1);
        if cursor == 0 {
            break;
        }
        for n in other..other + 30 {
            hashed.put(&member(n), [b"", b""]);
            if hashed.remove(&member(n - 15)) {
                hashed.put(&member(900 + n % 100), [b"", b""]);
            }
        }
        other += 30;
    }
    hashed.check();
    assert!((0..900).all(|n| seen.get(&member(n)[..]) == Some(&1)));
}

#[test]
fn small_records_cost_little_more_than_their_bytes() {
    let mut hashed = Hashed::new(Arc::new(Hasher::new(Seed::new(1))));
    for n in 0..20_000 {
        hashed.put(&encoded(format!("field:{n:08}").as_bytes()), [&encoded(&[b'v'; 16]), b""]);
    }
    let each = hashed.memory_usage() / hashed.len();
    assert!(each <= 50, "{each} bytes for each record of 34");
}
