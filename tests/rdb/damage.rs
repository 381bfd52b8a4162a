//! Payloads that were cut or had a bit flipped, their checksum having been made to fit.

use crate::payloads::samples;
use crate::support::reply::Value;
use crate::world::World;

const STREAM: &str = r#"
XINFO STREAM k FULL COUNT 0
XINFO GROUPS k
XINFO CONSUMERS k all
XLEN k
XRANGE k - +
XREVRANGE k + -
XPENDING k all
XPENDING k all - + 100
XREAD STREAMS k 0
DEBUG DIGEST-VALUE k
MEMORY USAGE k SAMPLES 0
COPY k copy REPLACE
XGROUP CREATE k new 0
XREADGROUP GROUP all bob COUNT 3 STREAMS k >
XREADGROUP GROUP all bob STREAMS k 0
XREADGROUP GROUP new bob STREAMS k >
XAUTOCLAIM k all carol 0 0
XCLAIM k all dave 0 1000-1 5000-2 FORCE
XNACK k all FAIL IDS 2 1000-1 5000-2
XACK k all 6000-0
XACKDEL k all ACKED IDS 1 5000-2
XDEL k 1000-1 7000-1
XDELEX k DELREF IDS 1 3000-0
XADD k * a 1 b ""
XADD k IDMP p1 m2 * a 1
XADD k 18446744073709551615-18446744073709551615 name x age y
XTRIM k MINID 3000
XGROUP SETID k all 5000 ENTRIESREAD 7
XGROUP DELCONSUMER k all alice
XGROUP DESTROY k late
XCFGSET k IDMP-MAXSIZE 1
XTRIM k MAXLEN ~ 1
XTRIM k MAXLEN 1 ACKED
XSETID k 9000-0 ENTRIESADDED 100
XINFO STREAM k FULL COUNT 0
DEL k
DEL copy
"#;

const ARRAY: &str = r#"
ARCOUNT k
ARLEN k
ARNEXT k
ARINFO k FULL
ARSCAN k 0 18446744073709551614
ARGETRANGE k 0 300
ARGREP k - + MATCH 1
AROP k 0 300 SUM
ARLASTITEMS k 5
DEBUG DIGEST-VALUE k
MEMORY USAGE k SAMPLES 0
COPY k copy REPLACE
ARINSERT k v w
ARSET k 0 a b c
ARRING k 3 x y
ARDEL k 1 4
ARDELRANGE k 0 18446744073709551614
DEL k
DEL copy
"#;

/// Restores a damaged payload; if that works, runs all commands of the type on the value, as it is and as
/// it is after it was written and read again.
fn survive(world: &mut World, payload: &[u8]) -> bool {
    if world.restore("k", payload).is_err() {
        return false;
    }
    let again = world.dump("k", false);
    let before = world.ask("DEBUG DIGEST-VALUE k");
    world.restore("k", &again).expect("what was let in can be written and read");
    assert_eq!(world.ask("DEBUG DIGEST-VALUE k"), before);
    let Value::Simple(kind) = world.ask("TYPE k") else { panic!("a type") };
    let commands = match kind.as_slice() {
        b"stream" => STREAM,
        b"array" => ARRAY,
        // A flipped bit in the kind made it something else.
        _ => "DEL k",
    };
    for command in commands.lines().filter(|line| !line.is_empty()) {
        world.ask(command);
    }
    true
}

/// One of each form.
fn chosen() -> Vec<(&'static str, Vec<u8>)> {
    let names = [
        "Redis 8.10: one entry",
        "Redis 8.10: released entries",
        "Redis 8.10: idempotent producers",
        "Redis 7.0, cut to version 1",
        "Redis 8.10: far apart",
    ];
    let samples = samples().into_iter().map(|sample| (sample.name, sample.payload));
    let chosen: Vec<_> = samples.filter(|(name, _)| names.contains(name)).collect();
    assert_eq!(chosen.len(), names.len());
    chosen
}

#[test]
fn cut_payloads_are_refused() {
    let mut world = World::new();
    for (name, payload) in chosen() {
        let (body, footer) = payload.split_at(payload.len() - 10);
        for len in 0..body.len() {
            let cut = [&body[..len], footer].concat();
            assert!(world.restore("k", &cut).is_err(), "{name}, cut at {len}");
        }
    }
}

#[test]
fn flipped_bits_are_refused_or_survived() {
    let mut world = World::new();
    for (name, mut payload) in chosen() {
        let (mut refused, bits) = (0, 8 * (payload.len() - 10));
        for bit in 0..bits {
            payload[bit / 8] ^= 1 << (bit % 8);
            refused += usize::from(!survive(&mut world, &payload));
            payload[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(refused > bits / 10, "{name}: only {refused} of {bits} were refused");
    }
}
