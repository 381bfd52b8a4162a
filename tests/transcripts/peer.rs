//! A real server at the other end of a TCP connection.

use crate::case::request;
use crate::play::{Playable, values};
use crate::support::reply;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server may take to come around to a request.
const TURN: Duration = Duration::from_millis(200);

/// A server, stopped when it goes if it was started here.
pub struct Peer {
    port: u16,
    process: Option<Child>,
}

impl Peer {
    /// The server of that name in `SEEDIS_PEERS`, or one started with the command line in `variable`.
    pub fn find(name: &str, variable: &str) -> Option<Peer> {
        let peers = std::env::var("SEEDIS_PEERS").unwrap_or_default();
        let running = peers
            .split_whitespace()
            .find_map(|peer| peer.strip_prefix(name)?.strip_prefix(':')?.parse().ok());
        if let Some(port) = running {
            return Some(Peer { port, process: None });
        }
        Some(Peer::start(&std::env::var(variable).ok()?))
    }

    fn start(command: &str) -> Peer {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let directory = std::env::temp_dir().join(format!("seedis-peer-{port}"));
        std::fs::create_dir_all(&directory).expect("a directory for the server");
        let command =
            command.replace("{port}", &port.to_string()).replace("{dir}", &directory.to_string_lossy());
        let process =
            Command::new("sh").args(["-c", &format!("exec env {command}")]).stdout(Stdio::null()).spawn();
        let peer = Peer { port, process: Some(process.expect("a shell")) };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return peer;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{command}: does not listen");
    }

    /// The server without data, for one case.
    pub fn session(&self) -> Session {
        let mut session = Session { port: self.port, connections: Vec::new(), restore: Vec::new() };
        session.connect();
        let commands = [
            "FLUSHALL SYNC",
            "CONFIG RESETSTAT",
            "SLOWLOG RESET",
            "CLIENT UNPAUSE",
            "ACL DELUSER alice bob",
            "ACL LOG RESET",
            "FUNCTION FLUSH",
        ];
        for command in commands {
            session.ask(&command.split(' ').collect::<Vec<_>>());
        }
        session.connections.clear();
        session
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may be gone already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The connections of one case.
pub struct Session {
    port: u16,
    connections: Vec<TcpStream>,
    /// Parameters the case has set, with their values before.
    restore: Vec<(String, String)>,
}

impl Session {
    /// A command on the first connection, which must not fail.
    fn ask(&mut self, words: &[&str]) -> Vec<u8> {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let answer = self.feed(0, &request(&words), 1).expect("the server answers");
        assert!(!answer.starts_with(b"-"), "{}", String::from_utf8_lossy(&answer));
        answer
    }

    /// Notes the value of a parameter before a case sets it.
    fn remember(&mut self, bytes: &[u8]) {
        let Ok(Some((reply::Value::Array(words), _))) = reply::parse(bytes) else { return };
        let words: Vec<String> = words
            .iter()
            .filter_map(|word| match word {
                reply::Value::Bulk(word) => Some(String::from_utf8_lossy(word).into_owned()),
                _ => None,
            })
            .collect();
        let [config, set, name, _] = &words[..] else { return };
        if config.eq_ignore_ascii_case("config") && set.eq_ignore_ascii_case("set") {
            let mut other = Session { port: self.port, connections: Vec::new(), restore: Vec::new() };
            other.connect();
            let answer = values(&other.ask(&["CONFIG", "GET", name]));
            if let Ok([reply::Value::Array(pair)]) = answer.as_deref()
                && let [_, reply::Value::Bulk(value)] = &pair[..]
            {
                self.restore.push((name.clone(), String::from_utf8_lossy(value).into_owned()));
            }
        }
    }
}

impl Session {
    /// Waits until the server has run what was sent and will not be answered yet (BLPOP): a later
    /// request of somebody else is answered then. A server that is paused answers nobody.
    fn pass_a_turn(&self) {
        let answered = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut other| {
            other.set_read_timeout(Some(TURN))?;
            other.write_all(b"PING\r\n")?;
            other.read(&mut [0; 64])
        });
        // Without an answer the case shows what is wrong.
        let _ = answered;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let restore = std::mem::take(&mut self.restore);
        if restore.is_empty() {
            return;
        }
        self.connections.clear();
        self.connect();
        for (name, value) in restore.iter().rev() {
            self.ask(&["CONFIG", "SET", name, value]);
        }
    }
}

impl Playable for Session {
    fn connect(&mut self) -> usize {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has a time-out");
        stream.set_nodelay(true).expect("a socket has options");
        self.connections.push(stream);
        self.connections.len() - 1
    }

    fn feed(&mut self, connection: usize, bytes: &[u8], replies: usize) -> Result<Vec<u8>, String> {
        self.remember(bytes);
        let stream = &mut self.connections[connection];
        stream.write_all(bytes).map_err(|error| error.to_string())?;
        if replies == 0 && !bytes.is_empty() {
            self.pass_a_turn();
        }
        let stream = &mut self.connections[connection];
        let mut heard = Vec::new();
        let mut chunk = [0; 64 * 1024];
        while count(&heard)? < replies {
            match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => heard.extend(&chunk[..length]),
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                    return Err(format!("only this came: {}", String::from_utf8_lossy(&heard)));
                }
                // A reset after the last reply is an end like any other.
                Err(_) => break,
            }
        }
        Ok(heard)
    }

    fn advance(&mut self, milliseconds: u64) {
        // A real server has no other clock.
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    fn effects(&mut self) -> Option<Vec<String>> {
        None
    }
}

fn count(mut bytes: &[u8]) -> Result<usize, String> {
    let mut count = 0;
    while let Some((_, length)) = reply::parse(bytes)? {
        (bytes, count) = (&bytes[length..], count + 1);
        if bytes.is_empty() {
            break;
        }
    }
    Ok(count)
}
