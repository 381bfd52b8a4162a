//! Clients that do what no decent client does. They touch no key of others, and whatever they do, the others must be
//! served; what they themselves are told must still be right.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use madsim::runtime::NodeHandle;
use seedis::runtime::net::{Address, Stream};
use seedis::runtime::simulation::Draws;
use seedis::runtime::time;

use super::client::Seat;
use super::line::{Line, READ, within};
use super::recorder::Recorder;
use crate::resp::{self, Reply};
use crate::scenario::Nuisance;

/// How long one waits for anything before it gives up.
const PATIENCE: Duration = Duration::from_secs(3);

/// The same in a healthy world, where nothing but the server can be in the way.
const PEACEFUL_PATIENCE: Duration = Duration::from_secs(60);

/// Commands of a long pipeline.
const LONG: usize = 10_000;

/// Thousands of bytes that are sent while nothing is read.
const MOST_UNREAD: usize = 1_200;

/// Bytes of a value that is read slowly.
const VALUE: usize = 3_000;

/// Starts such a client on a node. It goes on until peace, and once more in it.
pub fn start(
    node: &NodeHandle,
    seed: u64,
    number: usize,
    what: Nuisance,
    address: Address,
    recorder: &Arc<Recorder>,
) -> Seat {
    let name = format!("{} {number}", what.kind().name());
    let draws = Draws::named(seed, &name);
    let mut pest = Pest { what, name: name.clone(), address, draws, recorder: recorder.clone() };
    Seat::new(name, node, async move {
        loop {
            let in_peace = pest.recorder.is_quiet();
            match pest.round().await {
                Ok(()) if in_peace => return,
                Ok(()) => {}
                Err(error) if in_peace => {
                    return pest.recorder.miss(format!("{} in a healthy world: {error}", pest.name));
                }
                Err(error) => pest.recorder.tell(|| format!("{}: {error}", pest.name)),
            }
            let pause_ms = pest.draws.between(20, 1_000);
            time::sleep(Duration::from_millis(pause_ms)).await;
        }
    })
}

struct Pest {
    what: Nuisance,
    name: String,
    address: Address,
    draws: Draws,
    recorder: Arc<Recorder>,
}

impl Pest {
    async fn round(&mut self) -> io::Result<()> {
        match self.what {
            Nuisance::SlowReader => self.read_slowly().await?,
            Nuisance::NeverReads => return self.never_read().await,
            Nuisance::DropInTransaction => self.drop_in_transaction().await?,
            Nuisance::LongPipeline => self.send_at_length().await?,
            Nuisance::OversizeBulk => self.announce_too_much().await?,
            Nuisance::Garbage => self.send_garbage().await?,
            Nuisance::ReconnectStorm => self.storm().await?,
            Nuisance::KilledWaiter => self.have_waiter_killed().await?,
        }
        self.what.kind().fired();
        Ok(())
    }

    async fn open(&self) -> io::Result<Talk> {
        let patience = if self.recorder.is_quiet() { PEACEFUL_PATIENCE } else { PATIENCE };
        let mut talk = Talk { line: Line::open(&self.address, patience, READ).await?, patience };
        // An answer of any kind: it may still be loading.
        talk.ask("PING").await?;
        Ok(talk)
    }

    /// Something is wrong that no fault excuses.
    fn complain(&self, what: String) -> io::Error {
        self.recorder.complain(format!("{}: {what}", self.name));
        io::ErrorKind::InvalidData.into()
    }

    fn expect(&self, what: &str, reply: &Reply, right: bool) -> io::Result<()> {
        match reply {
            _ if right => Ok(()),
            // It has just begun.
            Reply::Error(text) if text.starts_with(b"LOADING") => Err(io::ErrorKind::Interrupted.into()),
            _ => Err(self.complain(format!("{what} is answered by {reply:?}"))),
        }
    }

    async fn read_slowly(&mut self) -> io::Result<()> {
        let mut talk = self.open().await?;
        let (key, value) = (format!("nuisance:{}", self.name.replace(' ', "-")), vec![b'v'; VALUE]);
        talk.send(&[vec![b"SET".to_vec(), key.clone().into_bytes(), value.clone()]]).await?;
        let reply = talk.reply().await?;
        self.expect("SET", &reply, reply == Reply::ok())?;
        let count = self.draws.between(2, 10);
        talk.send(&vec![
            vec![b"GETRANGE".to_vec(), key.into_bytes(), b"0".to_vec(), b"-1".to_vec()];
            count as usize
        ])
        .await?;
        for _ in 0..count {
            talk.line.read = self.draws.between(16, 256) as usize;
            talk.line.pause = Duration::from_millis(1);
            let reply = talk.reply().await?;
            // Whoever restarts forgets.
            let right = matches!(&reply, Reply::Bulk(text) if text.is_empty() || *text == value);
            self.expect("GETRANGE", &reply, right)?;
        }
        Ok(())
    }

    /// Its replies fill every buffer on the way, then its requests do.
    async fn never_read(&mut self) -> io::Result<()> {
        let mut talk = self.open().await?;
        talk.patience = Duration::from_millis(self.draws.between(50, 500));
        let request = request(&["ECHO", &"e".repeat(1000)]);
        for _ in 0..MOST_UNREAD {
            match talk.write(&request).await {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                sent => sent?,
            }
        }
        // Either that is more than what the largest window holds, or it is stuck.
        self.what.kind().fired();
        let span_ms = self.draws.below(500);
        time::sleep(Duration::from_millis(span_ms)).await;
        Ok(())
    }

    /// Nothing of a transaction that nobody ended may happen.
    async fn drop_in_transaction(&mut self) -> io::Result<()> {
        let key = format!("nuisance:multi-{}", self.draws.draw());
        let mut talk = self.open().await?;
        talk.send_words(&["MULTI"]).await?;
        for _ in 0..self.draws.between(1, 20) {
            talk.send_words(&["SET", &key, "1"]).await?;
        }
        match self.draws.below(3) {
            0 => talk.line.stream.reset(),
            1 => drop(talk),
            _ => {
                talk.line.stream.shutdown_write()?;
                _ = within(PATIENCE, async {
                    while talk.line.reply().await.is_ok() {}
                    Ok(())
                })
                .await;
            }
        }
        let reply = self.open().await?.ask(&format!("EXISTS {key}")).await?;
        let loads = matches!(&reply, Reply::Error(text) if text.starts_with(b"LOADING"));
        self.expect("EXISTS of what a dropped transaction sets", &reply, loads || reply == Reply::Int(0))
    }

    /// Every command is answered, in its order.
    async fn send_at_length(&mut self) -> io::Result<()> {
        let mut talk = self.open().await?;
        let mut pipeline = Vec::new();
        for number in 0..LONG {
            pipeline.extend(request(&["ECHO", &number.to_string()]));
        }
        let (stream, mut sent) = (&mut talk.line.stream, 0);
        let (mut replies, mut count) = (Vec::new(), 0);
        // Both at once: neither side takes more than its buffers hold.
        while count < LONG {
            while sent < pipeline.len() {
                match stream.try_write(&pipeline[sent..]) {
                    Ok(written) => sent += written,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            let mut chunk = vec![0; 65_536];
            let read = within(talk.patience, stream.read(&mut chunk)).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            replies.extend(&chunk[..read]);
            let mut from = 0;
            while let Ok(Some((reply, length))) = resp::decode(&replies[from..]) {
                let loads = matches!(&reply, Reply::Error(text) if text.starts_with(b"LOADING"));
                self.expect("ECHO", &reply, loads || reply == Reply::Bulk(count.to_string().into_bytes()))?;
                (from, count) = (from + length, count + 1);
            }
            replies.drain(..from);
        }
        Ok(())
    }

    async fn announce_too_much(&mut self) -> io::Result<()> {
        let mut talk = self.open().await?;
        let head = *self.draws.pick(&[
            "*3\r\n$3\r\nSET\r\n$10\r\nnuisance:a\r\n$99999999999\r\n",
            "*3\r\n$3\r\nSET\r\n$536870913\r\nnuisance",
            "*1048577\r\n$3\r\nDEL\r\n",
            "*2\r\n$3\r\nGET\r\n$-5\r\n",
        ]);
        talk.write(head.as_bytes()).await?;
        // The largest number of arguments is the configuration's affair: it may wait for them.
        if head.starts_with("*1048577") {
            return Ok(());
        }
        let reply = match talk.reply().await {
            // It closes although there was more to read, so that its reply may be lost.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            reply => reply?,
        };
        let refused = matches!(&reply, Reply::Error(text) if text.starts_with(b"ERR Protocol error"));
        self.expect("a length that is too much", &reply, refused)?;
        match talk.reply().await {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(error),
            Err(_) => Ok(()),
            Ok(more) => self.expect("what follows a protocol error", &more, false),
        }
    }

    /// Anything may be answered, or nothing.
    async fn send_garbage(&mut self) -> io::Result<()> {
        let mut talk = self.open().await?;
        let mut bytes = vec![0; self.draws.between(1, 300) as usize];
        match self.draws.below(3) {
            0 => self.draws.fill(&mut bytes),
            // What almost makes sense.
            1 => bytes.iter_mut().for_each(|byte| *byte = *self.draws.pick(b"*$-+:0123456789\r\n\"' \0a")),
            _ => {
                bytes = request(&["SET", "nuisance:b", &"x".repeat(bytes.len())]);
                for _ in 0..self.draws.between(1, 4) {
                    let at = self.draws.below(bytes.len() as u64) as usize;
                    bytes[at] ^= 1 << self.draws.below(8);
                }
            }
        }
        talk.patience = Duration::from_millis(self.draws.below(100));
        // What the server says of it may be in the way of the rest.
        _ = talk.write(&bytes).await;
        for _ in 0..300 {
            if talk.next_within().await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn storm(&mut self) -> io::Result<()> {
        for _ in 0..self.draws.between(10, 40) {
            let Ok(mut stream) = within(PATIENCE, Stream::connect(&self.address)).await else { continue };
            match self.draws.below(4) {
                0 => stream.reset(),
                1 => drop(stream),
                2 => _ = stream.try_write(&request(&["PING"])[..self.draws.between(1, 14) as usize]),
                _ => {
                    _ = stream.try_write(&request(&["PING"]));
                    let span_us = self.draws.below(1_000);
                    time::sleep(Duration::from_micros(span_us)).await;
                }
            }
        }
        self.open().await.map(|_| ())
    }

    /// What comes for a client that was killed stays for the next.
    async fn have_waiter_killed(&mut self) -> io::Result<()> {
        let (mut waiter, mut killer) = (self.open().await?, self.open().await?);
        let Reply::Int(id) = waiter.ask("CLIENT ID").await? else { return Ok(()) };
        let key = format!("nuisance:list-{id}-{}", self.draws.draw());
        waiter.send_words(&["BLPOP", &key, "0"]).await?;
        let span_us = self.draws.below(20_000);
        time::sleep(Duration::from_micros(span_us)).await;
        let pushes_first = self.draws.chance(200_000);
        let orders = match pushes_first {
            // At once: it may be served before it is killed.
            true => [format!("RPUSH {key} a"), format!("CLIENT KILL ID {id}")],
            false => [format!("CLIENT KILL ID {id}"), format!("RPUSH {key} a")],
        };
        for order in &orders {
            let words: Vec<&str> = order.split(' ').collect();
            killer.send_words(&words).await?;
        }
        let replies = [killer.reply().await?, killer.reply().await?];
        if pushes_first || replies[0] != Reply::Int(1) || replies[1] != Reply::Int(1) {
            return Ok(());
        }
        match waiter.reply().await {
            Ok(reply) => self.expect("BLPOP of a client that was killed before", &reply, false)?,
            Err(error) if error.kind() == io::ErrorKind::TimedOut && self.recorder.is_quiet() => {
                return Err(error);
            }
            Err(_) => {}
        }
        let reply = killer.ask(&format!("LLEN {key}")).await?;
        self.expect("LLEN of what came for who was killed", &reply, reply == Reply::Int(1))
    }
}

/// A connection.
struct Talk {
    line: Line,
    patience: Duration,
}

impl Talk {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(self.patience, self.line.stream.write_all(bytes)).await
    }

    async fn send(&mut self, requests: &[Vec<Vec<u8>>]) -> io::Result<()> {
        within(self.patience, self.line.send(requests)).await
    }

    async fn send_words(&mut self, words: &[&str]) -> io::Result<()> {
        self.write(&request(words)).await
    }

    async fn ask(&mut self, line: &str) -> io::Result<Reply> {
        let words: Vec<&str> = line.split(' ').collect();
        self.send_words(&words).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> io::Result<Reply> {
        within(self.patience, self.line.reply()).await
    }

    /// A reply, or whatever ends the wait for one.
    async fn next_within(&mut self) -> io::Result<()> {
        self.reply().await.map(|_| ())
    }
}

fn request(words: &[&str]) -> Vec<u8> {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let mut bytes = Vec::new();
    resp::encode(&words, &mut bytes);
    bytes
}
