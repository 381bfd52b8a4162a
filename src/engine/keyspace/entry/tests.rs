//! Entries against a plain struct, and what they weigh.

use super::*;
use crate::engine::keyspace::value::IntBuf;
use proptest::prelude::*;
use std::cell::Cell;

thread_local! {
    /// Bytes of entries allocated by this thread and not freed: tests run on threads of their own.
    pub(in crate::engine::keyspace) static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
}

fn string(entry: &Entry) -> Vec<u8> {
    entry.string(&mut IntBuf::new()).expect("a string").to_vec()
}

#[test]
fn size_classes_are_jemallocs() {
    let classes = [8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768];
    let mut at = 0;
    for size in 1..=768 {
        if size > classes[at] {
            at += 1;
        }
        assert_eq!(size_class(size), classes[at], "{size}");
    }
    assert_eq!(size_of::<Option<Entry>>(), 8);
}

#[test]
fn the_shapes_that_matter_take_what_they_should() {
    let key = [b'k'; 16];
    for (value, expiry, size) in [
        (NewValue::Str(&[b'v'; 32]), None, 64),
        (NewValue::Str(&[b'v'; 32]), Some(1), 64),
        (NewValue::Int(123_456), None, 32),
        (NewValue::Int(i64::MAX), None, 32),
        (NewValue::Str(&[b'v'; 200]), None, 224),
    ] {
        assert_eq!(Entry::new(&key, value, expiry, 0).memory_usage(), size);
    }
}

#[test]
fn encodings_are_named_as_redis_does() {
    let mut entry = Entry::new(b"k", NewValue::from_bytes(b"123"), None, 0);
    assert_eq!((entry.type_name(), entry.encoding_name()), ("string", "int"));
    entry.append(b"4");
    assert_eq!((entry.encoding_name(), string(&entry)), ("raw", b"1234".to_vec()));
    // The key counts.
    entry.set_value(NewValue::Str(&[b'x'; 40]));
    assert_eq!(entry.encoding_name(), "embstr");
    assert_eq!(entry.duplicate(b"kk").encoding_name(), "raw");
    entry.set_value(NewValue::Str(&[b'x'; 41]));
    assert_eq!(entry.encoding_name(), "raw");
    entry.set_value(NewValue::Str(&[b'x'; 1025]));
    assert_eq!((entry.type_name(), entry.encoding_name()), ("string", "raw"));
    entry.set_value(NewValue::Str(b"short"));
    entry.string_mut(3).expect("a string")[0] = b'S';
    assert_eq!((entry.encoding_name(), string(&entry)), ("raw", b"Short".to_vec()));
    entry.set_expiry(Some(5));
    assert_eq!(entry.with_key(b"other").encoding_name(), "raw");
}

#[test]
fn an_integer_that_stays_one_stays_in_place() {
    let mut entry = Entry::new(&[b'k'; 16], NewValue::Int(0), None, 0);
    let address = entry.address();
    for value in [1, -1, 127, 128, 1 << 40, i64::MAX, i64::MIN] {
        entry.set_integer(value);
        assert_eq!(entry.string_integer(), Some(Some(value)));
        assert_eq!(entry.address(), address);
    }
}

#[test]
fn the_clock_has_24_bits_and_disturbs_nothing() {
    let entry = Entry::new(b"key", NewValue::Str(b"value"), Some(7), 0xff_ffff);
    assert_eq!(entry.clock(), 0xff_ffff);
    entry.set_clock(0x12_3456);
    assert_eq!((entry.clock(), entry.key(), entry.expires_at()), (0x12_3456, &b"key"[..], Some(7)));
    assert!(!entry.is_expired(7) && entry.is_expired(8));
}

/// What an entry should hold.
#[derive(Clone, Debug)]
struct Model {
    key: Vec<u8>,
    value: Vec<u8>,
    expires_at: Option<i64>,
    clock: u32,
}

#[derive(Clone, Debug)]
enum Change {
    Value(Vec<u8>),
    Integer(i64),
    Expiry(Option<i64>),
    Overwrite(Vec<u8>, Option<i64>),
    Append(Vec<u8>),
    Write(usize, u8),
    Rename(Vec<u8>),
    Duplicate,
    Clock(u32),
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![0..60usize, 120..140usize, 1000..1100usize, 16_380..16_390usize];
    (len, any::<u8>()).prop_map(|(len, seed)| (0..len).map(|n| seed.wrapping_add(n as u8)).collect())
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        bytes().prop_map(Change::Value),
        any::<i64>().prop_flat_map(|n| (0..64u32).prop_map(move |shift| Change::Integer(n >> shift))),
        any::<Option<i64>>().prop_map(Change::Expiry),
        (bytes(), any::<Option<i64>>()).prop_map(|(value, expiry)| Change::Overwrite(value, expiry)),
        bytes().prop_map(Change::Append),
        (0..3000usize, any::<u8>()).prop_map(|(at, byte)| Change::Write(at, byte)),
        bytes().prop_map(Change::Rename),
        Just(Change::Duplicate),
        (0..1u32 << 24).prop_map(Change::Clock),
    ]
}

fn apply(entry: &mut Entry, model: &mut Model, change: Change) {
    match change {
        Change::Value(value) => {
            entry.set_value(NewValue::from_bytes(&value));
            model.value = value;
        }
        Change::Integer(integer) => {
            entry.set_integer(integer);
            model.value = integer.to_string().into_bytes();
        }
        Change::Expiry(expires_at) => {
            entry.set_expiry(expires_at);
            model.expires_at = expires_at;
        }
        Change::Overwrite(value, expires_at) => {
            entry.overwrite(NewValue::from_bytes(&value), expires_at);
            (model.value, model.expires_at) = (value, expires_at);
        }
        Change::Append(tail) => {
            model.value.extend_from_slice(&tail);
            assert_eq!(entry.append(&tail), Some(model.value.len()));
        }
        Change::Write(at, byte) => {
            model.value.resize(model.value.len().max(at + 1), 0);
            model.value[at] = byte;
            entry.string_mut(at + 1).expect("a string")[at] = byte;
        }
        Change::Rename(key) => {
            let old = mem::replace(entry, Entry::new(b"", NewValue::Int(0), None, 0));
            *entry = old.with_key(&key);
            model.key = key;
        }
        Change::Duplicate => *entry = entry.duplicate(&model.key),
        Change::Clock(clock) => {
            entry.set_clock(clock);
            model.clock = clock;
        }
    }
}

proptest! {
    #[test]
    fn entries_hold_what_was_put_in(key in bytes(), changes in prop::collection::vec(change(), 0..40)) {
        let before = LIVE_BYTES.get();
        let mut model = Model { key, value: b"0".to_vec(), expires_at: None, clock: 3 };
        let mut entry = Entry::new(&model.key, NewValue::Int(0), None, 3);
        for change in changes {
            apply(&mut entry, &mut model, change);
            prop_assert_eq!(entry.key(), &model.key[..]);
            prop_assert_eq!(string(&entry), &model.value[..]);
            prop_assert_eq!(entry.string_len(), Some(model.value.len()));
            prop_assert_eq!(entry.string_integer(), Some(parse_i64(&model.value)));
            prop_assert_eq!(entry.expires_at(), model.expires_at);
            prop_assert_eq!(entry.clock(), model.clock);
            prop_assert_eq!(LIVE_BYTES.get() - before, entry.size() as isize);
        }
        drop(entry);
        prop_assert_eq!(LIVE_BYTES.get(), before);
    }
}

#[test]
fn a_small_collection_takes_one_allocation() {
    let run = [7; 80];
    let entry = Entry::new(
        b"user:1234",
        NewValue::Packed(Packed { form: Form::Hash, count: 10, run: &run }),
        None,
        0,
    );
    assert_eq!(entry.memory_usage(), 96);
    assert_eq!((entry.type_name(), entry.encoding_name(), entry.is_string()), ("hash", "listpack", false));
}

proptest! {
    #[test]
    fn splices_are_a_vectors(
        splices in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..200usize, any::<u8>()), 1..40),
        key in prop::collection::vec(any::<u8>(), 0..20),
        expires in prop::option::of(any::<i64>()),
    ) {
        let mut entry = Entry::new(&key, NewValue::Packed(Packed::empty(Form::List)), expires, 9);
        let mut model: Vec<u8> = Vec::new();
        for (from, to, len, byte) in splices {
            let (from, to) = (from.index(model.len() + 1), to.index(model.len() + 1));
            let part = from.min(to)..from.max(to);
            let with = vec![byte; len];
            let count = len * 97;
            entry.splice(part.clone(), &with, count);
            model.splice(part, with);
            let packed = Packed { form: Form::List, count, run: &model };
            prop_assert!(matches!(entry.value(), ValueRef::Packed(found) if found == packed));
            prop_assert_eq!((entry.key(), entry.expires_at(), entry.clock()), (&key[..], expires, 9));
            let copy = entry.duplicate(b"copy");
            prop_assert!(matches!(copy.value(), ValueRef::Packed(found) if found == packed));
        }
        entry.set_expiry(Some(5));
        prop_assert!(matches!(entry.value(), ValueRef::Packed(found) if found.run == model));
        entry.set_value(NewValue::Int(1));
        prop_assert!(entry.is_string());
    }
}
