//! Whole files, snapshots and append-only ones, of which each bit was flipped once and each byte was the last: an error that
//! says where, an end that is cut off, or the same data; never other data.
//!
//! `SEEDIS_ALL_BITS=1` flips all of them, otherwise a sample.

use crate::world::World;
use seedis::engine::aof::frame::{Annotations, Writer};
use seedis::engine::aof::recovery::{Aftermath, Circumstances, Verdict, judge};
use seedis::engine::aof::scan::{Damage, End, Item, Scanner};
use seedis::engine::protocol::request;
use seedis::engine::rdb::{Decoder, FileWriter, Header, Limits, Options, Slice};

/// Bits between those that are flipped.
fn stride() -> usize {
    if std::env::var_os("SEEDIS_ALL_BITS").is_some() { 1 } else { 149 }
}

/// Commands that make values of all types, each with its key first.
fn commands() -> Vec<(&'static str, String)> {
    let many =
        |count: usize, form: &dyn Fn(usize) -> String| (0..count).map(form).collect::<Vec<_>>().join(" ");
    vec![
        ("text", "SET text 'some text that is a little longer'".into()),
        ("number", "SET number -123456".into()),
        ("expiring", "SET expiring v PXAT 4102444800000".into()),
        ("large", format!("SET large {}", "large".repeat(700))),
        ("list", format!("RPUSH list {}", many(150, &|n| format!("element{}", n * n)))),
        ("ints", format!("SADD ints {}", many(150, &|n| (n * 100_003).to_string()))),
        ("set", format!("SADD set {}", many(60, &|n| format!("member{n}")))),
        ("bigset", format!("SADD bigset {}", many(200, &|n| format!("member{n}")))),
        ("zset", format!("ZADD zset {}", many(60, &|n| format!("{n}.25 m{n}")))),
        ("bigz", format!("ZADD bigz {}", many(200, &|n| format!("{n} m{n}")))),
        ("hash", format!("HSET hash {}", many(100, &|n| format!("f{n} {}", n * 7)))),
        ("bighash", format!("HSET bighash {} f {}", many(20, &|n| format!("f{n} v{n}")), "v".repeat(100))),
        ("timed", "HSETEX timed PXAT 4102444800000 FIELDS 2 a 1 b 2".into()),
        ("stream", "XADD stream 1-1 f v g w".into()),
        ("array", format!("ARSET array 5 {}", many(50, &|n| format!("value{n}")))),
    ]
}

fn world() -> World {
    let mut world = World::new();
    for (_, command) in commands() {
        world.ask(&command);
    }
    for number in 2..60 {
        world.ask(&format!("XADD stream {number}-1 f v{number} g w"));
    }
    world.ask("XGROUP CREATE stream group 0");
    world.ask("XREADGROUP GROUP group alice COUNT 5 STREAMS stream >");
    world
}

/// A file of each value alone, so that a bit costs a value and not all of them.
fn snapshots(world: &World) -> Vec<Vec<u8>> {
    let header = Header { version: "8.0", created: 1, used_memory: 2, is_aof_base: false, more: &[] };
    let file = |key: &str, compress| {
        let mut file = FileWriter::new(Options { compress, ..Options::default() }, true, &header);
        file.database(0, 1, 0);
        file.begin(world.entry(key).duplicate(key.as_bytes()), None);
        while file.is_busy() {
            drop(file.step(1 << 20));
        }
        file.finish()
    };
    commands().iter().flat_map(|(key, _)| [file(key, false), file(key, true)]).collect()
}

fn decode(bytes: &[u8], limits: &Limits) -> Result<usize, seedis::engine::rdb::Error> {
    let mut decoder = Decoder::new(Slice::new(bytes), limits, 0, true);
    let mut items = 0;
    while decoder.next()?.is_some() {
        items += 1;
    }
    Ok(items)
}

#[test]
fn no_bit_of_a_snapshot_is_taken_for_another() {
    let (world, limits) = (world(), Limits::any());
    let mut total = 0;
    for mut file in snapshots(&world) {
        assert!(decode(&file, &limits).expect("it is whole") > 5);
        total += file.len();
        for bit in (0..8 * file.len()).step_by(stride()) {
            file[bit / 8] ^= 1 << (bit % 8);
            let error = decode(&file, &limits).expect_err("a flipped bit");
            assert!(error.offset <= file.len() as u64, "{error}");
            file[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..file.len() {
            let error = decode(&file[..length], &limits).expect_err("a part");
            assert!(error.offset <= length as u64, "{error}");
        }
    }
    assert!(total > 24 << 10, "{total} bytes");
}

/// An append-only file: groups that were durable one after the other.
fn appended(annotations: Annotations, durable: bool) -> Vec<u8> {
    let (mut writer, mut file) = (Writer::new(), Vec::new());
    for (number, (_, command)) in commands().iter().enumerate() {
        let mut group = Vec::new();
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        let inside = number % 3 == 0;
        if inside {
            request::encode(&mut group, [b"MULTI".as_slice()].into_iter());
        }
        request::encode(&mut group, words.into_iter());
        if inside {
            request::encode(&mut group, [b"EXEC".as_slice()].into_iter());
        }
        writer.group([group.as_slice()], number as u64 / 4, annotations, &mut file);
        if durable {
            writer.synced();
        }
    }
    writer.seal(annotations, &mut file);
    file
}

/// The commands of a file, each as a word, and how it ended.
fn scan(file: &[u8]) -> (Vec<Vec<u8>>, Result<End, Damage>) {
    let mut scanner = Scanner::new(0, file.len() as u64);
    let mut commands = Vec::new();
    scanner.push(file);
    loop {
        match scanner.next() {
            Err(damage) => return (commands, Err(damage)),
            Ok(None) => return (commands, scanner.finish()),
            Ok(Some(Item::Preamble)) => panic!("no snapshot is there"),
            Ok(Some(Item::Annotation(_))) => {}
            Ok(Some(Item::Command(args))) => commands.push(args.iter().collect::<Vec<_>>().join(&b' ')),
        }
    }
}

/// What a server that starts on a file would run; `None` if it refuses to.
fn recover(file: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (commands, end) = scan(file);
    let Err(damage) = end else { return Some(commands) };
    assert!(damage.good <= damage.offset && damage.offset <= file.len() as u64);
    let mut aftermath = Aftermath::new(&damage);
    aftermath.push(&file[damage.good as usize..]);
    let circumstances = Circumstances {
        name: b"a.aof",
        length: file.len() as u64,
        last: true,
        own: true,
        durable: false,
        load_truncated: true,
        corrupt_tail_max: 0,
    };
    let (kept, log) = match judge(&damage, &aftermath, &circumstances) {
        Verdict::Cut { length, log } => (Some(length), log),
        Verdict::Refuse { log } => (None, log),
    };
    let place = format!("at offset {}", damage.offset);
    assert!(log.iter().any(|line| line.contains(&place)), "{place:?} is not in {log:?}");
    let (commands, end) = scan(&file[..kept? as usize]);
    end.expect("what is kept is whole");
    Some(commands)
}

#[test]
fn no_bit_of_an_append_only_file_is_taken_for_another() {
    let mut total = 0;
    for (durable, time) in [(true, false), (true, true), (false, true)] {
        let mut file = appended(Annotations { time, checksums: true }, durable);
        let whole = recover(&file).expect("it is whole");
        assert!(whole.len() > commands().len());
        total += file.len();
        let check = |file: &[u8], what: &str, place: usize| {
            if let Some(commands) = recover(file) {
                assert!(whole.starts_with(&commands), "{what} {place} of {durable} {time}: other data");
            }
        };
        for bit in (0..8 * file.len()).step_by(stride()) {
            file[bit / 8] ^= 1 << (bit % 8);
            check(&file, "bit", bit);
            file[bit / 8] ^= 1 << (bit % 8);
        }
        for length in (0..file.len()).step_by(if stride() == 1 { 1 } else { 7 }) {
            check(&file[..length], "length", length);
        }
    }
    assert!(total > 32 << 10, "{total} bytes");
}
