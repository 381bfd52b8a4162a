//! Which annotations are written, and where.

use super::*;

const ALL: Annotations = Annotations { time: true, checksums: true, group_commit: true };
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
fn small_groups_are_covered_once_durable() {
    let found = lines(&[500; 20], CHECKSUMS, 1);
    // The eighth group would reach 4,096 bytes: what is durable before it is covered alone.
    assert_eq!(named(&found), [(4000, "#SYN"), (8015, "#SYN")]);
    let overhead = (LINE * found.len()) as f64 / (500.0 * 20.0);
    assert!(overhead < 0.004);
}

#[test]
fn large_groups_are_covered_with_what_is_in_them() {
    let found = lines(&[100, 900, 100, 900], CHECKSUMS, 1);
    let [first, second] =
        [[(100, "#SYN"), (115, "#GRP"), (1021, "#CRC")], [(1136, "#SYN"), (1151, "#GRP"), (2057, "#CRC")]];
    assert_eq!(named(&found), [first, second].concat());
    // Durable or not is known every four kilobytes.
    let found = lines(&[900; 6], CHECKSUMS, 1);
    let proofs: Vec<_> = found.iter().filter(|(_, name)| name == "#SYN").map(|(offset, _)| *offset).collect();
    assert_eq!(proofs, [5 * 921]);
}

#[test]
fn what_is_durable_is_never_covered_with_what_is_not() {
    let late = Annotations { group_commit: false, ..CHECKSUMS };
    let found = lines(&[100, 100, 100, 900], late, 2);
    assert_eq!(named(&found), [(200, "#SYN"), (215 + 100, "#GRP"), (321 + 900, "#CRC")]);
    // Never durable: only when due.
    assert_eq!(named(&lines(&[500; 10], late, 100)), [(4500, "#CRC")]);
}

#[test]
fn time_is_noted_once_a_second_and_in_front() {
    let mut writer = Writer::new();
    let mut written = |time, annotations| {
        let mut out = Vec::new();
        writer.group([&b"*1\r\n$4\r\nPING\r\n"[..]], time, annotations, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written(7, ALL), "#TS:7\r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!(written(7, ALL), "*1\r\n$4\r\nPING\r\n");
    assert_eq!(written(6, ALL), "*1\r\n$4\r\nPING\r\n");
    assert_eq!(written(8, CHECKSUMS), "*1\r\n$4\r\nPING\r\n");
    assert_eq!(written(8, ALL), "#TS:8\r\n*1\r\n$4\r\nPING\r\n");
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
