//! A server process with a directory of its own, and connections to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The program under test: what was built beside the tests, or another that `SEEDIS_PROGRAM` names in full, as in
/// `SEEDIS_PROGRAM=$PWD/target/release/seedis SEEDIS_KILLS=100 cargo test --test operation crash::`.
pub const PROGRAM: &str = match option_env!("SEEDIS_PROGRAM") {
    Some(program) => program,
    None => env!("CARGO_BIN_EXE_seedis"),
};

/// Numbers the directories of this process.
static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

/// An empty directory, removed when dropped.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Self {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("seedis-operation-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // One that was given away has no name.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server that listens on a unix socket only.
pub struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    pub log: String,
    pub directory: Arc<Directory>,
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub fn start(arguments: &[&str]) -> Self {
        Server::start_in(&Arc::new(Directory::new()), arguments)
    }

    /// Starts a server where one was before, and waits until it is ready.
    pub fn start_in(directory: &Arc<Directory>, arguments: &[&str]) -> Self {
        let mut server = Server::launch(Command::new(PROGRAM), directory, arguments);
        server.wait_for("Ready to accept connections");
        server
    }

    /// Starts a server that will not serve; gives what it logged.
    pub fn refused_in(directory: &Arc<Directory>, arguments: &[&str]) -> String {
        let mut server = Server::launch(Command::new(PROGRAM), directory, arguments);
        assert_eq!(server.wait().code(), Some(1), "{}", server.log);
        std::mem::take(&mut server.log)
    }

    /// Starts a server by a command that takes its arguments, and waits for nothing.
    pub fn launch(mut command: Command, directory: &Arc<Directory>, arguments: &[&str]) -> Self {
        let mut child = command
            .args(["--port", "0", "--unixsocket", "socket", "--pidfile", "pid"])
            .args(arguments)
            .current_dir(&directory.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Server { child, output, log: String::new(), directory: directory.clone() }
    }

    /// Reads the log until a line holds `text`.
    pub fn wait_for(&mut self, text: &str) {
        loop {
            let before = self.log.len();
            let read = self.output.read_line(&mut self.log).unwrap();
            assert!(read > 0, "the log ends before {text:?}:\n{}", self.log);
            if self.log[before..].contains(text) {
                return;
            }
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.0.join("socket")
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.socket())
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn send_signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Sends a signal by name and waits for the end.
    pub fn signal(&mut self, name: &str) -> ExitStatus {
        self.send_signal(name);
        self.wait()
    }

    /// Ends it as a crash does: nothing is told to it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.wait();
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        self.output.read_to_string(&mut self.log).unwrap();
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of few words.
pub struct Client {
    pub stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Client {
    pub fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Client { stream, reader }
    }

    /// Sends one command and gives its reply.
    pub fn call(&mut self, words: &[&str]) -> String {
        self.stream.write_all(&request(words)).unwrap();
        self.reply()
    }

    /// Sends bytes and waits for nothing.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next reply: the text of a simple one, the bytes of a bulk one, elements between spaces.
    pub fn reply(&mut self) -> String {
        self.try_reply().expect("the connection ended")
    }

    /// The next reply, or `None` at the end of the connection.
    pub fn try_reply(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        // Less than a line is what a server left that was killed.
        if !line.ends_with('\n') {
            return None;
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let count = || rest.parse::<i64>().unwrap();
        match kind {
            "$" if count() < 0 => Some("(nil)".to_owned()),
            "$" => {
                let mut bytes = vec![0; count() as usize + 2];
                self.reader.read_exact(&mut bytes).ok()?;
                bytes.truncate(count() as usize);
                Some(String::from_utf8(bytes).unwrap())
            }
            "*" => {
                let parts: Option<Vec<String>> = (0..count().max(0)).map(|_| self.try_reply()).collect();
                Some(parts?.join(" "))
            }
            _ => Some(rest.to_owned()),
        }
    }
}

/// A command in RESP.
pub fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
    bytes
}
