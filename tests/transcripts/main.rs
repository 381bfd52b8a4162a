//! Transcripts: what a client says, what it hears, and what the outside is told to do.
//!
//! The files `*.test` stand beside the commands in `src/engine/command/`; [`case`] describes the format.
//! Each case plays against a bare engine in RESP2 and RESP3, its input whole and a byte at a time, and
//! against real servers where there are any, which shows that *our expectation* is right:
//!
//! - `SEEDIS_PEERS="redis:7810 valkey:7910"` names servers that run on this machine (they are flushed);
//! - `REDIS810` and `VALKEY91` hold command lines with `{port}` and `{dir}`, which the tests start.
//!
//! `UPDATE=1` rewrites expectations from the engine's answers, `UPDATE=redis` from the real server's.

// Tests talk to real servers and rewrite files; the rule is for what they test.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod case;
mod engine;
mod peer;
mod play;
#[path = "../support/mod.rs"]
mod support;

use case::Transcript;
use engine::Engine;
use peer::Peer;
use play::{Mode, Playable};
use std::path::{Path, PathBuf};

fn transcripts() -> Vec<Transcript> {
    let mut paths = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/command"), &mut paths);
    paths.sort();
    // One file while working on it: ONLY=string/get.
    let only = std::env::var("ONLY").unwrap_or_default();
    let wanted = paths.into_iter().filter(|path| path.to_string_lossy().contains(&only));
    wanted.map(|path| Transcript::read(&path).unwrap_or_else(|problem| panic!("{problem}"))).collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for path in entries.map(|entry| entry.expect("the directory can be read").path()) {
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "test") {
            paths.push(path);
        }
    }
}

/// Plays every case on a server of its own and fails with all differences.
fn play_all(name: &str, modes: &[Mode], mut server: impl FnMut() -> Box<dyn Playable>) {
    let update = std::env::var("UPDATE").is_ok_and(|value| value == name || value == "1" && name == "engine");
    let (mut cases, mut differences) = (0, Vec::new());
    for mut transcript in transcripts() {
        for case in transcript.cases.iter_mut().filter(|case| case.runs_on(name)) {
            for mode in modes {
                if !case.runs_in(mode.protocol) {
                    continue;
                }
                cases += 1;
                differences.extend(play::play(case, server().as_mut(), *mode, update));
            }
        }
        if update {
            transcript.write();
        }
    }
    eprintln!("{name}: {cases} plays");
    assert!(
        update || differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn play_peer(name: &str, variable: &str) {
    let Some(peer) = Peer::find(name, variable) else {
        eprintln!("{name}: none is there (set SEEDIS_PEERS or {variable})");
        return;
    };
    play_all(name, &[Mode::whole(2), Mode::whole(3)], || Box::new(peer.session()));
}

#[test]
fn the_engine_agrees() {
    let modes = [Mode::whole(2), Mode::whole(3), Mode::bytewise(2), Mode::bytewise(3)];
    play_all("engine", &modes, || Box::new(Engine::new()));
}

#[test]
fn redis_agrees() {
    play_peer("redis", "REDIS810");
}

#[test]
fn valkey_agrees() {
    play_peer("valkey", "VALKEY91");
}
