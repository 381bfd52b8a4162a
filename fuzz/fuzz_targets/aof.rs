//! Append-only files and their manifests: arbitrary bytes are read or refused, and what is kept of a
//! damaged file is whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::aof::manifest::Manifest;
use seedis::engine::aof::recovery::{Aftermath, Circumstances, Verdict, judge};
use seedis::engine::aof::scan::{Damage, End, Item, Scanner};

/// Reads a file in pieces: what was in it, and how it ended.
fn scan(file: &[u8], piece: usize) -> (Vec<u8>, bool, Result<End, Damage>) {
    let mut scanner = Scanner::new(0, file.len() as u64);
    let mut content = Vec::new();
    for bytes in file.chunks(piece) {
        scanner.push(bytes);
        loop {
            match scanner.next() {
                Err(damage) => return (content, scanner.checksummed(), Err(damage)),
                Ok(None) => break,
                Ok(Some(Item::Preamble)) => {
                    let end = Scanner::new(0, 0).finish();
                    return (content, false, end);
                }
                Ok(Some(Item::Annotation(line))) => content.extend_from_slice(line),
                Ok(Some(Item::Command(args))) => args.iter().for_each(|arg| content.extend_from_slice(arg)),
            }
        }
    }
    (content, scanner.checksummed(), scanner.finish())
}

fn file(bytes: &[u8], piece: usize) {
    let whole = scan(bytes, bytes.len().max(1));
    assert_eq!(scan(bytes, piece), whole);
    let (content, own, end) = whole;
    assert!(content.len() <= bytes.len());
    let Err(damage) = end else { return };
    assert!(!damage.problem.to_string().is_empty());
    assert!(damage.good <= damage.offset && damage.offset <= bytes.len() as u64);
    let mut aftermath = Aftermath::new(&damage);
    bytes[damage.good as usize..].chunks(piece).for_each(|bytes| aftermath.push(bytes));
    let circumstances = Circumstances {
        name: b"a.aof",
        length: bytes.len() as u64,
        last: true,
        own,
        durable: false,
        load_truncated: true,
        corrupt_tail_max: u64::MAX,
    };
    let Verdict::Cut { length, log } = judge(&damage, &aftermath, &circumstances) else {
        panic!("every damage may be cut off here: {damage:?}");
    };
    assert!(!log.is_empty());
    let kept = scan(&bytes[..length as usize], piece).2;
    assert!(kept.is_ok(), "{kept:?}");
}

fn manifest(text: &[u8]) {
    let mut manifest = match Manifest::parse(b"a", text) {
        Ok(manifest) => manifest,
        Err(error) => return assert!(error.log().len() >= 2),
    };
    let since = manifest.open_incremental().seq;
    manifest.replace_base(seedis::engine::aof::manifest::Format::Rdb, since);
    let again = Manifest::parse(b"a", &manifest.serialize()).expect("what was written can be read");
    assert!(again.files().eq(manifest.files()) && again.history() == manifest.history());
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece, bytes)) = data.split_first() else { return };
    file(bytes, usize::from(piece).max(1));
    manifest(bytes);
});
