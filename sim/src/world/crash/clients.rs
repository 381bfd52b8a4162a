//! Who talks to the server: clients that write, one that looks, one that gives orders. They live until
//! their connection breaks or their machine dies.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use seedis::runtime::net::Address;
use seedis::runtime::simulation::Draws;
use seedis::runtime::time;

use super::super::line::Line;
use super::super::lock;
use super::data::Bytes;
use super::notes::{Notes, is_refusal};
use super::plan::{Plan, Policy, Trouble};
use super::workload::{Frame, Unit, Workload, counter, number, words};
use crate::resp::Reply;

/// How long it takes at most to be connected in a network without faults, though its server may be dead.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that are asked for at a time.
const READ: usize = 16_384;

/// Connects.
pub async fn open(to: &Address) -> io::Result<Line> {
    Line::open(to, PATIENCE, READ).await
}

pub type Shared = Arc<std::sync::Mutex<Workload>>;

/// Writes, units after units.
pub async fn write(client: usize, workload: Shared, plan: Plan, to: Address, notes: Arc<Notes>) {
    let Ok(mut line) = open(&to).await else { return };
    let mut writer = Writer { client, selected: Some(0), notes };
    loop {
        let (units, waits, pause_us) = {
            let mut workload = lock(&workload);
            let count = workload.draws().between(1, plan.pipeline);
            let units: Vec<Unit> = (0..count).map(|_| workload.unit()).collect();
            let waits = workload.draws().chance(20_000);
            (units, waits, workload.draws().below(plan.pause_us))
        };
        if writer.serve(&mut line, units).await.is_err() {
            return;
        }
        if waits && writer.wait(&mut line).await.is_err() {
            return;
        }
        time::sleep(Duration::from_micros(pause_us)).await;
    }
}

struct Writer {
    client: usize,
    /// The database that the server has selected for it, if that is known.
    selected: Option<usize>,
    notes: Arc<Notes>,
}

impl Writer {
    async fn serve(&mut self, line: &mut Line, units: Vec<Unit>) -> io::Result<()> {
        let mut requests = Vec::new();
        // How many replies come before that of each unit.
        let mut noted = Vec::new();
        for unit in units {
            let before = requests.len();
            self.select(unit.commands[0].0, &mut requests);
            if unit.frame == Frame::Script {
                requests.push(self.script(&unit));
            } else {
                requests.extend((unit.frame == Frame::Transaction).then(|| words("MULTI")));
                for (database, command) in &unit.commands {
                    self.select(*database, &mut requests);
                    requests.push(command.clone());
                }
                requests.extend((unit.frame == Frame::Transaction).then(|| words("EXEC")));
            }
            let others = requests.len() - before - 1;
            noted.push((others, self.notes.send(self.client, unit)));
        }
        line.send(&requests).await?;
        for (others, index) in noted {
            for _ in 0..others {
                line.reply().await?;
            }
            let reply = line.reply().await?;
            self.notes.answer(self.client, index, &reply);
            if is_refusal(&reply) {
                // With a transaction, its SELECTs were refused.
                self.selected = None;
            }
        }
        Ok(())
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

    /// Waits until all that it wrote is on the disk.
    async fn wait(&mut self, line: &mut Line) -> io::Result<()> {
        let reply = line.ask(&words("WAITAOF 1 0 3000")).await?;
        if matches!(&reply, Reply::Array(items) if items.first() == Some(&Reply::Int(1))) {
            self.notes.raise_own(self.client);
        }
        Ok(())
    }
}

/// Looks at the counters of the others: what it sees may not be lost either.
pub async fn look(mut draws: Draws, plan: Plan, to: Address, notes: Arc<Notes>) {
    let Ok(mut line) = open(&to).await else { return };
    loop {
        time::sleep(Duration::from_micros(draws.below(plan.pause_us.max(500)))).await;
        let whose = draws.below(plan.clients as u64) as usize;
        let asked_ns = notes.now_ns();
        let Ok(reply) = line.ask(&[b"GET".to_vec(), counter(whose)]).await else { return };
        // FLUSHALL sets the counter back, so that it says nothing.
        if let Reply::Bulk(text) = reply
            && plan.clients > 1
        {
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
    fn promise(self, plan: &Plan, notes: &Notes) {
        let durable = self.appendonly && self.policy == Policy::Always;
        let soon = self.appendonly && self.policy != Policy::No && !self.spares;
        notes.promise(durable, soon && plan.is_prompt());
    }
}

impl Plan {
    /// Whether nothing keeps the disk from doing in time what it is asked.
    fn is_prompt(&self) -> bool {
        matches!(self.trouble, Trouble::None | Trouble::Rot)
    }
}

/// Has saves, rewrites and changes of the configuration happen.
pub async fn order(mut draws: Draws, plan: Plan, to: Address, notes: Arc<Notes>) {
    let mut settings = Settings { policy: plan.policy, appendonly: plan.appendonly, spares: false };
    settings.promise(&plan, &notes);
    let Ok(mut line) = open(&to).await else { return };
    if !plan.orders {
        // Only what save points do is to be seen.
        return;
    }
    loop {
        let span_ms = *draws.pick(&[1, 20, 300, 2_000]);
        time::sleep(Duration::from_micros(draws.below(span_ms * 1000))).await;
        let done = match draws.below(10) {
            0..3 => rewrite(&mut line, &mut draws).await,
            3..6 => save(&mut line, &notes, &plan, &mut draws).await,
            6..8 if plan.appendonly => {
                settings.policy = *draws.pick(&Policy::ALL);
                set(&mut line, "appendfsync", settings.policy.word(), settings, &plan, &notes).await
            }
            8 if plan.appendonly => switch(&mut line, settings, &plan, &notes, &mut draws).await,
            9 => {
                settings.spares = !settings.spares;
                let word = if settings.spares { "yes" } else { "no" };
                set(&mut line, "no-appendfsync-on-rewrite", word, settings, &plan, &notes).await
            }
            _ => Ok(()),
        };
        if done.is_err() {
            return;
        }
    }
}

async fn rewrite(line: &mut Line, draws: &mut Draws) -> io::Result<()> {
    line.ask(&words("BGREWRITEAOF")).await?;
    if draws.chance(300_000) {
        info(line, |info| info("aof_rewrite_in_progress") == "0").await?;
    }
    Ok(())
}

/// Changes a parameter. What is promised less is so before, what is promised more only after.
async fn set(
    line: &mut Line,
    name: &str,
    value: &str,
    settings: Settings,
    plan: &Plan,
    notes: &Notes,
) -> io::Result<()> {
    notes.promise(false, false);
    if configure(line, name, value, plan, notes).await? {
        settings.promise(plan, notes);
    }
    Ok(())
}

/// CONFIG SET, which only a disk that fails can be a reason to refuse.
async fn configure(line: &mut Line, name: &str, value: &str, plan: &Plan, notes: &Notes) -> io::Result<bool> {
    let reply = line.ask(&words(&format!("CONFIG SET {name} {value}"))).await?;
    notes.tell(|| format!("CONFIG SET {name} {value}: {reply:?}"));
    let done = reply == Reply::ok();
    if !done && !matches!(plan.trouble, Trouble::Errors(_)) {
        notes.complain(format!("CONFIG SET {name} {value} is answered by {reply:?}"));
    }
    Ok(done)
}

/// Switches the append-only file off and on.
async fn switch(
    line: &mut Line,
    settings: Settings,
    plan: &Plan,
    notes: &Notes,
    draws: &mut Draws,
) -> io::Result<()> {
    set(line, "appendonly", "no", Settings { appendonly: false, ..settings }, plan, notes).await?;
    time::sleep(Duration::from_micros(draws.below(100_000))).await;
    notes.promise(false, false);
    if !configure(line, "appendonly", "yes", plan, notes).await? {
        return Ok(());
    }
    // Until there is a base, nothing is promised.
    info(line, |info| {
        info("aof_rewrite_in_progress") == "0"
            && info("aof_rewrite_scheduled") == "0"
            && info("aof_last_bgrewrite_status") == "ok"
            && info("aof_last_rewrite_time_sec") != "-1"
    })
    .await?;
    settings.promise(plan, notes);
    Ok(())
}

async fn save(line: &mut Line, notes: &Notes, plan: &Plan, draws: &mut Draws) -> io::Result<()> {
    let began_ns = notes.now_ns();
    let saved = if draws.chance(200_000) {
        line.ask(&words("SAVE")).await? == Reply::ok()
    } else {
        let began = line.ask(&words("BGSAVE")).await?;
        if !matches!(&began, Reply::Status(text) if text.ends_with(b"started")) {
            return Ok(());
        }
        // A FLUSHALL may end it, so that it does not count.
        let before = info(line, |_| true).await?;
        let after = info(line, |info| info("rdb_bgsave_in_progress") == "0").await?;
        field(&after, "rdb_saves") != field(&before, "rdb_saves")
    };
    if saved && !plan.appendonly {
        notes.raise(began_ns);
    }
    Ok(())
}

/// Asks for the state of the files until it is right, and returns it.
async fn info(line: &mut Line, is_right: impl Fn(&dyn Fn(&str) -> String) -> bool) -> io::Result<String> {
    loop {
        if let Reply::Bulk(text) = line.ask(&words("INFO persistence")).await? {
            let text = String::from_utf8_lossy(&text).into_owned();
            if is_right(&|name| field(&text, name)) {
                return Ok(text);
            }
        }
        time::sleep(Duration::from_millis(5)).await;
    }
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
