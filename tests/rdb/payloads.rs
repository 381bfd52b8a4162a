//! Payloads of real servers.

use crate::support::{readable, reply::Value};
use crate::world::World;

/// A payload, and what a real server answered about it.
pub struct Sample {
    /// Who made it, and what it shows.
    pub name: &'static str,
    /// Its bytes.
    pub payload: Vec<u8>,
    answers: Vec<(&'static str, Value)>,
}

/// All of them.
pub fn samples() -> Vec<Sample> {
    include_str!("payloads.txt").split("== ").skip(1).map(sample).collect()
}

fn sample(text: &'static str) -> Sample {
    let (name, rest) = text.split_once('\n').expect("a title");
    let mut parts = rest.split("\n> ");
    let digits: Vec<u8> = parts.next().expect("a payload").bytes().filter(|byte| *byte != b'\n').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    let answer = |part: &'static str| {
        let (command, answer) = part.split_once('\n').expect("an answer");
        (command, readable::parse(answer).expect("a reply").0)
    };
    Sample { name, payload: digits.chunks(2).map(byte).collect(), answers: parts.map(answer).collect() }
}

fn check(world: &mut World, sample: &Sample) {
    for (command, expected) in &sample.answers {
        let answer = world.ask(command);
        assert!(
            expected.accepts(&answer),
            "{}: {command}\nexpected {}\nanswered {}",
            sample.name,
            readable::format(expected),
            readable::format(&answer)
        );
    }
}

#[test]
fn what_real_servers_wrote_is_understood_and_written_again() {
    let samples = samples();
    assert!(samples.len() > 20);
    for sample in samples {
        let mut world = World::new();
        world.restore("k", &sample.payload).unwrap_or_else(|problem| panic!("{}: {problem}", sample.name));
        check(&mut world, &sample);
        for compress in [false, true] {
            let again = world.dump("k", compress);
            world.restore("k", &again).unwrap_or_else(|problem| panic!("{}: {problem}", sample.name));
            check(&mut world, &sample);
        }
    }
}

#[test]
fn a_stream_is_written_as_valkey_wrote_it() {
    let sample = samples().into_iter().find(|sample| sample.name == "Valkey 9.1: groups, not compressed");
    let (payload, mut world) = (sample.expect("it is there").payload, World::new());
    world.restore("k", &payload).expect("it is valid");
    let again = world.dump("k", false);
    assert_eq!(again[..again.len() - 10], payload[..payload.len() - 10]);
}
