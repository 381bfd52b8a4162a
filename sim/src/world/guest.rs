//! A client with few rights, and one that gives and takes them: what it may not do is refused, whichever way it asks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::NodeHandle;
use seedis::runtime::net::Address;
use seedis::runtime::simulation::Draws;
use seedis::runtime::time;

use super::client::{Connection, Seat};
use super::recorder::Recorder;
use crate::resp::Reply;

/// It may do these things to its own keys and channels, and read those of others.
const RIGHTS: &str = "ACL SETUSER guest reset on nopass ~guest:* %R~g0:* resetchannels &guest:* \
                      +get +set +mget +mset +copy +eval +multi +exec +publish +subscribe +ping +hello +auth";

/// Rounds once nothing goes wrong any more.
const PEACEFUL_ROUNDS: usize = 5;

/// The guest and its host, on a node.
pub fn start(node: &NodeHandle, seed: u64, address: Address, recorder: &Arc<Recorder>) -> Seat {
    let (draws, recorder) = (Draws::named(seed, "guest"), recorder.clone());
    Seat::new("guest".to_owned(), node, async move {
        let mut in_peace = 0;
        // Orders of earlier hosts that were not answered: each may come late, and throw a guest out or take a right.
        let mut unanswered = 0;
        let mut draws = draws;
        while in_peace < PEACEFUL_ROUNDS {
            let opened_in_peace = recorder.is_quiet();
            let Ok(mut visit) = Visit::open(&address, &recorder, unanswered > 0).await else {
                time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            if visit.begin().await.is_err() {
                unanswered += usize::from(visit.ordering);
                time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            while in_peace < PEACEFUL_ROUNDS {
                let peace = recorder.is_quiet();
                match visit.round(&mut draws).await {
                    Ok(true) => in_peace += usize::from(peace),
                    // It was thrown out.
                    Ok(false) => {
                        in_peace += usize::from(peace);
                        break;
                    }
                    Err(error) => {
                        if visit.ordering {
                            unanswered += 1;
                        } else if unanswered > 0 {
                            unanswered -= 1;
                        } else if opened_in_peace {
                            recorder.miss(format!("a guest in a healthy world: {error}"));
                        }
                        break;
                    }
                }
                time::sleep(Duration::from_micros(draws.below(100_000))).await;
            }
        }
    })
}

/// How a request must be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Denied,
}
use Verdict::{Allowed, Denied};

/// What the guest asks for, each with what it must be told.
const REQUESTS: &[(&str, Verdict)] = &[
    ("SET guest:a 1", Allowed),
    ("GET guest:a", Allowed),
    ("MSET guest:a 1 guest:b 2", Allowed),
    ("MGET guest:a g0:none", Allowed),
    ("COPY g0:none guest:b", Allowed),
    ("PUBLISH guest:news 1", Allowed),
    ("GET g1:none", Denied),
    ("SET g0:none 1", Denied),
    ("MSET guest:a 1 g1:none 2", Denied),
    ("MSET guest:a 1 g0:none 2", Denied),
    ("MGET guest:a g1:none", Denied),
    ("COPY guest:a g0:none", Denied),
    ("DEL guest:a", Denied),
    ("PUBLISH news 1", Denied),
    ("SUBSCRIBE news", Denied),
    ("ACL SETUSER guest ~*", Denied),
];

struct Visit {
    host: Connection,
    guest: Connection,
    /// The host has given an order that is not answered.
    ordering: bool,
    /// An order of an earlier host may come in between, and delete the guest or take a right.
    late: bool,
}

impl Visit {
    async fn open(address: &Address, recorder: &Arc<Recorder>, late: bool) -> io::Result<Self> {
        let host = Connection::open(address, recorder, "host").await?;
        let guest = Connection::open(address, recorder, "guest").await?;
        Ok(Visit { host, guest, ordering: false, late })
    }

    /// The guest gets its rights and makes itself known.
    async fn begin(&mut self) -> io::Result<()> {
        self.order(RIGHTS).await?;
        match ask(&mut self.guest, &words("AUTH guest any")).await? {
            reply if reply == Reply::ok() => Ok(()),
            Reply::Error(text) if self.late && text.starts_with(b"WRONGPASS") => {
                Err(io::ErrorKind::PermissionDenied.into())
            }
            other => Err(self.guest.complain(format!("AUTH is answered by {other:?}"))),
        }
    }

    /// The host changes the users.
    async fn order(&mut self, line: &str) -> io::Result<()> {
        self.ordering = true;
        let reply = ask(&mut self.host, &words(line)).await?;
        self.ordering = false;
        match reply {
            Reply::Error(text) => {
                Err(self.host.complain(format!("{line} is answered by {}", text.escape_ascii())))
            }
            _ => Ok(()),
        }
    }

    /// Does something and looks whether it is allowed. Returns whether the guest is still there.
    async fn round(&mut self, draws: &mut Draws) -> io::Result<bool> {
        let (line, verdict) = *draws.pick(REQUESTS);
        match draws.below(10) {
            0..5 => {
                let reply = ask(&mut self.guest, &words(line)).await?;
                self.judge(line, verdict, &reply)?;
            }
            5..7 => self.in_script(line, verdict).await?,
            7 => self.in_transaction(line, verdict).await?,
            8 => self.in_time().await?,
            _ => {
                self.order("ACL DELUSER guest").await?;
                return match ask(&mut self.guest, &words("GET guest:a")).await {
                    Ok(reply) => {
                        Err(self.guest.complain(format!("a user that is gone is answered {reply:?}")))
                    }
                    Err(_) => Ok(false),
                };
            }
        }
        Ok(true)
    }

    fn judge(&self, line: &str, verdict: Verdict, reply: &Reply) -> io::Result<()> {
        let denied = matches!(reply, Reply::Error(text) if text.starts_with(b"NOPERM") ||
                              text.starts_with(b"ERR ACL failure"));
        if denied == (verdict == Denied) {
            return Ok(());
        }
        let what = format!("{line}, which is {verdict:?}, is answered by {reply:?}");
        Err(if denied { self.lacks(what, reply) } else { self.guest.complain(what) })
    }

    /// The guest may not do what it has a right to. Only a late order excuses that, and only a refusal.
    fn lacks(&self, what: String, reply: &Reply) -> io::Error {
        let refusals: [&[u8]; 3] = [b"NOPERM", b"ERR ACL failure", b"EXECABORT"];
        let refused =
            matches!(reply, Reply::Error(text) if refusals.iter().any(|start| text.starts_with(start)));
        if self.late && refused {
            return io::ErrorKind::PermissionDenied.into();
        }
        self.guest.complain(what)
    }

    async fn in_script(&mut self, line: &str, verdict: Verdict) -> io::Result<()> {
        if line.starts_with("SUBSCRIBE") || line.starts_with("ACL") {
            return Ok(());
        }
        let mut call = words("EVAL SCRIPT 0");
        call[1] = b"return redis.pcall(unpack(ARGV))".to_vec();
        call.extend(words(line));
        let reply = ask(&mut self.guest, &call).await?;
        self.judge(&format!("{line} in a script"), verdict, &reply)
    }

    /// A command that cannot be queued fails the whole.
    async fn in_transaction(&mut self, line: &str, verdict: Verdict) -> io::Result<()> {
        ask(&mut self.guest, &words("MULTI")).await?;
        ask(&mut self.guest, &words("SET guest:a 2")).await?;
        let queued = ask(&mut self.guest, &words(line)).await?;
        self.judge(&format!("{line} in MULTI"), verdict, &queued)?;
        let reply = ask(&mut self.guest, &words("EXEC")).await?;
        let ran = matches!(reply, Reply::Array(_));
        if ran == (verdict == Allowed) {
            return Ok(());
        }
        let what = format!("EXEC after {line}, which is {verdict:?}, is answered by {reply:?}");
        Err(if ran { self.guest.complain(what) } else { self.lacks(what, &reply) })
    }

    /// A right that is gone when EXEC comes is not there.
    async fn in_time(&mut self) -> io::Result<()> {
        ask(&mut self.guest, &words("MULTI")).await?;
        ask(&mut self.guest, &words("SET guest:a 3")).await?;
        ask(&mut self.guest, &words("GET guest:a")).await?;
        self.order("ACL SETUSER guest -set").await?;
        let reply = ask(&mut self.guest, &words("EXEC")).await?;
        self.order("ACL SETUSER guest +set").await?;
        match &reply {
            Reply::Array(replies) if replies.len() == 2 => {
                // A late order of an earlier host may have given it back.
                if !self.late {
                    self.judge("SET in EXEC without the right", Denied, &replies[0])?;
                }
                self.judge("GET in EXEC", Allowed, &replies[1])
            }
            other => Err(self.lacks(format!("EXEC is answered by {other:?}"), other)),
        }
    }
}

async fn ask(connection: &mut Connection, words: &[Vec<u8>]) -> io::Result<Reply> {
    connection.send(&[words]).await?;
    connection.reply().await
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect()
}
