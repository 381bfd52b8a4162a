//! Round trips of every type across the sizes at which forms change, and what broken bytes lead to.

use super::payload::{Refusal, dump, restore};
use super::*;
use crate::engine::hash::Seed;
use crate::engine::keyspace::hash::{FieldExpiry, HashLimits};
use crate::engine::keyspace::list::{Batch, End, Limits as ListLimits};
use crate::engine::keyspace::value::listpack::Element;
use crate::engine::keyspace::{Entry, Form, Hasher, IntBuf, NewValue, Packed, SetLimits, SortedSetLimits};
use proptest::prelude::*;
use std::sync::Arc;

/// Small ones, so that few elements reach them.
fn limits() -> Limits {
    let hasher = Arc::new(Hasher::new(Seed::new(5)));
    Limits {
        list: ListLimits::new(8),
        set: SetLimits { intset_entries: 6, listpack_entries: 8, listpack_value: 16, hasher: hasher.clone() },
        sorted_set: SortedSetLimits { entries: 8, value: 16, hasher: hasher.clone() },
        hash: HashLimits { entries: 8, value: 16, hasher },
    }
}

/// What a key is set to.
#[derive(Clone, Debug)]
enum Model {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(Vec<Vec<u8>>),
    SortedSet(Vec<(Vec<u8>, f64)>),
    Hash(Vec<(Vec<u8>, Vec<u8>, Option<i64>)>),
}

fn empty(key: &[u8], form: Form, expires_at: Option<i64>) -> Entry {
    Entry::new(key, NewValue::Packed(Packed::empty(form)), expires_at, 7)
}

impl Model {
    /// An entry that commands would have made, if it is not empty.
    fn entry(&self, key: &[u8], expires_at: Option<i64>, limits: &Limits) -> Entry {
        match self {
            Model::String(bytes) => Entry::new(key, NewValue::from_bytes(bytes), expires_at, 7),
            Model::List(elements) => {
                let mut entry = empty(key, Form::List, expires_at);
                for element in elements {
                    entry.list_push(End::Right, &Batch::new([&element[..]]), limits.list);
                }
                entry
            }
            Model::Set(members) => {
                let form = match Element::from_bytes(&members[0]) {
                    Element::Int(_) => Form::IntSet,
                    Element::Str(_) => Form::Set,
                };
                let mut entry = empty(key, form, expires_at);
                for member in members {
                    entry.set_add(Element::from_bytes(member), &limits.set);
                }
                entry
            }
            Model::SortedSet(pairs) => {
                let mut entry = empty(key, Form::SortedSet, expires_at);
                for (member, score) in pairs {
                    entry.update_score(member, &limits.sorted_set, |_| Some(*score));
                }
                entry
            }
            Model::Hash(fields) => {
                let mut entry = empty(key, Form::Hash, expires_at);
                for (name, value, expiry) in fields {
                    let expiry = expiry.map_or(FieldExpiry::Never, FieldExpiry::At);
                    entry.put_field(name, value, expiry, &limits.hash);
                }
                entry
            }
        }
    }
}

/// All that can be seen of an entry, where the order means something in that order.
fn seen(entry: &Entry) -> Vec<String> {
    let (mut all, mut digits) = (Vec::new(), IntBuf::new());
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    if let Some(string) = entry.string(&mut digits) {
        all.push(text(string));
    }
    let list = entry.list();
    all.extend(list.elements(0..list.len()).map(|element| text(element.bytes(&mut IntBuf::new()))));
    for (member, score) in entry.sorted_set().into_iter().flat_map(|set| set.iter()) {
        // A listpack has no zero with a sign.
        all.push(format!("{}={:e}", text(member.bytes(&mut digits)), score + 0.0));
    }
    let mut unordered = Vec::new();
    for member in entry.set().into_iter().flat_map(|set| set.iter()) {
        unordered.push(text(member.bytes(&mut digits)));
    }
    if let Some(hash) = entry.hash() {
        hash.for_each(|field| {
            let name = text(field.name.bytes(&mut IntBuf::new()));
            let value = text(field.value.bytes(&mut IntBuf::new()));
            unordered.push(format!("{name}={value} until {:?}", field.expires_at));
        });
    }
    unordered.sort();
    all.extend(unordered);
    all.push(format!(
        "{} {:?} {:?} due {:?}",
        text(entry.key()),
        entry.type_of(),
        entry.expires_at(),
        entry.due()
    ));
    all
}

/// Whether any field of a hash expires.
fn expires(entry: &Entry) -> bool {
    let mut any = false;
    entry.hash().expect("a hash").for_each(|field| any |= field.expires_at.is_some());
    any
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..12),
        4 => (-300i64..300).prop_map(|n| n.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        1 => (12usize..600, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => prop::collection::vec(any::<u8>(), 60..200),
    ]
}

fn short() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..9),
        (0i64..2000).prop_map(|n| n.to_string().into_bytes())
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-10i32..10).prop_map(f64::from),
        any::<f64>().prop_filter("a number", |score| !score.is_nan()),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
    ]
}

fn model() -> impl Strategy<Value = Model> {
    let any_bytes = || prop_oneof![short().boxed(), bytes().boxed()];
    let ints = (-70_000i64..70_000).prop_map(|n| n.to_string().into_bytes());
    let expiry = || prop::option::weighted(0.3, 1i64..1 << 40);
    prop_oneof![
        prop_oneof![bytes().boxed(), prop::collection::vec(0u8..3, 0..5000).boxed()].prop_map(Model::String),
        prop::collection::vec(any_bytes(), 1..20).prop_map(Model::List),
        prop::collection::vec(bytes(), 1..300).prop_map(Model::List),
        prop::collection::vec(ints, 1..14).prop_map(Model::Set),
        prop::collection::vec(any_bytes(), 1..20).prop_map(Model::Set),
        prop::collection::vec(any_bytes(), 1..400).prop_map(Model::Set),
        prop::collection::vec((short(), score()), 1..12).prop_map(Model::SortedSet),
        prop::collection::vec((any_bytes(), score()), 1..300).prop_map(Model::SortedSet),
        prop::collection::vec((short(), short(), expiry()), 1..12).prop_map(Model::Hash),
        prop::collection::vec((any_bytes(), any_bytes(), expiry()), 1..300).prop_map(Model::Hash),
        prop::collection::vec((any_bytes(), any_bytes(), Just(None)), 1..300).prop_map(Model::Hash),
    ]
}

fn encoded(entry: Entry, options: Options, about: usize) -> (u8, Vec<u8>) {
    let (mut value, mut writer) = (ValueEncoder::new(entry), Writer::new(options));
    let kind = value.kind(options);
    while !value.step(&mut writer, about) {}
    (kind, writer.out)
}

fn decoded(kind: u8, value: &[u8], key: &[u8], expires_at: Option<i64>, limits: &Limits) -> Entry {
    let mut reader = Reader::new(Slice::new(value));
    let context = Context { dialect: Dialect::Redis, limits, templates: &Templates::new() };
    let entry = decode(&mut reader, kind, context, key, expires_at, 7);
    assert_eq!(reader.position(), value.len() as u64, "all of it was read");
    entry.expect("what was written can be read").expect("it is not empty")
}

proptest! {
    #[test]
    fn values_come_back(
        model in model(),
        key in short(),
        expires_at in prop::option::of(any::<i64>()),
        compress: bool,
        about in 1usize..500,
    ) {
        let limits = limits();
        let entry = model.entry(&key, expires_at, &limits);
        let options = Options { compress, ..Options::default() };
        let (kind, bytes) = encoded(entry.duplicate(&key), options, about);
        prop_assert_eq!(&(kind, bytes.clone()), &encoded(entry.duplicate(&key), options, usize::MAX));
        let mut back = decoded(kind, &bytes, &key, expires_at, &limits);
        prop_assert_eq!(seen(&back), seen(&entry));
        check(&back);
        // It goes on as if it had never been away.
        if let Model::Hash(fields) = &model {
            for (name, ..) in fields {
                prop_assert!(back.hash().expect("a hash").get(name).is_some());
                back.put_field(name, b"x", FieldExpiry::Never, &limits.hash);
            }
            prop_assert_eq!(back.fields_due(), None);
            check(&back);
        }
        if let Model::SortedSet(pairs) = &model {
            for (member, _) in pairs {
                prop_assert!(back.update_score(member, &limits.sorted_set, |_| Some(1.5)).0.is_some());
            }
            check(&back);
        }
    }

    #[test]
    fn the_form_is_the_one_that_the_limits_ask_for(model in model()) {
        let limits = limits();
        let entry = model.entry(b"", None, &limits);
        let (kind, bytes) = encoded(entry.duplicate(b""), Options::default(), usize::MAX);
        let back = decoded(kind, &bytes, b"", None, &limits);
        // A set may have grown into a form that it would not have got at once, and a list is measured by
        // its bytes while it grows. A hash whose last expiry was taken away is written without room for any.
        if !matches!(model, Model::Set(_) | Model::List(_)) {
            let name = match entry.encoding_name() {
                "listpackex" if !expires(&entry) => "listpack",
                name => name,
            };
            prop_assert_eq!(back.encoding_name(), name);
        }
        let wide = Limits {
            list: ListLimits::new(-5),
            set: SetLimits { intset_entries: 999, listpack_entries: 999, listpack_value: 9999, ..limits.set.clone() },
            sorted_set: SortedSetLimits { entries: 999, value: 9999, ..limits.sorted_set.clone() },
            hash: HashLimits { entries: 999, value: 9999, ..limits.hash.clone() },
        };
        let back = decoded(kind, &bytes, b"", None, &wide);
        prop_assert_eq!(seen(&back), seen(&entry));
        check(&back);
        let small = ["listpack", "listpackex", "intset", "int", "embstr", "raw", "quicklist"];
        prop_assert!(small.contains(&back.encoding_name()), "{}", back.encoding_name());
    }

    #[test]
    fn payloads_come_back_and_no_flip_goes_unseen(model in model(), at: prop::sample::Index, bit in 0..8u32) {
        let limits = limits();
        let entry = model.entry(b"k", None, &limits);
        let mut payload = dump(entry.duplicate(b"k"), true);
        let back = restore(&payload, true, &limits, b"k", None, 7).expect("it is whole");
        prop_assert_eq!(seen(&back), seen(&entry));
        let at = at.index(payload.len());
        payload[at] ^= 1u8 << bit;
        prop_assert_eq!(restore(&payload, true, &limits, b"k", None, 7).expect_err("a bit differs"), Refusal::Footer);
        if let Ok(other) = restore(&payload, false, &limits, b"k", None, 7) {
            check(&other);
            seen(&other);
        }
    }

    #[test]
    fn garbage_is_no_trouble(kind in 0u8..34, bytes in prop::collection::vec(any::<u8>(), 0..60), valkey: bool) {
        let (limits, dialect) = (limits(), if valkey { Dialect::Valkey } else { Dialect::Redis });
        let context = Context { dialect, limits: &limits, templates: &Templates::new() };
        if let Ok(Some(entry)) = decode(&mut Reader::new(Slice::new(&bytes)), kind, context, b"k", None, 7) {
            check(&entry);
            seen(&entry);
        }
    }
}

/// Panics unless an entry is whole, as far as its type can tell.
fn check(entry: &Entry) {
    use crate::engine::keyspace::{Object, ValueRef};
    match entry.value() {
        ValueRef::Object(Object::Hash(hash)) => hash.check(),
        ValueRef::Object(Object::Set(set)) => set.check(),
        ValueRef::Object(Object::SortedSet(set)) => set.check(),
        ValueRef::Object(Object::List(list)) => list.check(),
        _ => {}
    }
}

/// A file with something of everything.
fn file(checksum: bool) -> (Vec<u8>, Vec<Vec<String>>) {
    let limits = limits();
    let header = Header {
        version: "7.4.0",
        created: 1_700_000_000,
        used_memory: 99,
        is_aof_base: true,
        more: &[("x", "y")],
    };
    let mut writer = FileWriter::new(Options::default(), checksum, &header);
    let (mut bytes, mut entries) = (Vec::new(), Vec::new());
    writer.function(b"#!lua name=l\nredis.register_function('f', function() end)");
    let number = |n: usize| n.to_string().into_bytes();
    let models = [
        Model::String(b"value".to_vec()),
        Model::String(vec![b'a'; 3000]),
        Model::List((0..20).map(number).collect()),
        Model::Set((0..5).map(number).collect()),
        Model::Set((0..20).map(|n| format!("member {n}").into_bytes()).collect()),
        Model::SortedSet((0..5).map(|n| (number(n), n as f64 / 2.0)).collect()),
        Model::SortedSet((0..20).map(|n| (number(n), n as f64)).collect()),
        Model::Hash((0..5).map(|n| (number(n), number(n), Some(5000 + n as i64))).collect()),
        Model::Hash((0..20).map(|n| (number(n), vec![n as u8; 20], Some(5000 + n as i64 / 4))).collect()),
    ];
    for (database, part) in models.chunks(4).enumerate() {
        writer.database(database, part.len(), 1);
        for (at, model) in part.iter().enumerate() {
            let access = [None, Some(Access::Idle(100)), Some(Access::Frequency(9))][at % 3];
            let entry = model.entry(format!("key {at}").as_bytes(), (at == 2).then_some(1 << 41), &limits);
            entries.push(seen(&entry));
            writer.begin(entry, access);
            while writer.step(64).is_none() {
                writer.take(|part| bytes.extend_from_slice(part));
            }
        }
    }
    writer.take(|part| bytes.extend_from_slice(part));
    bytes.extend(writer.finish());
    (bytes, entries)
}

/// The items of a file, read to its end.
fn items<S: Source>(source: S) -> Result<Vec<Item>, Error> {
    let limits = limits();
    let mut decoder = Decoder::new(source, &limits, 7, true);
    let mut items = Vec::new();
    while let Some(item) = decoder.next()? {
        items.push(item);
    }
    Ok(items)
}

#[test]
fn a_file_comes_back() {
    let (bytes, entries) = file(true);
    let mut rest = &bytes[..];
    let found = items(Buffered::new(|space: &mut [u8]| {
        let count = space.len().min(rest.len()).min(100);
        space[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        Ok(count)
    }));
    let found = found.expect("it is whole");
    let back: Vec<_> = found
        .iter()
        .filter_map(|item| match item {
            Item::Entry(Loaded { entry, .. }) => Some(seen(entry)),
            _ => None,
        })
        .collect();
    assert_eq!(back, entries);
    let aux = |wanted: &str| {
        found.iter().find_map(|item| match item {
            Item::Aux { name, value } if **name == *wanted.as_bytes() => Some(value.to_vec()),
            _ => None,
        })
    };
    assert_eq!(aux("redis-ver"), Some(b"7.4.0".to_vec()));
    assert_eq!((aux("aof-base"), aux("ctime")), (Some(b"1".to_vec()), Some(b"1700000000".to_vec())));
    assert!(found.iter().any(|item| matches!(item, Item::Function(source) if source.starts_with(b"#!lua"))));
    assert!(matches!(found[6], Item::Function(_)) || matches!(found[7], Item::Function(_)), "{:?}", found[6]);
    let accesses: Vec<_> = found
        .iter()
        .filter_map(|item| if let Item::Entry(loaded) = item { Some(loaded.access) } else { None })
        .collect();
    assert_eq!(accesses[..3], [None, Some(Access::Idle(100)), Some(Access::Frequency(9))]);
    assert_eq!(&bytes[..9], b"REDIS0012");
}

#[test]
fn a_cut_file_is_an_error_wherever_it_is_cut() {
    for checksum in [true, false] {
        let (bytes, _) = file(checksum);
        for len in 0..bytes.len() {
            let error = items(Slice::new(&bytes[..len])).expect_err("something is missing");
            assert_eq!(error.problem, Problem::End, "{error}");
            assert!(error.offset <= len as u64);
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error_wherever_it_is() {
    let (mut bytes, entries) = file(true);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1u8 << bit;
            if let Ok(items) = items(Slice::new(&bytes)) {
                panic!("byte {at} of {}, bit {bit}: {} items of {}", bytes.len(), items.len(), entries.len());
            }
            bytes[at] ^= 1u8 << bit;
        }
    }
    // Without a checksum much goes unseen, but nothing breaks.
    let (mut bytes, _) = file(false);
    for at in 0..bytes.len() {
        bytes[at] ^= 1u8 << (at % 8);
        for item in items(Slice::new(&bytes)).into_iter().flatten() {
            if let Item::Entry(Loaded { entry, .. }) = item {
                check(&entry);
                seen(&entry);
            }
        }
        bytes[at] ^= 1u8 << (at % 8);
    }
}

/// The payload's value of a kind, which is refused or seen.
fn outcome(kind: u8, dialect: Dialect, value: &[u8]) -> Result<Vec<String>, String> {
    let limits = limits();
    let mut templates = Templates::new();
    let mut names = Reader::new(Slice::new(b"\x05\x02\x01a\x01b"));
    let (number, template) = hash::decode_shared_template(&mut names).expect("a template");
    templates.insert(number, template);
    let context = Context { dialect, limits: &limits, templates: &templates };
    let entry = decode(&mut Reader::new(Slice::new(value)), kind, context, b"k", None, 7);
    entry.map_err(|error| error.to_string()).map(|entry| entry.as_ref().map(seen).unwrap_or_default())
}

/// What is seen but for the last line.
fn contents(kind: u8, value: &[u8]) -> Vec<String> {
    let mut seen = outcome(kind, Dialect::Redis, value).expect("it is whole");
    seen.pop();
    seen
}

#[test]
fn encodings_that_redis_no_longer_writes_are_read() {
    let zipmap = b"\x18\x02\x03foo\x03\x00bar\x05hello\x05\x00world\xff";
    assert_eq!(contents(kind::HASH_ZIPMAP, zipmap), ["foo=bar until None", "hello=world until None"]);
    // With free bytes, and more pairs than the count could say.
    let zipmap = b"\x0c\xfe\x01a\x02\x02bc..\xff";
    assert!(outcome(kind::HASH_ZIPMAP, Dialect::Redis, zipmap).is_err(), "a byte is missing");
    let zipmap = b"\x0a\xfe\x01a\x02\x02bc..\xff";
    assert_eq!(contents(kind::HASH_ZIPMAP, zipmap), ["a=bc until None"]);
    let entries: &[u8] = b"\x00\x02ab\x04\xfe\x9c\x03\xc0\x34\x12\x04\xf0\xff\xff\xff\x05\xf4";
    let mut ziplist = vec![0; 10];
    ziplist.extend_from_slice(entries);
    ziplist.push(0xff);
    let len = ziplist.len() as u32;
    ziplist[..4].copy_from_slice(&len.to_le_bytes());
    ziplist[4..8].copy_from_slice(&(10 + entries.len() as u32 - 2).to_le_bytes());
    ziplist[8] = 5;
    let mut value = vec![len as u8];
    value.extend_from_slice(&ziplist);
    let elements = ["ab", "-100", "4660", "-1", "3"];
    assert_eq!(contents(kind::LIST_ZIPLIST, &value), elements);
    let twice = [&[2], &value[..], &value[..]].concat();
    assert_eq!(contents(kind::LIST_QUICKLIST, &twice), [elements, elements].concat());
    assert!(
        outcome(kind::HASH_ZIPLIST, Dialect::Redis, &value)
            .is_err_and(|error| error.contains("without a value"))
    );
    for at in 1..value.len() {
        let mut broken = value.clone();
        broken[at] ^= 0x40;
        // The letters of a string may be any.
        let is_letter = [13, 14, 17, 20, 21, 24, 25, 26].contains(&at);
        assert!(is_letter || outcome(kind::LIST_ZIPLIST, Dialect::Redis, &broken).is_err(), "byte {at}");
    }
    assert_eq!(contents(kind::ZSET, b"\x02\x01a\x033.5\x01b\xff"), ["b=-inf", "a=3.5e0"]);
    assert!(outcome(kind::ZSET, Dialect::Redis, b"\x01\x01a\xfd").is_err(), "NaN");
    assert_eq!(contents(kind::LIST, b"\x02\x01a\xc0\x05"), ["a", "5"]);
}

#[test]
fn a_kind_that_two_servers_use_differently_is_told_apart() {
    let never = (-1i64).to_le_bytes();
    let at = 99i64.to_le_bytes();
    let valkey = [b"\x02\x01a\x01x", &never[..], b"\x01b\x01y", &at[..]].concat();
    let seen = outcome(kind::HASH_EXPIRING_22, Dialect::Valkey, &valkey).expect("it is whole");
    assert_eq!(seen[..2], ["a=x until None", "b=y until Some(99)"]);
    let redis = b"\x02\x00\x01a\x01x\x40\x63\x01b\x01y";
    assert_eq!(contents(kind::HASH_EXPIRING_22, redis), ["a=x until None", "b=y until Some(99)"]);
}

#[test]
fn hashes_with_templates_are_read() {
    let names = b"\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff";
    let values = b"\x0f\x0f\x00\x00\x00\x03\x00\x05\x01\x81x\x02\x81y\x02\xff";
    let expected = ["a=x until None", "b=y until None"];
    assert_eq!(contents(kind::HASH_TEMPLATE_LISTPACK, &[b"\x00", &names[..], values].concat()), expected);
    assert_eq!(contents(kind::HASH_TEMPLATE_LISTPACK_REF, values), expected);
    assert_eq!(contents(kind::HASH_TEMPLATE_ARRAY, b"\x01\x02\x01a\x01b\x01x\x01y"), expected);
    assert_eq!(contents(kind::HASH_TEMPLATE_ARRAY_REF, b"\x05\x01x\x01y"), expected);
    assert!(outcome(kind::HASH_TEMPLATE_ARRAY_REF, Dialect::Redis, b"\x06\x01x\x01y").is_err());
}

#[test]
fn impossible_values_are_refused_with_a_reason() {
    let nan = f64::NAN.to_le_bytes();
    let one = 1f64.to_le_bytes();
    let two = 2f64.to_le_bytes();
    for (kind, value, reason) in [
        (kind::SET, b"\x02\x01a\x01a".to_vec(), "twice"),
        (kind::HASH, b"\x02\x01a\x01x\x01a\x01y".to_vec(), "twice"),
        (kind::ZSET_2, [b"\x02\x01a", &one[..], b"\x01a", &two[..]].concat(), "twice"),
        (kind::ZSET_2, [b"\x01\x01a", &nan[..]].concat(), "no number"),
        (kind::SET_INTSET, b"\x0c\x02\0\0\0\x02\0\0\0\x02\0\x01\0".to_vec(), "broken"),
        (kind::SET_INTSET, b"\x0c\x03\0\0\0\x01\0\0\0\x02\0\x01\0".to_vec(), "broken"),
        (kind::HASH_LISTPACK, b"\x09\x09\0\0\0\x01\0\x01\x01\xff".to_vec(), "without a value"),
        (kind::SET_LISTPACK, b"\x09\x09\0\0\0\x02\0\x01\x01\xff".to_vec(), "broken"),
        (kind::SET_LISTPACK, b"\x09\x08\0\0\0\x01\0\x01\x01\xff".to_vec(), "broken"),
        (kind::STRING, b"\x80\xff\xff\xff\xff".to_vec(), "ends too early"),
        (kind::STRING, b"\x81\x00\x00\x01\x00\x00\x00\x00\x00".to_vec(), "impossible length"),
        (kind::STRING, b"\xc3\x02\x80\x40\x00\x00\x00aa".to_vec(), "compressed"),
        (kind::LIST_QUICKLIST_2, b"\x01\x03\x01a".to_vec(), "unknown form"),
        (kind::SET, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a".to_vec(), "ends too early"),
        (kind::MODULE_2, b"\x81\x8f\x8f\x00\x00\x00\x00\x00\x00".to_vec(), "of a module is not supported"),
        (200, Vec::new(), "kind 200 is not supported"),
    ] {
        let error = outcome(kind, Dialect::Redis, &value).expect_err(reason);
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(outcome(kind::SET, Dialect::Redis, b"\x00"), Ok(Vec::new()), "an empty set is nothing");
}

#[test]
fn versions_are_those_of_redis_and_valkey() {
    let first =
        |bytes: &[u8]| items(Slice::new(bytes)).map(|items| items.len()).map_err(|error| error.to_string());
    let eof = b"\xff\0\0\0\0\0\0\0\0";
    for magic in ["REDIS0001", "REDIS0006", "REDIS0012", "REDIS0015", "VALKEY080"] {
        assert_eq!(first(&[magic.as_bytes(), eof].concat()), Ok(0), "{magic}");
    }
    for magic in ["REDIS0000", "REDIS0016", "REDIS0079", "VALKEY011", "VALKEY081", "REDISABCD", "SIDER0001"] {
        assert!(first(&[magic.as_bytes(), eof].concat()).is_err(), "{magic}");
    }
    // Auxiliary data of modules is skipped, and old expiries are in seconds.
    let file = b"REDIS0009\xf7\x81\x5c\x1d\x0e\x38\xe3\x8e\x38\x01\x02\x02\x05\x03abc\x02\x07\x00\xfe\x03\xfd\x10\0\0\0\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0";
    let found = items(Slice::new(file)).expect("it is whole");
    assert!(
        matches!(&found[..], [Item::ModuleAux(_), Item::Database(3), Item::Entry(loaded)] if loaded.entry.expires_at() == Some(16_000)),
        "{found:?}"
    );
}
