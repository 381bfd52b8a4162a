//! Loading files that are damaged, or that a medium reads otherwise the second time.

use super::*;
use crate::engine::config::Config;
use crate::engine::loopback::Loopback;
use crate::engine::protocol::request;
use crate::runtime::testing::{Directory as Fresh, run};
use std::future::poll_fn;
use std::pin::pin;

const BASE: &[u8] = b"a.1.base.aof";
const RDB_BASE: &[u8] = b"a.1.base.rdb";
const INCREMENTAL: &[u8] = b"a.1.incr.aof";

fn setup(mends: bool) -> Setup {
    let world = Loopback::new(Config::default(), 1).expect("the defaults are fine");
    Setup {
        limits: world.server.rdb_limits(),
        clock: 0,
        checksum: true,
        covers: true,
        load_truncated: true,
        corrupt_tail_max: 0,
        mends,
        rdb_base: false,
    }
}

fn set(key: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    request::encode(&mut out, [b"SET", key.as_bytes(), value].into_iter());
    out
}

/// Commands as this server appends them.
fn own(groups: &[Vec<u8>]) -> Vec<u8> {
    let (mut writer, mut out) = (Writer::new(), Vec::new());
    for group in groups {
        let annotations = Annotations { time: false, checksums: true };
        writer.group([group.as_slice()], 0, annotations, &mut out);
    }
    out
}

/// A directory with a base and an incremental file.
fn directory(fresh: &Fresh, base: (&[u8], &[u8]), incremental: &[u8]) -> Directory {
    let directory = Directory { path: fresh.to_path_buf(), prefix: b"a".to_vec(), keep_history: false };
    let name = String::from_utf8_lossy(base.0);
    let manifest = format!("file {name} seq 1 type b\nfile a.1.incr.aof seq 1 type i\n");
    for (name, bytes) in [base, (INCREMENTAL, incremental), (b"a.manifest", manifest.as_bytes())] {
        fs::write(&directory.file(name), bytes).expect("a file");
    }
    directory
}

/// Loads, and gives each part that comes to `take`.
async fn load(
    directory: &Directory,
    mends: bool,
    mut take: impl FnMut(Loaded),
) -> Result<Option<Opened>, String> {
    let (out, mut inbox) = mpsc::channel(QUEUE);
    let mut loading = pin!(aof(directory.clone(), setup(mends), out));
    poll_fn(|context| {
        loop {
            let outcome = loading.as_mut().poll(context);
            let mut taken = false;
            while let Ok(loaded) = inbox.try_recv() {
                take(loaded);
                taken = true;
            }
            // There is room in the queue again.
            if outcome.is_ready() || !taken {
                return outcome;
            }
        }
    })
    .await
}

#[test]
fn bytes_that_are_others_when_they_are_read_again_are_not_run() {
    run(async {
        let fresh = Fresh::fresh();
        // More than waits for the keyspace, so that the rest is read after something was taken.
        let groups: Vec<Vec<u8>> = (0..24).map(|key| set(&key.to_string(), &[b'v'; BLOCK])).collect();
        let directory = directory(&fresh, (BASE, own_line().as_bytes()), &own(&groups));
        let (place, mut seen) = (directory.file(INCREMENTAL), 0);
        let end = (23 * BLOCK) as u64;
        let mut bytes = fs::read(&place).expect("the file");
        bytes[end as usize + 5] ^= 1;
        let outcome = load(&directory, false, |loaded| {
            if let Loaded::Commands { bytes: run, offset, .. } = loaded {
                if seen == 0 {
                    fs::write(&place, &bytes).expect("a file");
                }
                assert!(offset < end, "{} bytes at {offset}", run.len());
                seen += 1;
            }
        });
        let why = outcome.await.err().expect("it is refused");
        assert!(seen > QUEUE && why.contains(&format!("at offset {end} are others")), "{why}");
    });
}

/// Of many readings some are of what is elsewhere in the file.
#[cfg(madsim)]
#[test]
fn nothing_is_cut_off_for_one_reading_that_is_misdirected() {
    use crate::runtime::simulation::DiskFaults;
    use crate::runtime::testing::set_disk_faults;

    run(async {
        let fresh = Fresh::fresh();
        let groups: Vec<Vec<u8>> = (0..100).map(|key| set(&key.to_string(), &[b'v'; 600])).collect();
        let whole = own(&groups);
        let directory = directory(&fresh, (BASE, own_line().as_bytes()), &whole);
        let (mut loaded, mut refused) = (0, 0);
        for _ in 0..100 {
            set_disk_faults(DiskFaults { misdirected_reads: 300_000, ..DiskFaults::default() });
            match load(&directory, true, |_| {}).await {
                Ok(_) => loaded += 1,
                Err(why) => {
                    assert!(why.contains("are others than a moment ago"), "{why}");
                    refused += 1;
                }
            }
            set_disk_faults(DiskFaults::default());
            assert!(fs::read(&directory.file(INCREMENTAL)).expect("the file") == whole);
        }
        assert!(loaded > 0 && refused > 0, "{loaded} {refused}");
    });
}

#[test]
fn an_empty_base_is_refused_where_nobody_can_have_written_it() {
    run(async {
        let (own, foreign) = (own(&[set("k", b"v")]), set("k", b"v"));
        for (base, incremental, is_lost) in [
            (RDB_BASE, &b""[..], true),
            (RDB_BASE, &foreign, true),
            (BASE, b"", false),
            (BASE, &foreign, false),
            (b"a", &foreign, false),
            (BASE, &own, true),
        ] {
            let fresh = Fresh::fresh();
            let directory = directory(&fresh, (base, b""), incremental);
            let outcome = load(&directory, true, |_| {}).await;
            assert_eq!(outcome.is_err(), is_lost, "{base:?} {:?}", outcome.err());
            if let Err(why) = &outcome {
                assert!(why.contains("damaged at offset 0: it is empty"), "{why}");
                continue;
            }
            // From now on it says itself that there were no keys, so that what this server appends does not speak against it.
            assert_eq!(fs::read(&directory.file(base)).expect("the base"), EMPTY_BASE);
            drop(outcome);
            fs::write(&directory.file(INCREMENTAL), &own).expect("a file");
            assert!(load(&directory, true, |_| {}).await.is_ok());
        }
    });
}

#[test]
fn a_base_whose_first_bytes_are_others_is_refused_with_its_place() {
    run(async {
        let fresh = Fresh::fresh();
        let mut base = empty_rdb();
        base[2] ^= 1;
        let directory = directory(&fresh, (RDB_BASE, &base), b"");
        let why = load(&directory, true, |_| {}).await.err().expect("it is refused");
        let rest = base.len() - 9;
        assert!(
            why.contains("a.1.base.rdb is damaged at offset 0: it does not begin as an RDB file"),
            "{why}"
        );
        assert!(why.contains(&format!("The {rest} bytes that follow may be whole")), "{why}");
        // By its name it may be commands, whatever it is.
        fs::write(&directory.file(RDB_BASE), &set("k", b"v")).expect("a file");
        assert!(load(&directory, true, |_| {}).await.is_ok());
    });
}

#[test]
fn a_damaged_snapshot_is_refused_with_what_can_be_read() {
    run(async {
        let fresh = Fresh::fresh();
        let base = empty_rdb();
        let directory = directory(&fresh, (RDB_BASE, &base[..base.len() - 4]), b"");
        let why = load(&directory, true, |_| {}).await.err().expect("it is refused");
        assert!(why.contains("Everything before offset ") && why.contains("at byte "), "{why}");
    });
}

/// It was on the medium before the manifest named it: nothing of it was torn.
#[test]
fn of_a_base_of_this_server_nothing_is_cut_off() {
    run(async {
        for (front, cut) in [(own_line(), false), (String::new(), true)] {
            let fresh = Fresh::fresh();
            let base = [front.as_bytes(), &set("k", b"v"), &set("k", b"v")[..20]].concat();
            let directory = directory(&fresh, (BASE, &base), b"");
            fs::write(&directory.file(b"a.manifest"), b"file a.1.base.aof seq 1 type b\n").expect("a file");
            let outcome = load(&directory, true, |_| {}).await;
            assert_eq!(outcome.is_ok(), cut, "{:?}", outcome.err());
            let left = fs::read(&directory.file(BASE)).expect("the base").len();
            assert_eq!(left < base.len(), cut);
        }
    });
}

/// Power failed in the middle of a group, and left its commands without their checksum. Then clients were shown them.
#[test]
fn commands_that_were_loaded_without_their_checksum_stay_though_what_follows_is_torn() {
    run(async {
        let fresh = Fresh::fresh();
        let first = own(&[set("k", b"v")]);
        let directory = directory(&fresh, (BASE, &first), &[&first[..], &set("k", b"w")].concat());
        assert!(load(&directory, true, |_| {}).await.is_ok());
        let mut torn = fs::read(&directory.file(INCREMENTAL)).expect("the file");
        torn.push(0xaf);
        fs::write(&directory.file(INCREMENTAL), &torn).expect("a file");
        let mut commands = Vec::new();
        let take = |loaded| {
            if let Loaded::Commands { bytes, .. } = loaded {
                commands.extend(bytes);
            }
        };
        assert!(load(&directory, true, take).await.is_ok());
        assert!(memchr::memmem::find(&commands, &set("k", b"w")).is_some());
    });
}
