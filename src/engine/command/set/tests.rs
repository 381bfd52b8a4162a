//! Commands of sets, beside a server that hears only what the first propagates and must hold the same.

use crate::engine::command::{Command, Group, generate};
use crate::engine::config::Config;
use crate::engine::effect::Effect;
use crate::engine::keyspace::value::IntBuf;
use crate::engine::keyspace::{Database, Entry};
use crate::engine::loopback::Loopback;
use crate::engine::rng::Rng;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn rows() -> Vec<&'static Command> {
    let wanted = |row: &&Command| row.group == Group::Set || ["DEL", "COPY"].contains(&row.name);
    generate::rows().filter(wanted).collect()
}

/// What the grammar allows, members enough for every form, and draws of several.
fn requests() -> impl Strategy<Value = generate::Request> {
    let rows = rows();
    let words = |words: Vec<String>| words.into_iter().map(String::into_bytes).collect();
    let drawn = (0..rows.len(), any::<u64>())
        .prop_map(move |(row, seed)| generate::valid(rows[row], &mut Rng::new(seed)));
    let add = (0..4u8, any::<bool>(), vec(0..60u8, 1..30)).prop_map(move |(key, text, members)| {
        let member = |n: u8| if text { format!("m{n}") } else { n.to_string() };
        let command = ["SADD".to_owned(), format!("k{key}")];
        words(command.into_iter().chain(members.into_iter().map(member)).collect())
    });
    let pop = (0..4u8, 0..50u8)
        .prop_map(move |(key, count)| words(vec!["SPOP".into(), format!("k{key}"), count.to_string()]));
    prop_oneof![4 => drawn, 3 => add, 1 => pop]
}

/// The members of all sets.
fn contents(database: &Database) -> BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> {
    database.check();
    let members = |entry: &Entry| {
        let set = entry.set().expect("all are sets");
        assert!(!set.is_empty(), "a set without members is no key");
        set.iter().map(|member| member.bytes(&mut IntBuf::new()).to_vec()).collect()
    };
    database.iter().map(|entry| (entry.key().to_vec(), members(entry))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_propagated_makes_the_same_sets(requests in vec(requests(), 1..80), entries in 0..40u64) {
        let config = || Config {
            set_max_intset_entries: entries,
            set_max_listpack_entries: entries,
            ..Config::default()
        };
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
