//! Configuration texts and CONFIG SET: nothing panics, an error changes nothing, and what a server
//! writes back it reads again as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::config::{Config, Origin};

fn values(config: &Config) -> Vec<(Vec<u8>, Vec<u8>)> {
    config.get(&[b"*"])
}

fn load(text: &[u8]) -> Option<Config> {
    let mut config = Config::default();
    let before = values(&config);
    let mut include = |path: &[u8]| match path {
        b"b" => Ok(vec![("b".to_owned(), b"hz 20\n".to_vec())]),
        b"self" => Ok(vec![("self".to_owned(), b"include self\n".to_vec())]),
        _ => Err("no such file".to_owned()),
    };
    match config.load(text, Some("redis.conf"), &mut include) {
        Ok(()) => Some(config),
        Err(why) => {
            assert!(!why.to_string().is_empty());
            assert_eq!(values(&config), before);
            None
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(config) = load(data) else {
        set(data);
        return;
    };
    let written = config.rewrite(data, &[], false);
    let again = load(&written).expect("what was written can be read");
    assert_eq!(values(&again), values(&config));
});

/// The lines as names and values.
fn set(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').take(16);
    let pairs: Vec<(&[u8], &[u8])> = lines
        .map(|line| {
            let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
            (&line[..space], line.get(space + 1..).unwrap_or_default())
        })
        .collect();
    // One by one, so that a bad one does not hide the others.
    let mut config = Config::default();
    for pair in &pairs {
        if let Err(why) = config.set(&[*pair], Origin { local: true, loading: false }) {
            assert!(!why.to_string().is_empty());
        }
    }
    // All or nothing.
    let mut all = Config::default();
    if all.set(&pairs, Origin::default()).is_err() {
        assert_eq!(values(&all), values(&Config::default()));
    }
    let mut again = Config::default();
    let written = config.rewrite(b"", &[], false);
    again.load(&written, None, &mut |_| Err("no files".to_owned())).expect("what was written can be read");
    assert_eq!(values(&again), values(&config));
}
