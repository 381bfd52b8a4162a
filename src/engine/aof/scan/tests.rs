//! Files cut at every byte, with every bit flipped, and arbitrary bytes.

use super::*;
use crate::engine::aof::frame::{Annotations, Writer};
use proptest::prelude::*;

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend_from_slice(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Everything in a file, read in pieces of `piece` bytes, and how it ends.
fn scan(file: &[u8], piece: usize) -> (Vec<Vec<u8>>, Result<End, Damage>) {
    let mut scanner = Scanner::new(0, file.len() as u64);
    let mut items = Vec::new();
    for bytes in file.chunks(piece) {
        scanner.push(bytes);
        loop {
            let offset = scanner.item_offset() as usize;
            match scanner.next() {
                Err(damage) => return (items, Err(damage)),
                Ok(None) => break,
                Ok(Some(Item::Preamble)) => panic!("no RDB file is here"),
                Ok(Some(Item::Annotation(line))) => items.push(line.to_vec()),
                Ok(Some(Item::Command(args))) => {
                    let words: Vec<&[u8]> = args.iter().collect();
                    items.push(command(&words));
                }
            }
            assert!(offset as u64 <= scanner.item_offset());
        }
    }
    (items, scanner.finish())
}

/// A file of groups of units, and the ends of all units and annotations, of long groups only that of their checksum.
fn corpus() -> (Vec<u8>, Vec<usize>) {
    let all = Annotations { time: true, checksums: true };
    let set = |value: &[u8]| command(&[b"SET", b"key", value]);
    let transaction = [command(&[b"MULTI"]), set(b"\r\n*1\r\n"), set(b"2"), command(&[b"exec"])].concat();
    let groups: [&[Vec<u8>]; 6] = [
        &[set(b"1")],
        &[transaction.clone(), set(b"")],
        &[set(&[b'x'; 700]), command(&[b"DEL", b"key"])],
        &[transaction],
        &[set(&[0; 600])],
        &[set(b"last"), set(b"#CRC:00000000\r\n")],
    ];
    let (mut file, mut ends) = (Vec::new(), vec![0]);
    let mut writer = Writer::new();
    for (at, group) in groups.into_iter().enumerate() {
        let mut written = Vec::new();
        writer.group(group.iter().map(Vec::as_slice), 1_700_000_000 + at as u64 / 2, all, &mut written);
        writer.synced();
        let mut rest = &written[..];
        let mut in_group = false;
        let mut units = group.iter();
        while !rest.is_empty() {
            let length = match rest[0] {
                b'#' => rest.iter().position(|byte| *byte == b'\n').unwrap() + 1,
                _ => units.next().unwrap().len(),
            };
            rest = &rest[length..];
            let item = &written[written.len() - rest.len() - length..written.len() - rest.len()];
            file.extend(item);
            in_group = item == checksum::GROUP || in_group && item[0] != b'#';
            if !in_group {
                ends.push(file.len());
            }
        }
    }
    assert_eq!(file.len() as u64, writer.offset());
    (file, ends)
}

#[test]
fn everything_comes_back_whatever_the_pieces() {
    let (file, _) = corpus();
    for piece in [1, 2, 7, 64, file.len()] {
        let (items, end) = scan(&file, piece);
        assert_eq!(items.concat(), file);
        let end = end.unwrap();
        assert_eq!(end.offset, file.len() as u64);
        assert!(end.checksummed);
        let mut rest = Uncovered::from(end.uncovered.start);
        rest.add(&file[end.uncovered.start as usize..]);
        assert_eq!(end.uncovered, rest);
    }
}

#[test]
fn a_file_cut_anywhere_is_good_up_to_its_last_unit() {
    let (file, ends) = corpus();
    for length in 0..=file.len() {
        let good = *ends.iter().rfind(|end| **end <= length).unwrap();
        for piece in [5, file.len()] {
            match scan(&file[..length], piece).1 {
                Ok(end) => assert_eq!((end.offset, good), (length as u64, length)),
                Err(damage) => {
                    assert!(damage.problem.is_truncation(), "{length}: {damage:?}");
                    assert_eq!(damage.good, good as u64, "{length}: {damage:?}");
                    assert!(damage.offset <= length as u64);
                }
            }
        }
    }
}

#[test]
fn every_bit_that_flips_is_noticed_where_checksums_reach() {
    let (file, _) = corpus();
    let mut in_tail = 0;
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            match scan(&flipped, 1000).1 {
                Ok(end) => {
                    assert!(end.uncovered.start <= at as u64, "bit {bit} at {at}");
                    in_tail += 1;
                }
                Err(damage) => {
                    assert!(damage.offset <= file.len() as u64 && damage.good <= damage.offset);
                    if let Problem::Checksum { from, .. } = damage.problem {
                        assert!((from..damage.offset + 15).contains(&(at as u64)), "bit {bit} at {at}");
                        assert!(damage.good <= from);
                    }
                }
            }
        }
    }
    assert!(in_tail > 0);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let set = command(&[b"SET", b"a", b"b"]);
    let after = |bytes: &[u8]| {
        let damage = scan(&[&set, bytes].concat(), 3).1.unwrap_err();
        assert_eq!(damage.good, set.len() as u64, "{damage:?}");
        (damage.offset - damage.good, damage.problem.to_string())
    };
    let found = |at: u64, text: &str| (at, text.to_owned());
    assert_eq!(after(b"!!!"), found(0, "Expected a command or an annotation, got: '!'"));
    assert_eq!(after(b"*2\r\n:1\r\n"), found(4, "Expected prefix '$', got: ':'"));
    assert_eq!(after(b"*1\r\n$1\r\nPING\r\n"), found(9, "Expected \\r\\n, got: 494e"));
    assert_eq!(after(b"*1\r\n$-1\r\n"), found(5, "Expected a number in the suitable range"));
    assert_eq!(after(b"*1\r\n$9223372036854775808\r\n"), found(5, "Expected a number in the suitable range"));
    assert_eq!(
        after(&[b"*", &[b'0'; 21][..], b"1\r\n"].concat()),
        found(1, "Expected a number in the suitable range")
    );
    assert_eq!(after(b"*0\r\n"), found(1, "Expected a number in the suitable range"));
    assert_eq!(after(b"*1x\r\n"), found(2, "Expected \\r\\n, got: 780d"));
    assert_eq!(after(b"*1\n$4\r\n"), found(2, "Expected \\r\\n, got: 0a24"));
    assert_eq!(after(b"*1\r\n$4\r\nPI"), found(8, "Expected to read 6 bytes, got 2 bytes"));
    assert_eq!(after(b"*1\r\n$4"), found(4, "Reached EOF before the end of a line"));
    assert_eq!(after(b"#TS:1"), found(0, "Reached EOF before the end of a line"));
    assert_eq!(after(&[b'#'; ANNOTATION_MAX]), found(0, "Annotation without end"));
    // The front of `#GRP`, a block that was never written, and the rest of a command.
    assert_eq!(after(b"#GR\0\0\0\r\n*1\r\n$4\r\nEXEC\r\n"), found(0, "Annotation with a control character"));
    assert_eq!(after(&command(&[b"Exec"])), found(0, "Unexpected EXEC"));
    let multi = command(&[b"Multi"]);
    assert_eq!(after(&[&multi[..], &set, &multi].concat()), found(42, "Unexpected MULTI"));
    assert_eq!(after(&[&multi[..], &set].concat()), found(42, "Reached EOF before reading EXEC for MULTI"));
    assert_eq!(after(b"#CRC:0\r\n"), found(0, "Malformed checksum"));
    let mut covered = Uncovered::from(0);
    covered.add(&set);
    let sum = covered.sum(Mark::Written, set.len() as u64);
    let damage = scan(&[&set, &b"#CRC:00000000\r\n"[..]].concat(), 3).1.unwrap_err();
    assert_eq!((damage.offset, damage.good), (set.len() as u64, 0));
    assert_eq!(
        damage.problem.to_string(),
        format!("Checksum mismatch of the bytes from 0: expected 00000000, got {sum:08x}")
    );
}

#[test]
fn an_argument_that_cannot_be_there_is_not_waited_for() {
    let mut scanner = Scanner::new(0, 1 << 40);
    scanner.push(b"*1\r\n$9000000000000\r\n");
    let problem = scanner.next().unwrap_err().problem;
    assert_eq!(problem, Problem::Truncated { expected: Some(9_000_000_000_002), found: (1 << 40) - 20 });
}

#[test]
fn an_rdb_file_is_told() {
    let mut scanner = Scanner::new(0, 100);
    scanner.push(b"REDI");
    assert!(scanner.next().unwrap().is_none());
    scanner.push(b"S0011");
    assert!(matches!(scanner.next().unwrap(), Some(Item::Preamble)));
    // Too short for one.
    assert_eq!(scan(b"REDI", 4).1.unwrap_err().problem, Problem::Start(b'R'));
    // After it, and only there, commands.
    let mut tail = Scanner::new(50, 100);
    tail.push(b"REDIS");
    assert_eq!(tail.next().unwrap_err().offset, 50);
}

#[test]
fn lines_are_counted_as_redis_check_aof_does() {
    let file = [command(&[b"SET", b"foo", b"a\r\nb"]), b"#TS:1\r\n*2\r\n$3\r\nGET\r\n$".to_vec()].concat();
    let mut scanner = Scanner::new(0, file.len() as u64);
    scanner.push(&file);
    while scanner.next().unwrap().is_some() {}
    assert_eq!(scanner.lines(), 7 + 3);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        file in "([*$][0-9]{1,3}\r\n|#[A-Z]{1,3}:|[a-f0-9]{8}|MULTI|EXEC|[\r\n*$#x\0]){0,80}",
        piece in 1..20usize,
    ) {
        let file = file.as_bytes();
        let (items, end) = scan(file, piece);
        prop_assert_eq!((items.clone(), end.clone()), scan(file, file.len().max(1)));
        prop_assert!(items.concat().len() <= file.len());
        match end {
            Ok(end) => prop_assert_eq!(end.offset, file.len() as u64),
            Err(damage) => {
                prop_assert!(damage.good <= damage.offset && damage.offset <= file.len() as u64);
                // What is kept is whole.
                let kept = scan(&file[..damage.good as usize], piece).1;
                prop_assert_eq!(kept.map(|end| end.offset), Ok(damage.good));
            }
        }
    }
}
