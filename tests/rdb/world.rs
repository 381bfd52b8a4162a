//! A bare engine whose values go through payloads.

use crate::support::quoting;
use crate::support::reply::{self, Value};
use seedis::engine::config::Config;
use seedis::engine::keyspace::hash::HashLimits;
use seedis::engine::keyspace::{Entry, SetLimits, SortedSetLimits, list};
use seedis::engine::loopback::Loopback;
use seedis::engine::rdb::{Limits, Options, ValueEncoder, Writer, payload};

/// A server with one client.
pub struct World {
    loopback: Loopback,
    limits: Limits,
    client: usize,
}

impl World {
    /// A server without data; the same one each time.
    pub fn new() -> Self {
        let mut loopback = Loopback::new(Config::default(), 1).expect("the defaults are fine");
        let client = loopback.connect();
        let hasher = &loopback.server.hasher;
        let limits = Limits {
            list: list::Limits::new(-2),
            set: SetLimits {
                intset_entries: 512,
                listpack_entries: 128,
                listpack_value: 64,
                hasher: hasher.clone(),
            },
            sorted_set: SortedSetLimits { entries: 128, value: 64, hasher: hasher.clone() },
            hash: HashLimits { entries: 512, value: 64, hasher: hasher.clone() },
        };
        World { loopback, limits, client }
    }

    /// Sets a parameter.
    pub fn configure(&mut self, name: &str, value: &str) {
        assert_eq!(self.ask(&format!("CONFIG SET {name} {value}")), Value::Simple(b"OK".into()));
    }

    /// Lets milliseconds pass.
    pub fn advance(&mut self, milliseconds: u64) {
        self.loopback.advance(milliseconds * 1000);
    }

    /// The answer to a command as people write it.
    pub fn ask(&mut self, command: &str) -> Value {
        let words = quoting::split(command).expect("words");
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).bytes());
            request.extend(word);
            request.extend(b"\r\n");
        }
        self.loopback.send(self.client, &request);
        let heard = self.loopback.take_heard(self.client);
        let (value, len) = reply::parse(&heard).expect("a reply").expect("a whole reply");
        assert_eq!(len, heard.len(), "one reply to {command}");
        value
    }

    /// The payload of a key.
    pub fn dump(&mut self, key: &str, compress: bool) -> Vec<u8> {
        payload::dump(self.entry(key).duplicate(key.as_bytes()), compress)
    }

    /// The value of a key, written in steps of about so many bytes.
    pub fn dump_in_steps(&mut self, key: &str, compress: bool, about: usize) -> Vec<u8> {
        let options = Options { compress, ..Options::default() };
        let (mut value, mut writer) =
            (ValueEncoder::new(self.entry(key).duplicate(b"")), Writer::new(options));
        let mut bytes = Vec::new();
        while !value.step(&mut writer, about) {
            bytes.append(&mut writer.out);
        }
        bytes.append(&mut writer.out);
        bytes
    }

    /// The entry of a key.
    pub fn entry(&self, key: &str) -> &Entry {
        self.loopback.server.databases[0].lookup(key.as_bytes()).expect("the key is there")
    }

    /// Puts the value of a payload, whatever its checksum, under a key; says why not.
    pub fn restore(&mut self, key: &str, payload: &[u8]) -> Result<(), String> {
        let entry = payload::restore(payload, false, &self.limits, key.as_bytes(), None, 0);
        let entry = entry.map_err(|refusal| format!("{refusal:?}"))?;
        self.loopback.server.databases[0].put(entry);
        Ok(())
    }
}
