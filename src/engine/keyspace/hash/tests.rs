//! Hashes in entries against a map.

use super::*;
use crate::engine::hash::Seed;
use crate::engine::keyspace::value::IntBuf;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Vec<u8>, FieldExpiry),
    Remove(u8),
    Expire(u8, Option<i64>),
    /// Removes what is due at this moment.
    Due(i64),
    Copy,
}

fn name(n: u8) -> Vec<u8> {
    match n % 3 {
        0 => n.to_string().into_bytes(),
        1 => format!("field:{n}").into_bytes(),
        _ => vec![n; usize::from(n)],
    }
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        4 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        4 => prop::collection::vec(any::<u8>(), 0..12),
        1 => (50..80usize).prop_map(|len| vec![b'v'; len]),
    ];
    let expiry = prop_oneof![
        4 => Just(FieldExpiry::Never),
        2 => (1..50i64).prop_map(FieldExpiry::At),
        1 => Just(FieldExpiry::Keep),
    ];
    prop_oneof![
        8 => (0..40u8, value, expiry).prop_map(|(n, value, expiry)| Step::Put(n, value, expiry)),
        3 => (0..40u8).prop_map(Step::Remove),
        3 => (0..40u8, prop::option::of(1..50i64)).prop_map(|(n, at)| Step::Expire(n, at)),
        1 => (0..50i64).prop_map(Step::Due),
        1 => Just(Step::Copy),
    ]
}

fn limits(entries: usize, value: usize) -> HashLimits {
    HashLimits { entries, value, hasher: Arc::new(Hasher::new(Seed::new(5))) }
}

fn empty() -> Entry {
    Entry::new(b"key", NewValue::Packed(Packed::empty(Form::Hash)), None, 0)
}

fn contents(entry: &Entry) -> Model {
    let mut model = Model::new();
    let hash = entry.hash().expect("a hash");
    hash.for_each(|field| {
        let (mut name, mut value) = (IntBuf::new(), IntBuf::new());
        let value = field.value.bytes(&mut value).to_vec();
        let old = model.insert(field.name.bytes(&mut name).to_vec(), (value, field.expires_at));
        assert!(old.is_none(), "each name once");
    });
    assert_eq!(model.len(), hash.len());
    model
}

fn check(entry: &Entry, model: &Model) {
    assert_eq!(&contents(entry), model);
    let hash = entry.hash().expect("a hash");
    for (name, (value, expires_at)) in model {
        let field = hash.get(name).expect("there");
        assert_eq!(field.value.bytes(&mut IntBuf::new()), value);
        assert_eq!(field.expires_at, *expires_at);
    }
    let mut at = Model::new();
    for position in 0..hash.len() {
        let field = hash.at(position);
        let value = field.value.bytes(&mut IntBuf::new()).to_vec();
        at.insert(field.name.bytes(&mut IntBuf::new()).to_vec(), (value, field.expires_at));
    }
    assert_eq!(&at, model);
    assert_eq!(entry.fields_due(), model.values().filter_map(|(_, at)| *at).min());
    if let HashRef::Big(hash) = hash {
        hash.check();
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map(
        entries in prop_oneof![0..9usize, Just(30), Just(512)],
        longest in prop_oneof![0..9usize, Just(64)],
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let limits = limits(entries, longest);
        let (mut entry, mut model, mut copies) = (empty(), Model::new(), Vec::new());
        let mut was_big = false;
        for step in steps {
            match step {
                Step::Put(n, value, expiry) => {
                    let (name, keeps) = (name(n), expiry == FieldExpiry::Keep);
                    let old = model.get(&name).and_then(|(_, at)| *at).filter(|_| keeps);
                    let at = if let FieldExpiry::At(at) = expiry { Some(at) } else { old };
                    let new = entry.put_field(&name, &value, expiry, &limits);
                    prop_assert_eq!(new, model.insert(name, (value, at)).is_none());
                }
                Step::Remove(n) => {
                    prop_assert_eq!(entry.remove_field(&name(n)), model.remove(&name(n)).is_some());
                }
                Step::Expire(n, at) => {
                    entry.set_field_expiry(&name(n), at, &limits);
                    model.get_mut(&name(n)).into_iter().for_each(|(_, expiry)| *expiry = at);
                }
                Step::Due(now) => {
                    while let Some(field) = entry.hash().and_then(|hash| hash.first_due(now)) {
                        let name = field.name.bytes(&mut IntBuf::new()).to_vec();
                        prop_assert!(model.remove(&name).is_some_and(|(_, at)| at.is_some_and(|at| at < now)));
                        prop_assert!(entry.remove_field(&name));
                    }
                    prop_assert!(model.values().all(|(_, at)| at.is_none_or(|at| at >= now)));
                }
                Step::Copy => copies.push((entry.duplicate(b"copy"), model.clone())),
            }
            let big = matches!(entry.hash(), Some(HashRef::Big(_)));
            prop_assert!(big || !was_big, "never small again");
            prop_assert!(big || entry.hash().is_some_and(|hash| hash.len() <= entries));
            was_big = big;
        }
        copies.push((entry, model));
        copies.iter().for_each(|(entry, model)| check(entry, model));
    }

    #[test]
    fn a_new_hash_is_what_putting_its_fields_gives(
        fields in prop::collection::vec((0..20u8, prop::collection::vec(any::<u8>(), 0..80)), 0..20),
    ) {
        let limits = limits(16, 64);
        let fields: Vec<_> = fields.into_iter().map(|(n, value)| (name(n), value)).collect();
        let mut put = empty();
        fields.iter().for_each(|(name, value)| {
            put.put_field(name, value, FieldExpiry::Never, &limits);
        });
        match NewHash::small(fields.iter().map(|(name, value)| (&name[..], &value[..])), &limits) {
            Some(new) => {
                let entry = Entry::new(b"key", new.value(), None, 0);
                prop_assert_eq!(contents(&entry), contents(&put));
                prop_assert_eq!(new.count(), contents(&put).len());
            }
            None => prop_assert!(fields.len() > 16 || fields.iter().any(|(_, value)| value.len() > 64)),
        }
    }
}
