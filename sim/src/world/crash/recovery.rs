//! How the server comes back from its files, and what may be found then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seedis::runtime::simulation::{Death, DiskFaults, FaultKind, Image, Survivors};
use seedis::runtime::time;

use super::super::{Failure, How, film};
use super::notes::{Found, Promised};
use super::{Blame, PATIENCE, World, audit, log};
use crate::scenario::Start;

/// How a start ended.
pub enum Started {
    Ready(Vec<Found>),
    /// The power failed before it was ready.
    Died,
    Refused(String),
}

/// What the server can say for itself if it refuses its files, or has lost something.
enum Excuse {
    Nothing,
    /// Files could not be read, or it was given what is elsewhere in them: it may refuse them.
    Unreadable,
    /// Files are damaged: it may also cut an end off, if it says so, and must say where.
    Damage(String),
    /// What it was told to be on the disk never was: it may have lost anything, but no half.
    Lies,
}

/// The server, between a life and the next one.
enum State {
    Down,
    /// It is ready, and these were found: so many units of each client.
    Up(Vec<usize>),
    /// It does not start from what there is.
    Refused,
    /// Its files are not those of the end of its life.
    Damaged,
}

impl World {
    /// The server comes back from the end of a life. Whether it can go on.
    pub(super) async fn come_back(&mut self, starts: &[Start], image: &Image) -> Result<bool, Failure> {
        let mut state = State::Down;
        // What there was when nothing had been damaged.
        let mut whole = None;
        for start in starts.iter().chain([&Start::Plain]) {
            state = match (start, state) {
                (Start::Again { keeps }, _) => self.repeat(image, *keeps).await,
                (Start::Flipped(which), _) => self.flip(*which, image, whole.as_deref()).await?,
                (_, state @ (State::Up(_) | State::Refused)) => state,
                (start, state) => {
                    if matches!(state, State::Damaged) {
                        self.reset(image);
                    }
                    self.start(start).await?
                }
            };
            if let State::Up(units) = &state {
                self.tell(|| format!("found {units:?}"));
                whole = Some(units.clone());
            }
        }
        let State::Up(units) = state else { return Ok(false) };
        self.notes.go_on(&units);
        Ok(true)
    }

    /// Goes back to the end of a life.
    fn reset(&mut self, image: &Image) {
        self.server.machine().kill(Death::Process);
        self.disk.insert(self.server.machine().id(), image);
    }

    /// Goes back to the end of a life, and takes the power from there.
    async fn repeat(&mut self, image: &Image, keeps: Survivors) -> State {
        let server = self.server.machine().id();
        self.reset(image);
        self.disk.set_survivors(server, keeps);
        self.disk.cut_power(server);
        film::mark("faults", "fault", 0, || Start::Again { keeps }.to_string());
        time::sleep(Duration::from_millis(1)).await;
        State::Down
    }

    async fn start(&mut self, start: &Start) -> Result<State, Failure> {
        let server = self.server.machine().id();
        self.summary.crashes += 1;
        match start {
            Start::Dying { operation, keeps } => {
                self.disk.set_survivors(server, *keeps);
                self.disk.crash_after(server, *operation);
            }
            Start::Unreadable => {
                let faults = DiskFaults { read_errors: 300_000, ..self.values.disk.clone() };
                return self.misread(faults).await;
            }
            Start::Misread => {
                let faults = DiskFaults { misdirected_reads: 300_000, ..self.values.disk.clone() };
                return self.misread(faults).await;
            }
            _ => {}
        }
        self.restart();
        let excuse = match self.files.blame {
            Blame::Misdirected => Excuse::Damage("sectors in wrong places".to_owned()),
            Blame::Lies => Excuse::Lies,
            Blame::Nothing | Blame::Errors => Excuse::Nothing,
        };
        let started = self.ready().await?;
        if matches!((&started, start), (Started::Died, Start::Dying { .. })) {
            self.deaths += 1;
            FaultKind::CrashInRecovery.fired();
            if self.deaths >= 3 {
                FaultKind::CrashLoop.fired();
            }
            film::mark("faults", "fault", 0, || "power, before it is ready".to_owned());
            time::sleep(Duration::from_millis(1)).await;
            return Ok(State::Down);
        }
        self.deaths = 0;
        self.found(started, &excuse, None)
    }

    /// A start that reads what is not there. That is no reason to change a file, nor to find anything else.
    async fn misread(&mut self, faults: DiskFaults) -> Result<State, Failure> {
        let server = self.server.machine().id();
        self.disk.set_faults(server, faults);
        self.restart();
        let started = self.ready().await?;
        self.found(started, &Excuse::Unreadable, None)?;
        self.server.machine().kill(Death::Process);
        self.disk.set_faults(server, self.values.disk.clone());
        Ok(State::Down)
    }

    /// Damages a file as the end of a life left it, and sees what a server makes of that.
    async fn flip(&mut self, which: u64, image: &Image, whole: Option<&[usize]>) -> Result<State, Failure> {
        self.summary.crashes += 1;
        self.reset(image);
        let damage = self.flip_bit(which);
        self.restart();
        let started = self.ready().await?;
        self.found(started, &Excuse::Damage(damage), whole)?;
        Ok(State::Damaged)
    }

    /// Damages a file; says how.
    fn flip_bit(&mut self, which: u64) -> String {
        let server = self.server.machine().id();
        let files = self.disk.files(server);
        // The manifest has no checksum: Redis would not know it, and its tests count the lines.
        let own = |path: &Path| path.extension().is_some_and(|kind| kind == "rdb" || kind == "aof");
        let files: Vec<(PathBuf, u64)> =
            files.into_iter().filter(|(path, len)| own(path) && *len > 0).collect();
        if files.is_empty() {
            return "no file".to_owned();
        }
        let count = files.len() as u64;
        let (path, len) = &files[(which % count) as usize];
        let bit = which / count % (len * 8);
        self.disk.flip_bit(server, path, bit);
        let damage = format!("bit {} of byte {} of {} bytes of {}", bit % 8, bit / 8, len, path.display());
        self.tell(|| format!("flipped: {damage}"));
        film::mark("disk", "fault", 0, || format!("flipped: {damage}"));
        damage
    }

    /// Judges how a start ended. `whole`: what there was before its files were damaged.
    fn found(
        &mut self,
        started: Started,
        excuse: &Excuse,
        whole: Option<&[usize]>,
    ) -> Result<State, Failure> {
        let found = match (started, excuse) {
            (Started::Ready(found), _) => found,
            (Started::Died, _) => return Err(self.wrong(("power", "the power failed unasked".to_owned()))),
            (Started::Refused(why), Excuse::Nothing) => {
                return Err(self.wrong(("starts", format!("the start is refused: {why}"))));
            }
            (Started::Refused(_), Excuse::Damage(damage)) if !names_place() => {
                let what = format!("{damage}: refused without saying where");
                return Err(self.wrong(("place of damage", what)));
            }
            (Started::Refused(_), _) => {
                self.summary.refusals += 1;
                return Ok(State::Refused);
            }
        };
        let may_lose = match excuse {
            Excuse::Nothing | Excuse::Unreadable => false,
            // An end that reads as damaged may be cut off, as long as it is said.
            Excuse::Damage(_) => reports_loss(),
            Excuse::Lies => true,
        };
        let promised = if may_lose { Promised::Nothing } else { Promised::Floor };
        let units = self.judge(&found, promised);
        let Excuse::Damage(damage) = excuse else { return units.map(State::Up) };
        let units =
            units.map_err(|failure| Failure { text: format!("{damage}: {}", failure.text), ..failure })?;
        if whole.is_some_and(|whole| units != whole) && !may_lose {
            let what = format!("{damage}: {units:?} units of {whole:?} are left");
            return Err(self.wrong(("silent loss", what)));
        }
        Ok(State::Up(units))
    }

    pub(super) fn judge(&mut self, found: &[Found], promised: Promised) -> Result<Vec<usize>, Failure> {
        self.summary.recoveries += 1;
        self.notes.judge(found, promised).map_err(|what| self.wrong(what))
    }

    pub(super) fn restart(&self) {
        log::clear();
        self.server.restart();
    }

    /// Waits until the server is ready.
    pub(super) async fn ready(&mut self) -> Result<Started, Failure> {
        let server = self.server.machine().id();
        let seen = self.disk.failures(server);
        let began_ns = self.notes.now_ns();
        while self.notes.now_ns() - began_ns < PATIENCE.as_nanos() as u64 {
            let (keys, to) = (self.keys.clone(), self.server.address());
            let audit = self.auditor.spawn(async move { audit::audit(&keys, &to).await });
            let audited = time::timeout(Duration::from_secs(20), audit).await;
            if self.disk.failures(server) > seen {
                return Ok(Started::Died);
            }
            if let Some(how) = self.server.ended() {
                return match how {
                    Err(why) => Ok(Started::Refused(why)),
                    Ok(end) => Err(Failure::ended(&Ok(end))),
                };
            }
            match audited {
                Ok(Ok(Ok(Some(found)))) => {
                    self.disk.cancel_crash(server);
                    film::mark_since("server", "down", began_ns, || "not ready".to_owned());
                    return Ok(Started::Ready(found));
                }
                Ok(Ok(Err(error))) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Err(self.wrong(("types of keys", error.to_string())));
                }
                _ => {}
            }
            time::sleep(Duration::from_millis(5)).await;
        }
        Err(self.failure(How::Liveness, "starts", "the server does not get ready"))
    }
}

/// Whether the server has said that it cut something off.
fn reports_loss() -> bool {
    log::lines().iter().any(|line| line.to_lowercase().contains("truncat"))
}

/// Whether it has said where its files are damaged.
fn names_place() -> bool {
    log::lines().iter().any(|line| {
        let line = line.to_lowercase();
        ["offset", "at byte", "line"].iter().any(|word| line.contains(word))
    })
}
