//! Who talks to the server: clients that write, those that look, one that gives orders. They live until their connection
//! breaks or their machine dies.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use seedis::runtime::net::Address;
use seedis::runtime::simulation::Draws;
use seedis::runtime::time;

use super::super::line::Line;
use super::data::Bytes;
use super::files::{Blame, Files};
use super::notes::{Notes, is_refusal};
use super::plan::Policy;
use super::workload::{Asked, Frame, Unit, WAIT, asked, counter, number, words};
use crate::model::Call;
use crate::resp::Reply;
use crate::scenario::Step;

/// How long it takes at most to be connected in a network without faults, though its server may be dead.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two tries of who was refused, or looks whether the disk works again.
const PAUSE: Duration = Duration::from_millis(50);

/// Bytes that are asked for at a time.
const READ: usize = 16_384;

/// Connects.
pub async fn open(to: &Address) -> io::Result<Line> {
    Line::open(to, PATIENCE, READ).await
}

/// Writes what its steps say. Once nothing fails any more it goes on until it was served.
pub async fn write(client: usize, steps: Vec<Step>, to: Address, notes: Arc<Notes>) {
    let Ok(mut line) = open(&to).await else { return };
    let mut writer = Writer { client, selected: Some(0), notes };
    for step in steps {
        match step {
            Step::Send(calls) if writer.serve(&mut line, &calls).await.is_err() => return,
            Step::Pause(for_us) => time::sleep(Duration::from_micros(for_us)).await,
            Step::Send(_) | Step::Leave { .. } => {}
        }
    }
    while !writer.notes.is_served(client) {
        let own = [Call::command("INCR seq")];
        if writer.notes.is_healed() && writer.serve(&mut line, &own).await.is_err() {
            return;
        }
        time::sleep(PAUSE).await;
    }
    std::future::pending().await
}

struct Writer {
    client: usize,
    /// The database that the server has selected for it, if that is known.
    selected: Option<usize>,
    notes: Arc<Notes>,
}

impl Writer {
    async fn serve(&mut self, line: &mut Line, calls: &[Call]) -> io::Result<()> {
        let mut requests = Vec::new();
        // Units by their places in the notes, and how many replies come before that of each.
        let mut noted = Vec::new();
        for asked in asked(self.client, calls, time::now().unix_ms()) {
            let before = requests.len();
            let unit = match asked {
                Asked::Durability => {
                    requests.push(words(WAIT));
                    None
                }
                Asked::Unit(unit) => {
                    self.request(&unit, &mut requests);
                    Some(self.notes.send(self.client, unit))
                }
            };
            noted.push((requests.len() - before - 1, unit));
        }
        line.send(&requests).await?;
        for (others, unit) in noted {
            for _ in 0..others {
                line.reply().await?;
            }
            let reply = line.reply().await?;
            match unit {
                Some(unit) => self.answered(unit, &reply),
                None if matches!(&reply, Reply::Array(items) if items.first() == Some(&Reply::Int(1))) => {
                    self.notes.raise_own(self.client);
                }
                None => {}
            }
        }
        Ok(())
    }

    fn request(&mut self, unit: &Unit, requests: &mut Vec<Vec<Bytes>>) {
        self.select(unit.commands[0].0, requests);
        if unit.frame == Frame::Script {
            return requests.push(self.script(unit));
        }
        requests.extend((unit.frame == Frame::Transaction).then(|| words("MULTI")));
        for (database, command) in &unit.commands {
            self.select(*database, requests);
            requests.push(command.clone());
        }
        requests.extend((unit.frame == Frame::Transaction).then(|| words("EXEC")));
    }

    fn answered(&mut self, index: usize, reply: &Reply) {
        self.notes.answer(self.client, index, reply);
        if is_refusal(reply) {
            // With a transaction, its SELECTs were refused.
            self.selected = None;
        }
    }

    /// A unit as one script, whose SELECTs are its own affair. What is refused is so before anything was written.
    fn script(&self, unit: &Unit) -> Vec<Bytes> {
        const SCRIPT: &str = "\
local at = 2
for n = 1, tonumber(ARGV[1]) do
    local words = tonumber(ARGV[at])
    local reply = redis.pcall(unpack(ARGV, at + 1, at + words))
    if type(reply) == 'table' and reply.err and reply.err:find('^MISCONF') then
        return reply
    end
    at = at + 1 + words
end
return redis.status_reply('OK')";
        let mut commands = Vec::new();
        let mut selected = unit.commands[0].0;
        for (database, command) in &unit.commands {
            if std::mem::replace(&mut selected, *database) != *database {
                commands.push(words(&format!("SELECT {}", number(self.client, *database))));
            }
            commands.push(command.clone());
        }
        let count = |count: usize| count.to_string().into_bytes();
        let mut call = vec![b"EVAL".to_vec(), SCRIPT.into(), count(0), count(commands.len())];
        for command in commands {
            call.push(count(command.len()));
            call.extend(command);
        }
        call
    }

    fn select(&mut self, database: usize, requests: &mut Vec<Vec<Bytes>>) {
        let database = number(self.client, database);
        if self.selected != Some(database) {
            self.selected = Some(database);
            requests.push(words(&format!("SELECT {database}")));
        }
    }
}

/// Looks at the counters of the others: what it sees may not be lost either.
pub async fn watch(mut draws: Draws, pause_us: u64, writers: Vec<usize>, to: Address, notes: Arc<Notes>) {
    let Ok(mut line) = open(&to).await else { return };
    loop {
        time::sleep(Duration::from_micros(draws.below(pause_us.max(1)))).await;
        let whose = *draws.pick(&writers);
        let asked_ns = notes.now_ns();
        let Ok(reply) = line.ask(&[b"GET".to_vec(), counter(whose)]).await else { return };
        if let Reply::Bulk(text) = reply {
            let count = String::from_utf8_lossy(&text).parse().unwrap_or(-1);
            notes.saw(whose, count, asked_ns);
        }
    }
}

/// What promises depend on.
#[derive(Clone, Copy)]
struct Settings {
    policy: Policy,
    appendonly: bool,
    /// `everysec` waits while something is saved.
    spares: bool,
}

impl Settings {
    fn of(files: &Files) -> Self {
        Settings { policy: files.policy, appendonly: files.appendonly, spares: false }
    }

    fn promise(self, files: &Files, notes: &Notes) {
        let durable = self.appendonly && self.policy == Policy::Always;
        let soon = self.appendonly && self.policy != Policy::No && !self.spares;
        notes.promise(durable, soon && files.is_prompt);
    }
}

/// What is promised when the server begins.
pub fn promise(files: &Files, notes: &Notes) {
    Settings::of(files).promise(files, notes);
}

/// Orders an operator does not know, by the first of them.
pub fn check(calls: &[Call]) -> Result<(), String> {
    let known = |call: &Call| matches!(call, Call::Command(words) if Order::of(words).is_some());
    let unknown = calls.iter().find(|call| !known(call));
    unknown.map_or(Ok(()), |call| Err(format!("no operator sends {call}")))
}

/// What an operator has happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Rewrite,
    Save,
    SaveBehind,
    Append(bool),
    Sync(Policy),
    /// Whether `everysec` waits while something is saved.
    Spare(bool),
}

impl Order {
    fn of(words: &[Bytes]) -> Option<Self> {
        let line = words.join(&b' ');
        let line = std::str::from_utf8(&line).ok()?;
        Some(match line {
            "BGREWRITEAOF" => Order::Rewrite,
            "SAVE" => Order::Save,
            "BGSAVE" => Order::SaveBehind,
            "CONFIG SET appendonly no" => Order::Append(false),
            "CONFIG SET appendonly yes" => Order::Append(true),
            "CONFIG SET no-appendfsync-on-rewrite no" => Order::Spare(false),
            "CONFIG SET no-appendfsync-on-rewrite yes" => Order::Spare(true),
            _ => {
                let policy = line.strip_prefix("CONFIG SET appendfsync ")?;
                Order::Sync(Policy::ALL.into_iter().find(|known| known.word() == policy)?)
            }
        })
    }
}

/// Has saves, rewrites and changes of the configuration happen.
pub async fn order(steps: Vec<Step>, files: Files, to: Address, notes: Arc<Notes>) {
    let Ok(line) = open(&to).await else { return };
    let settings = Settings::of(&files);
    let mut operator = Operator { line, settings, files, notes };
    for step in steps {
        match step {
            Step::Send(calls) => {
                for call in &calls {
                    let Call::Command(words) = call else { continue };
                    let Some(order) = Order::of(words) else { continue };
                    if operator.carry_out(order).await.is_err() {
                        return;
                    }
                }
            }
            Step::Pause(for_us) => time::sleep(Duration::from_micros(for_us)).await,
            Step::Leave { .. } => {}
        }
    }
}

struct Operator {
    line: Line,
    settings: Settings,
    files: Files,
    notes: Arc<Notes>,
}

impl Operator {
    async fn carry_out(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Rewrite => self.line.ask(&words("BGREWRITEAOF")).await.map(|_| ()),
            Order::Save => {
                let began_ns = self.notes.now_ns();
                let saved = self.line.ask(&words("SAVE")).await? == Reply::ok();
                self.saved(saved, began_ns);
                Ok(())
            }
            Order::SaveBehind => self.save_behind().await.map(|_| ()),
            Order::Sync(policy) => {
                self.settings.policy = policy;
                self.set("appendfsync", policy.word()).await
            }
            Order::Spare(spares) => {
                self.settings.spares = spares;
                self.set("no-appendfsync-on-rewrite", if spares { "yes" } else { "no" }).await
            }
            Order::Append(false) => {
                self.settings.appendonly = false;
                self.set("appendonly", "no").await
            }
            Order::Append(true) => self.append_again().await,
        }
    }

    /// Changes a parameter. What is promised less is so before, what is promised more only after.
    async fn set(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.notes.promise(false, false);
        if self.configure(name, value).await? {
            self.settings.promise(&self.files, &self.notes);
        }
        Ok(())
    }

    /// CONFIG SET, which only a disk that fails can be a reason to refuse.
    async fn configure(&mut self, name: &str, value: &str) -> io::Result<bool> {
        let reply = self.line.ask(&words(&format!("CONFIG SET {name} {value}"))).await?;
        self.notes.tell(|| format!("CONFIG SET {name} {value}: {reply:?}"));
        let done = reply == Reply::ok();
        if !done && self.files.blame != Blame::Errors {
            let what = format!("CONFIG SET {name} {value} is answered by {reply:?}");
            self.notes.complain("configuration", what);
        }
        Ok(done)
    }

    /// Switches the append-only file on.
    async fn append_again(&mut self) -> io::Result<()> {
        self.notes.promise(false, false);
        if !self.configure("appendonly", "yes").await? {
            return Ok(());
        }
        // Until there is a base, nothing is promised.
        self.info(|info| {
            info("aof_rewrite_in_progress") == "0"
                && info("aof_rewrite_scheduled") == "0"
                && info("aof_last_bgrewrite_status") == "ok"
                && info("aof_last_rewrite_time_sec") != "-1"
        })
        .await?;
        self.settings.appendonly = true;
        self.settings.promise(&self.files, &self.notes);
        Ok(())
    }

    /// Whether all is saved now.
    async fn save_behind(&mut self) -> io::Result<bool> {
        let earlier = self.info(|_| true).await?;
        let began_ns = self.notes.now_ns();
        let began = self.line.ask(&words("BGSAVE")).await?;
        if !matches!(&began, Reply::Status(text) if text.ends_with(b"started")) {
            return Ok(false);
        }
        let before = self.info(|_| true).await?;
        let after = self.info(|info| info("rdb_bgsave_in_progress") == "0").await?;
        let saved = field(&after, "rdb_saves") != field(&before, "rdb_saves");
        self.saved(saved, began_ns);
        // A FLUSHALL may end it, which is no failure.
        let is_as_earlier = field(&after, "rdb_saves") == field(&earlier, "rdb_saves");
        let failed = is_as_earlier && !self.notes.flushed_since(began_ns);
        let status = field(&after, "rdb_last_bgsave_status");
        if failed && status != "err" {
            let what = format!("a save has come to nothing, and its status is {status:?}");
            self.notes.complain("failed saves", what);
        }
        Ok(saved)
    }

    /// Where there is an append-only file, it is what counts.
    fn saved(&self, saved: bool, began_ns: u64) {
        if saved && !self.files.appendonly {
            self.notes.raise(began_ns);
        }
    }

    /// Asks for the state of the files until it is right, and returns it.
    async fn info(&mut self, is_right: impl Fn(&dyn Fn(&str) -> String) -> bool) -> io::Result<String> {
        loop {
            if let Reply::Bulk(text) = self.line.ask(&words("INFO persistence")).await? {
                let text = String::from_utf8_lossy(&text).into_owned();
                if is_right(&|name| field(&text, name)) {
                    return Ok(text);
                }
            }
            time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Has all saved, again and again until it is.
pub async fn save(files: Files, to: Address, notes: Arc<Notes>) -> io::Result<()> {
    let (line, settings) = (open(&to).await?, Settings::of(&files));
    let mut operator = Operator { line, settings, files, notes };
    while !operator.save_behind().await? {
        time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Orders a save or a rewrite. Whether one is running then.
pub async fn begin_job(to: &Address, job: &str) -> io::Result<bool> {
    let mut line = open(to).await?;
    line.send(&[words(job), words("INFO persistence")]).await?;
    line.reply().await?;
    let Reply::Bulk(text) = line.reply().await? else { return Ok(false) };
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(["rdb_bgsave_in_progress", "aof_rewrite_in_progress"].iter().any(|name| field(&text, name) == "1"))
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().to_owned()
}
