//! Writing files.

use super::opcode;
use super::value::ValueEncoder;
use super::writer::{Options, Writer};
use crate::engine::keyspace::Entry;
use crate::engine::mutant;
use crate::engine::text::crc64::Crc64;

/// What the aux fields of a file say.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    /// The version of Redis that the file claims to be written by: `redis-ver`.
    pub version: &'a str,
    /// When it was written, in Unix seconds.
    pub created: i64,
    /// Memory used then.
    pub used_memory: u64,
    /// Whether an append-only file begins with this file.
    pub is_aof_base: bool,
    /// More fields, such as those of replication.
    pub more: &'a [(&'a str, &'a str)],
}

/// How a key was used, for eviction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Not for so many seconds.
    Idle(u64),
    /// So often: the counter of LFU.
    Frequency(u8),
}

/// Writes a file. What was written lies in a buffer until it is taken away, which should be done whenever
/// there is some.
pub struct FileWriter {
    writer: Writer,
    sum: Option<Crc64>,
    current: Option<ValueEncoder>,
}

impl FileWriter {
    /// Begins a file. Without a checksum its place holds 0.
    pub fn new(options: Options, checksum: bool, header: &Header) -> Self {
        let mut file =
            Self { writer: Writer::new(options), sum: checksum.then(Crc64::default), current: None };
        file.writer.out.extend_from_slice(format!("REDIS{:04}", options.version).as_bytes());
        file.aux("redis-ver", header.version);
        file.aux("redis-bits", &usize::BITS.to_string());
        file.aux("ctime", &header.created.to_string());
        file.aux("used-mem", &header.used_memory.to_string());
        header.more.iter().for_each(|(name, value)| file.aux(name, value));
        file.aux("aof-base", if header.is_aof_base { "1" } else { "0" });
        file
    }

    fn aux(&mut self, name: &str, value: &str) {
        self.writer.byte(opcode::AUX);
        self.writer.string(name.as_bytes());
        self.writer.string(value.as_bytes());
    }

    /// Writes a library of functions, given as its source.
    pub fn function(&mut self, source: &[u8]) {
        self.writer.byte(opcode::FUNCTION2);
        self.writer.string(source);
    }

    /// Says which database the entries that follow belong to, and how many there will be about. A database
    /// may come more than once.
    pub fn database(&mut self, number: usize, keys: usize, expiring: usize) {
        self.writer.byte(opcode::SELECTDB);
        self.writer.length(number as u64);
        self.writer.byte(opcode::RESIZEDB);
        self.writer.length(keys as u64);
        self.writer.length(expiring as u64);
    }

    /// Begins an entry. It has to be stepped through before anything else is written.
    pub fn begin(&mut self, entry: Entry, access: Option<Access>) {
        debug_assert!(self.current.is_none(), "an entry at a time");
        let writer = &mut self.writer;
        if let Some(at) = entry.expires_at()
            && !mutant::is_on("lost-expire")
        {
            writer.byte(opcode::EXPIRETIME_MS);
            writer.i64(at);
        }
        match access {
            Some(Access::Idle(seconds)) => {
                writer.byte(opcode::IDLE);
                writer.length(seconds);
            }
            Some(Access::Frequency(counter)) => {
                writer.byte(opcode::FREQ);
                writer.byte(counter);
            }
            None => {}
        }
        let value = ValueEncoder::new(entry);
        writer.byte(value.kind(writer.options()));
        writer.string(value.entry().key());
        self.current = Some(value);
    }

    /// Writes about so many bytes of the entry that was begun. When that was all of it, gives the entry back,
    /// to be freed when there is time.
    pub fn step(&mut self, about: usize) -> Option<Entry> {
        let value = self.current.as_mut()?;
        if value.step(&mut self.writer, about) {
            self.current.take().map(ValueEncoder::into_entry)
        } else {
            None
        }
    }

    /// Whether an entry was begun and is not done.
    pub fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// How many bytes lie in the buffer.
    pub fn buffered(&self) -> usize {
        self.writer.out.len()
    }

    /// Shows what was written since the last time, and forgets it.
    pub fn take<R>(&mut self, shown: impl FnOnce(&[u8]) -> R) -> R {
        if let Some(sum) = &mut self.sum {
            sum.update(&self.writer.out);
        }
        let result = shown(&self.writer.out);
        self.writer.out.clear();
        result
    }

    /// Ends the file. The rest of it lies in the buffer.
    pub fn finish(mut self) -> Vec<u8> {
        self.writer.byte(opcode::EOF);
        let sum = self.sum.take().map_or(0, |mut sum| {
            sum.update(&self.writer.out);
            sum.value()
        });
        self.writer.out.extend_from_slice(&sum.to_le_bytes());
        self.writer.out
    }
}
