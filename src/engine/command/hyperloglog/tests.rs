//! Commands of strings, bitmaps and HyperLogLogs on the same keys, which hold whatever comes of it. Beside the
//! server stands one that hears only what the first propagates, and must hold the same.

use crate::engine::command::{Command, Group, generate};
use crate::engine::config::Config;
use crate::engine::effect::Effect;
use crate::engine::keyspace::Database;
use crate::engine::keyspace::value::IntBuf;
use crate::engine::loopback::Loopback;
use crate::engine::rng::Rng;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn rows() -> Vec<&'static Command> {
    let wanted = |row: &&Command| match row.group {
        Group::Bitmap => true,
        // The self-test takes long and looks at no key.
        Group::HyperLogLog => row.name != "PFSELFTEST",
        _ => ["GETRANGE", "APPEND", "SETRANGE", "DEL", "COPY"].contains(&row.name),
    };
    generate::rows().filter(wanted).collect()
}

/// A string that begins like a HyperLogLog.
fn sketches() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        Just(vec![0x7f, 0xff]),
        vec(any::<u8>(), 0..40),
        vec(0x80..=0xffu8, 0..3000),
        vec(any::<u8>(), 12_288),
    ];
    (0..3u8, any::<[u8; 8]>(), body)
        .prop_map(|(encoding, estimate, body)| [b"HYLL", &[encoding, 0, 0, 0][..], &estimate, &body].concat())
}

fn requests() -> impl Strategy<Value = generate::Request> {
    let rows = rows();
    let drawn = (0..rows.len(), any::<u64>())
        .prop_map(move |(row, seed)| generate::valid(rows[row], &mut Rng::new(seed)));
    let set =
        (0..4u8, sketches()).prop_map(|(key, value)| vec![b"SET".to_vec(), format!("k{key}").into(), value]);
    // Most often a key that holds a sketch, and elements that change it.
    let add = (0..4u8, vec(any::<[u8; 3]>(), 0..200)).prop_map(|(key, elements)| {
        let elements = elements.iter().map(|element| element.to_vec());
        [b"PFADD".to_vec(), format!("k{key}").into()].into_iter().chain(elements).collect()
    });
    prop_oneof![4 => drawn, 1 => set, 1 => add]
}

fn contents(database: &Database) -> BTreeMap<Vec<u8>, Vec<u8>> {
    database.check();
    let string = |entry: &crate::engine::keyspace::Entry| {
        entry.string(&mut IntBuf::new()).expect("all are strings").to_vec()
    };
    database.iter().map(|entry| (entry.key().to_vec(), string(entry))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn strings_survive_what_is_made_of_them(requests in vec(requests(), 1..60), sparse_max in 0..400u64) {
        let config = || Config { hll_sparse_max_bytes: sparse_max, ..Config::default() };
        let mut primary = Loopback::new(config(), 1).expect("the defaults are fine");
        let mut replica = Loopback::new(config(), 2).expect("the defaults are fine");
        primary.server.propagation.record();
        for server in [&mut primary, &mut replica] {
            server.connect();
        }
        for request in &requests {
            primary.send(0, &generate::encode(request));
            let heard = primary.take_heard(0);
            prop_assert!(b"+-:$*".contains(&heard[0]));
            for effect in primary.take_effects() {
                let Effect::Propagate { argv, .. } = effect else { continue };
                let words: Vec<_> = argv.args().iter().map(<[u8]>::to_vec).collect();
                replica.send(0, &generate::encode(&words));
                prop_assert!(!replica.take_heard(0).starts_with(b"-"));
            }
            let (ours, theirs) = (&primary.server.databases[0], &replica.server.databases[0]);
            prop_assert_eq!(contents(ours), contents(theirs));
        }
    }
}
