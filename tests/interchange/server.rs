//! A real server, and how requests are sent to it.

use crate::Answers;
use crate::support::reply::{self, Value};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A request as RESP has it.
pub fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend_from_slice(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// A server that was started here and is stopped when it goes.
pub struct Server {
    process: Child,
    stream: Option<TcpStream>,
}

impl Server {
    /// The server whose command line is in a variable, if it is set.
    pub fn start(variable: &str) -> Option<Server> {
        let command = std::env::var(variable).ok()?;
        let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = listener.expect("a free port").port();
        let directory = std::env::temp_dir().join(format!("seedis-rdb-{port}"));
        std::fs::create_dir_all(&directory).expect("a directory for the server");
        let command =
            command.replace("{port}", &port.to_string()).replace("{dir}", &directory.to_string_lossy());
        let line = format!("exec env {command} --enable-debug-command yes");
        let spawned = Command::new("sh").args(["-c", &line]).stdout(Stdio::null()).spawn();
        let mut server = Server { process: spawned.expect("a shell"), stream: None };
        for _ in 0..200 {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket has a time-out");
                server.stream = Some(stream);
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{line}: does not listen");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answers for Server {
    fn ask(&mut self, words: &[&[u8]]) -> Value {
        let stream = self.stream.as_mut().expect("it is connected");
        stream.write_all(&request(words)).expect("the server listens");
        let (mut heard, mut chunk) = (Vec::new(), [0; 64 << 10]);
        loop {
            let count = stream.read(&mut chunk).expect("the server answers");
            assert!(count > 0, "the server is gone");
            heard.extend_from_slice(&chunk[..count]);
            if let Some((value, _)) = reply::parse(&heard).expect("a reply") {
                return value;
            }
        }
    }
}
