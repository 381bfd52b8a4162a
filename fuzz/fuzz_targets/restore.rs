//! RESTORE: whatever value it lets in, every command of the type runs on it, and the databases stay whole.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::command::generate::{encode, rows, valid};
use seedis::engine::command::{Command, Group};
use seedis::engine::config::Config;
use seedis::engine::loopback::Loopback;
use seedis::engine::rng::Rng;
use seedis::engine::server::Environment;
use seedis::engine::text::crc64::crc64;
use seedis_fuzz::DECLARED;
use std::sync::LazyLock;

/// The commands that look into values.
static ROWS: LazyLock<Vec<&'static Command>> = LazyLock::new(|| {
    let groups = [
        Group::Generic,
        Group::String,
        Group::List,
        Group::Set,
        Group::SortedSet,
        Group::Hash,
        Group::Stream,
        Group::Array,
        Group::Bitmap,
        Group::HyperLogLog,
        Group::Geo,
    ];
    // PFSELFTEST looks into no value and would take most of the time.
    rows().filter(|row| groups.contains(&row.group) && row.name != "PFSELFTEST").collect()
});

/// From one command to the next: prime, and more than there are, so that each gets its turn.
const STRIDE: usize = 997;
/// Bytes from which follows how the commands are called.
const SEED: usize = 8;

fuzz_target!(|data: &[u8]| {
    let Some((seed, body)) = data.split_first_chunk::<SEED>() else { return };
    let version = if seed[0] & 1 == 0 { 15u16 } else { 80 };
    let mut payload = [body, &version.to_le_bytes()].concat();
    payload.extend(crc64(&payload).to_le_bytes());
    let mut world =
        Loopback::sharing(&DECLARED, Config::default(), Environment::bare(3)).expect("the defaults are fine");
    let client = world.connect();
    let restore = |world: &mut Loopback, key: &[u8]| {
        let words: [&[u8]; 5] = [b"RESTORE", key, b"0", &payload, b"REPLACE"];
        world.send(client, &encode(&words.map(<[u8]>::to_vec)));
        world.take_heard(client) == b"+OK\r\n"
    };
    if !restore(&mut world, b"k0") {
        return;
    }
    let mut choice = Rng::new(u64::from_le_bytes(*seed));
    let first = choice.below(ROWS.len() as u64) as usize;
    for at in 0..ROWS.len() {
        let row = ROWS[(first + at * STRIDE) % ROWS.len()];
        let request = valid(row, &mut choice);
        if at % 8 == 0 {
            for key in [b"k0", b"k1", b"k2", b"k3"] {
                restore(&mut world, key);
            }
        }
        let other = if world.is_open(client) { client } else { world.connect() };
        world.send(other, &encode(&request));
        world.take_heard(other);
        world.take_effects();
    }
    world.server.databases.iter().for_each(|database| database.check());
});
