//! Which annotations are written, and where.

use super::*;

const ALL: Annotations = Annotations { time: true, checksums: true };
const CHECKSUMS: Annotations = Annotations { time: false, ..ALL };

fn unit(length: usize) -> Vec<u8> {
    let value = length - b"*1\r\n$000\r\n\r\n".len();
    let mut unit = format!("*1\r\n${value:03}\r\n").into_bytes();
    unit.resize(length - 2, b'x');
    unit.extend(b"\r\n");
    unit
}

/// What is written for groups of these lengths: the lines, with their offsets.
fn lines(lengths: &[usize], annotations: Annotations, fsync_every: usize) -> Vec<(u64, String)> {
    let mut writer = Writer::new();
    let mut lines = Vec::new();
    for (at, length) in lengths.iter().enumerate() {
        let (before, unit, mut out) = (writer.offset(), unit(*length), Vec::new());
        writer.group([unit.as_slice()], 5, annotations, &mut out);
        let start = out.windows(unit.len()).position(|window| window == unit).unwrap();
        let around = [(0, &out[..start]), (start + unit.len(), &out[start + unit.len()..])];
        for (offset, text) in around {
            let mut at = before + offset as u64;
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                lines.push((at, String::from_utf8_lossy(&line[..4]).into_owned()));
                at += line.len() as u64;
            }
        }
        assert_eq!(writer.offset(), before + out.len() as u64);
        if (at + 1) % fsync_every == 0 {
            writer.synced();
        }
    }
    lines
}

fn named(found: &[(u64, String)]) -> Vec<(u64, &str)> {
    found.iter().map(|(offset, name)| (*offset, name.as_str())).collect()
}

#[test]
fn each_group_is_covered_and_proven_every_four_kilobytes() {
    let found = lines(&[500; 20], CHECKSUMS, 1);
    let (proofs, sums): (Vec<_>, Vec<_>) = found.iter().partition(|(_, name)| name == "#SYN");
    assert_eq!(sums.len(), 20);
    assert!(sums.iter().all(|(_, name)| name == "#CRC"));
    let offsets: Vec<u64> = proofs.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [8 * 515, 16 * 515 + 15]);
}

#[test]
fn of_large_groups_nothing_counts_without_the_rest() {
    let found = lines(&[100, 900, 100], CHECKSUMS, 1);
    assert_eq!(named(&found), [(100, "#CRC"), (115, "#GRP"), (1021, "#CRC"), (1136, "#CRC")]);
}

#[test]
fn what_is_not_durable_is_never_proven() {
    assert!(lines(&[500; 20], CHECKSUMS, 100).iter().all(|(_, name)| name == "#CRC"));
    // Nor is it where only a part is.
    let found = lines(&[3000; 4], CHECKSUMS, 3);
    let proofs: Vec<u64> =
        found.iter().filter(|(_, name)| name == "#SYN").map(|(offset, _)| *offset).collect();
    assert_eq!(proofs, [3 * 3021]);
}

#[test]
fn what_was_read_is_proven_as_soon_as_something_follows() {
    let begun = |proven, offset| {
        let end = End { offset, uncovered: Uncovered::from(offset), proven, checksummed: true };
        let mut writer = Writer::resume(&end);
        let mut out = [Vec::new(), Vec::new()];
        for group in &mut out {
            writer.synced();
            writer.group([unit(100).as_slice()], 5, CHECKSUMS, group);
        }
        out.map(|group| group.starts_with(b"#SYN:"))
    };
    assert_eq!(begun(500, 1000), [true, false]);
    assert_eq!(begun(1000, 1000), [false, false], "it says so already");
}

#[test]
fn time_is_noted_once_a_second_and_in_front() {
    let mut writer = Writer::new();
    let mut written = |time, annotations| {
        let mut out = Vec::new();
        writer.group([&b"*1\r\n$4\r\nPING\r\n"[..]], time, annotations, &mut out);
        String::from_utf8(out).unwrap()
    };
    let times = Annotations { checksums: false, ..ALL };
    assert_eq!(written(7, times), "#TS:7\r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!(written(7, times), "*1\r\n$4\r\nPING\r\n");
    assert_eq!(written(6, times), "*1\r\n$4\r\nPING\r\n");
    assert_eq!(written(8, Annotations { time: false, ..times }), "*1\r\n$4\r\nPING\r\n");
    assert_eq!(written(8, times), "#TS:8\r\n*1\r\n$4\r\nPING\r\n");
}

#[test]
fn an_end_that_is_quiet_is_sealed() {
    let mut writer = Writer::new();
    let mut out = Vec::new();
    writer.group([unit(100).as_slice()], 0, CHECKSUMS, &mut out);
    let unsynced = writer;
    writer.seal(CHECKSUMS, &mut out);
    writer.seal(CHECKSUMS, &mut out);
    assert_eq!(out.len(), 100 + LINE);
    assert!(out[100..].starts_with(b"#CRC:"));
    writer.synced();
    writer.seal(CHECKSUMS, &mut out);
    assert!(out[100 + LINE..].starts_with(b"#SYN:") && !writer.is_unproven());
    let mut synced = unsynced;
    synced.synced();
    out.clear();
    synced.seal(CHECKSUMS, &mut out);
    assert!(out.starts_with(b"#SYN:"));
    out.clear();
    synced.synced();
    synced.seal(CHECKSUMS, &mut out);
    assert!(out.is_empty() && !synced.is_unproven());
    synced.seal(Annotations { checksums: false, ..ALL }, &mut out);
    synced.group([], 0, ALL, &mut out);
    assert!(out.is_empty());
}
