//! The bare engine as a server to play against.

use crate::play::Playable;
use crate::support::quoting;
use seedis::engine::config::Config;
use seedis::engine::effect::Effect;
use seedis::engine::loopback::Loopback;
use seedis::engine::protocol::Argv;

/// A server in this process.
pub struct Engine(Loopback);

impl Engine {
    /// A server without data; the same one each time.
    pub fn new() -> Engine {
        let mut loopback = Loopback::new(Config::default(), 1).expect("the defaults are fine");
        loopback.server.propagation.record();
        loopback.server.record_events = true;
        Engine(loopback)
    }
}

impl Playable for Engine {
    fn connect(&mut self) -> usize {
        self.0.connect()
    }

    fn feed(&mut self, connection: usize, bytes: &[u8], _: usize) -> Result<Vec<u8>, String> {
        self.0.send(connection, bytes);
        Ok(self.0.take_heard(connection))
    }

    fn advance(&mut self, milliseconds: u64) {
        self.0.advance(milliseconds * 1000);
    }

    fn configure(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        let line = format!("{name} {value}\n");
        let mut no_files = |_: &[u8]| Ok(Vec::new());
        let outcome = self.0.server.config.load(line.as_bytes(), None, &mut no_files);
        self.0.server.apply_config();
        Some(outcome.map_err(|error| error.to_string()))
    }

    fn effects(&mut self) -> Option<Vec<String>> {
        Some(self.0.take_effects().iter().filter_map(line).collect())
    }
}

/// An effect as transcripts write it. Those outside database 0 name theirs: `event@1 set k`. Log lines
/// are for people, not part of what a command promises.
fn line(effect: &Effect) -> Option<String> {
    let place = |db: &usize| if *db == 0 { String::new() } else { format!("@{db}") };
    Some(match effect {
        Effect::Propagate { db, argv } => format!("propagate{} {}", place(db), words(argv)),
        Effect::Event { db, name, key } => format!("event{} {name} {}", place(db), quoting::word(key)),
        Effect::Log(..) => return None,
        Effect::Configured { names, .. } => format!("configured {}", names.join(" ")),
        Effect::LoadUsers(_) => "load-users".to_owned(),
        Effect::SaveUsers(_) => "save-users".to_owned(),
        Effect::RewriteConfig { .. } => "rewrite-config".to_owned(),
        Effect::Stall(us) => format!("stall {us}us"),
        Effect::Clock { step, .. } => format!("clock {step:?}"),
        Effect::Shutdown(how) => format!("shutdown {how:?}"),
        Effect::Crash(how) => format!("crash {how}"),
        Effect::AbortShutdown => "abort shutdown".to_owned(),
        Effect::Restart => "restart".to_owned(),
        Effect::Job(order) => format!("job {:?}", order.kind),
        Effect::Migrate(_) => "migrate".to_owned(),
        Effect::Backup(step) => {
            format!("backup {}", format!("{step:?}").split(['(', ' ']).next().unwrap_or_default())
        }
        Effect::StopJob => "stop-job".to_owned(),
        Effect::AofPolicy => "aof-policy".to_owned(),
        Effect::CloseAof { .. } => "close-aof".to_owned(),
        Effect::Reload { file, .. } => format!("reload {file:?}"),
    })
}

fn words(argv: &Argv) -> String {
    quoting::join(argv.args().iter())
}
