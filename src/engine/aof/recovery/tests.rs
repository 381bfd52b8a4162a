//! Verdicts on files of Redis and on torn and rotten ones of our own.

use super::*;
use crate::engine::aof::frame::{Annotations, Writer};
use crate::engine::aof::scan::Scanner;

const FILE: &[u8] = b"appendonly.aof.1.incr.aof";

fn set(value: &[u8]) -> Vec<u8> {
    let length = value.len();
    [format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${length}\r\n").as_bytes(), value, b"\r\n"].concat()
}

fn damage(file: &[u8]) -> (Damage, bool) {
    find_damage(file).expect("it is damaged")
}

fn find_damage(file: &[u8]) -> Option<(Damage, bool)> {
    let mut scanner = Scanner::new(0, file.len() as u64);
    scanner.push(file);
    loop {
        match scanner.next() {
            Ok(Some(_)) => {}
            Ok(None) => {
                let checksummed = scanner.checksummed();
                return scanner.finish().err().map(|damage| (damage, checksummed));
            }
            Err(damage) => return Some((damage, scanner.checksummed())),
        }
    }
}

/// The verdict on a file, and the first line of the log.
fn judged(file: &[u8], change: impl Fn(&mut Circumstances<'_>)) -> (Option<u64>, String) {
    let (damage, own) = damage(file);
    let mut circumstances = Circumstances {
        name: FILE,
        length: file.len() as u64,
        last: true,
        own,
        durable: false,
        load_truncated: true,
        corrupt_tail_max: 0,
    };
    change(&mut circumstances);
    let verdicts = [100, file.len()].map(|piece| {
        let mut aftermath = Aftermath::new(&damage);
        for bytes in file[damage.good as usize..].chunks(piece) {
            aftermath.push(bytes);
        }
        judge(&damage, &aftermath, &circumstances)
    });
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]));
    match &verdicts[0] {
        Verdict::Cut { length, log } => (Some(*length), log[0].clone()),
        Verdict::Refuse { log } => (None, log[0].clone()),
    }
}

#[test]
fn redis_rules_for_files_of_redis() {
    let good = set(b"hello");
    let length = good.len() as u64;
    let short = [&good[..], &good[..10]].concat();
    let multi = [&good[..], b"*1\r\n$5\r\nMULTI\r\n", &good].concat();
    let bad = [&good[..], b"!!!", &good].concat();
    assert_eq!(
        judged(&short, |_| {}),
        (
            Some(length),
            "!!! Warning: short read while loading the AOF file appendonly.aof.1.incr.aof!!!".into()
        )
    );
    assert_eq!(
        judged(&multi, |_| {}),
        (
            Some(length),
            "Revert incomplete MULTI/EXEC transaction in AOF file appendonly.aof.1.incr.aof".into()
        )
    );
    let (cut, text) = judged(&short, |file| file.load_truncated = false);
    assert!(cut.is_none() && text.starts_with("Unexpected end of file reading the append only file append"));
    assert_eq!(judged(&short, |file| file.last = false), (None, message::NOT_LAST.into()));
    let dropped = length + 3;
    for (corrupt_tail_max, cut) in [(0, None), (dropped, None), (dropped + 1, Some(length))] {
        let (found, text) = judged(&bad, |file| file.corrupt_tail_max = corrupt_tail_max);
        assert_eq!(found, cut);
        let begin = if cut.is_some() {
            message::CORRUPT_TAIL
        } else {
            "Bad file format reading the append only file appendonly.aof.1.incr.aof at offset 31."
        };
        assert!(text.starts_with(begin), "{text}");
    }
    // Beyond Redis: a tail of zeros is what a power failure leaves.
    assert_eq!(judged(&[&good[..], &[0; 100]].concat(), |_| {}).0, Some(length));
    assert_eq!(judged(&[&good[..], &[0; 100], b"x"].concat(), |_| {}).0, None);
}

#[test]
fn proof_is_found_however_the_bytes_come() {
    let damage = Damage { offset: 4, good: 0, good_own: 0, problem: Problem::Number };
    let line = super::super::checksum::Uncovered::from(0).line(Mark::Durable, 0);
    let file = [b"*1\r\n$x\r\n#SYN:12345\r\n", &line[..], b"*1"].concat();
    for length in 0..=file.len() {
        for piece in 1..=40 {
            let mut aftermath = Aftermath::new(&damage);
            file[..length].chunks(piece).for_each(|bytes| aftermath.push(bytes));
            assert_eq!(aftermath.durable, length >= file.len() - 2, "{length} in pieces of {piece}");
            assert_eq!(aftermath.zeros, length <= 4);
        }
    }
}

/// A file of groups with their ends, each durable before the next.
fn own() -> (Vec<u8>, Vec<usize>) {
    let annotations = Annotations { time: false, checksums: true };
    let (mut writer, mut file, mut ends) = (Writer::new(), Vec::new(), vec![0]);
    for length in [2000, 60, 900, 5000, 30, 40, 3000] {
        writer.group([set(&vec![b'v'; length]).as_slice()], 0, annotations, &mut file);
        writer.synced();
        ends.push(file.len());
    }
    (file, ends)
}

#[test]
fn a_group_that_was_torn_is_cut_off_and_nothing_else() {
    let (file, ends) = own();
    // Of each group any of its sectors may be missing when it is the last one.
    for group in ends.windows(2) {
        let (start, end) = (group[0], group[1]);
        for sector in start / 512..end.div_ceil(512) {
            for garbage in [0u8, 0xa5] {
                let mut torn = file[..end].to_vec();
                torn[start.max(sector * 512)..end.min(sector * 512 + 512)].fill(garbage);
                let (cut, text) = judged(&torn, |file| file.own = true);
                let cut = cut.unwrap_or_else(|| panic!("{sector}: {text}")) as usize;
                // What stands before the group's first command is no loss.
                assert!((start..end).contains(&cut) && cut - start <= 15, "{start} {sector}: {cut} {text}");
            }
        }
    }
}

#[test]
fn what_was_durable_is_not_cut_off() {
    let (file, ends) = own();
    for at in (0..ends[4]).step_by(61) {
        let mut rotten = file.clone();
        rotten[at] ^= 4;
        let (cut, text) = judged(&rotten, |_| {});
        assert_eq!(cut, None, "{at}: {text}");
        assert!(text.starts_with("Bad file format"), "{at}: {text}");
        let (cut, _) = judged(&rotten, |circumstances| circumstances.corrupt_tail_max = 1 << 20);
        assert!(cut.is_some());
    }
}

/// Zeros within a value do not show; what came with it does not count either, since its checksum was not compared.
#[test]
fn of_a_long_group_nothing_counts_without_its_checksum() {
    let all = Annotations { time: false, checksums: true };
    let (mut writer, mut file) = (Writer::new(), Vec::new());
    writer.group([set(b"1").as_slice()], 0, all, &mut file);
    writer.synced();
    let (first, second) = (set(&[b'a'; 1500]), set(&[b'b'; 1500]));
    writer.group([first.as_slice(), second.as_slice()], 0, all, &mut file);
    let good = file.windows(4).position(|window| window == b"#GRP").expect("a long group");
    file[512..1024].fill(0);
    let ends =
        [good + 6, good + 6 + first.len(), good + 6 + first.len() + 20, file.len() - 15, file.len() - 1];
    for end in ends {
        let (damage, _) = damage(&file[..end]);
        assert_eq!(damage.good, good as u64, "{damage:?}");
        assert!(damage.problem.is_truncation());
    }
    let (whole, _) = damage(&file);
    assert!(matches!(whole.problem, Problem::Checksum { .. }) && whole.good == good as u64);
}

/// One that has a byte less in its count is a command too, and what follows is none.
#[test]
fn of_a_short_group_that_is_damaged_no_command_counts() {
    let all = Annotations { time: false, checksums: true };
    let (mut writer, mut file) = (Writer::new(), Vec::new());
    let mut ends = vec![0];
    for value in [&b"1"[..], b"22", b"333"] {
        writer.group([set(value).as_slice()], 0, all, &mut file);
        ends.push(file.len());
    }
    for bit in 0..8 * file.len() {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if find_damage(&flipped).is_some() {
            let (cut, text) = judged(&flipped, |file| file.own = true);
            let cut = cut.unwrap_or_else(|| panic!("bit {bit}: {text}"));
            // With its checksum, or before that where the file only seems to end too early.
            let is_end = ends.iter().any(|end| [*end, end.saturating_sub(15)].contains(&(cut as usize)));
            assert!(is_end && cut as usize <= bit / 8, "bit {bit}: {cut} {text}");
        }
    }
    // So is one whose last argument seems to end with a line of another group.
    let mut long = set(&[b'v'; 100]);
    let from = long.windows(5).position(|window| window == b"$100\r").expect("its length") + 1;
    long[from + 1] = b'8';
    let mut torn = file.clone();
    torn.extend(&long);
    torn.extend(b"#CRC:00000000\r\n");
    torn.extend([b'x'; 63]);
    torn.extend(b"\r\nand what is no command");
    assert_eq!(judged(&torn, |file| file.own = true).0, Some(file.len() as u64));
    // What others append has none, and counts command by command.
    file.extend(set(b"other"));
    let whole = file.len() as u64;
    file.extend(b"*3\r\n$3\r\nSE");
    assert_eq!(judged(&file, |file| file.own = true).0, Some(whole));
}
