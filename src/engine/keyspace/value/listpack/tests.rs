//! Runs against plain vectors, and the encoding against known bytes.

use super::*;
use proptest::prelude::*;

fn run_of(elements: &[Vec<u8>]) -> Vec<u8> {
    elements.iter().flat_map(|element| encoded(element).into_vec()).collect()
}

fn bytes(element: Element) -> Vec<u8> {
    element.bytes(&mut IntBuf::new()).to_vec()
}

#[test]
fn elements_are_encoded_as_redis_does() {
    // Read off DUMPs of a Redis 7 server.
    for (element, expected) in [
        (&b"0"[..], &b"\x00\x01"[..]),
        (b"127", b"\x7f\x01"),
        (b"128", b"\xc0\x80\x02"),
        (b"-1", b"\xdf\xff\x02"),
        (b"4095", b"\xcf\xff\x02"),
        (b"-4096", b"\xd0\x00\x02"),
        (b"4096", b"\xf1\x00\x10\x03"),
        (b"-32768", b"\xf1\x00\x80\x03"),
        (b"32768", b"\xf2\x00\x80\x00\x04"),
        (b"8388608", b"\xf3\x00\x00\x80\x00\x05"),
        (b"2147483648", b"\xf4\x00\x00\x00\x80\x00\x00\x00\x00\x09"),
        (b"", b"\x80\x01"),
        (b"abc", b"\x83abc\x04"),
        (b"007", b"\x83007\x04"),
    ] {
        assert_eq!(&encoded(element)[..], expected, "{}", element.escape_ascii());
    }
    let long = encoded(&[b'x'; 300]);
    assert_eq!((&long[..2], &long[302..]), (&b"\xe1\x2c"[..], &b"\x02\xae"[..]));
    let longer = encoded(&[b'x'; 20_000]);
    assert_eq!((&longer[..5], &longer[20_005..]), (&b"\xf0\x20\x4e\x00\x00"[..], &b"\x01\x9c\xa5"[..]));
}

#[test]
fn broken_runs_are_refused_where_they_break() {
    let good = run_of(&[b"a".to_vec(), b"12".to_vec()]);
    assert_eq!(check(&good), Soundness::Sound(2));
    assert_eq!(check(&good[..good.len() - 1]), Soundness::Broken(3));
    for broken in [&b"\xff"[..], b"\xf5\x00", b"\xf0\xff\xff\xff\xff", b"\xe1", b"\x01\x02"] {
        assert_eq!(check(broken), Soundness::Broken(0), "{}", broken.escape_ascii());
    }
}

#[test]
fn what_could_be_shorter_is_made_so() {
    for (wordy, short) in [
        (&b"\x8212\x03"[..], &b"\x0c\x01"[..]),
        (b"\xc0\x01\x02", b"\x01\x01"),
        (b"\xf1\x80\x00\x03", b"\xc0\x80\x02"),
        (b"\xe0\x01a\x03", b"\x81a\x02"),
        (b"\xf0\x01\x00\x00\x00a\x06", b"\x81a\x02"),
    ] {
        assert_eq!(check(wordy), Soundness::Wordy(1), "{}", wordy.escape_ascii());
        assert_eq!(shortened(wordy), short);
    }
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-5000..5000i64).prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..70),
        (60..5000usize).prop_map(|len| vec![b'y'; len]),
        (16_000..17_000usize).prop_map(|len| vec![b'z'; len]),
    ]
}

proptest! {
    #[test]
    fn a_run_is_a_sequence(elements in prop::collection::vec(element(), 0..20), index in 0..20usize) {
        let run = run_of(&elements);
        prop_assert_eq!(check(&run), Soundness::Sound(elements.len()));
        prop_assert_eq!(&shortened(&run), &run);
        prop_assert_eq!(Elements::new(&run).map(bytes).collect::<Vec<_>>(), elements.clone());
        let backwards: Vec<_> = Elements::new(&run).rev().map(bytes).collect();
        prop_assert_eq!(backwards, elements.iter().rev().cloned().collect::<Vec<_>>());
        prop_assert!(Elements::new(&run).all(|e| Element::from_bytes(&bytes(e)) == e && e.len() == bytes(e).len()));
        if let Some(wanted) = elements.get(index) {
            let at = locate(&run, elements.len(), index);
            prop_assert_eq!(&bytes(element_at(&run, at).0), wanted);
            prop_assert_eq!(at, skip(&run, 0, index));
            let first = elements.iter().position(|e| e == wanted).expect("it is there");
            prop_assert_eq!(find(&run, &encoded(wanted), 1), Some(skip(&run, 0, first)));
        }
        prop_assert_eq!(locate(&run, elements.len(), elements.len()), run.len());
    }

    #[test]
    fn no_bytes_make_it_panic(run in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Soundness::Sound(count) | Soundness::Wordy(count) = check(&run) {
            prop_assert_eq!(Elements::new(&run).count(), count);
            let short = shortened(&run);
            prop_assert_eq!(check(&short), Soundness::Sound(count));
            let spelled = |run: &[u8]| Elements::new(run).map(bytes).collect::<Vec<_>>();
            prop_assert_eq!(spelled(&run), spelled(&short));
        }
    }
}
