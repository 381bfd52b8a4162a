//! The append-only file as bytes: its manifest, what is appended, and what can be read back.
//!
//! A directory holds the parts of one history, and the manifest says in which order they are read:
//!
//! ```text
//! appendonlydir/
//!   appendonly.aof.manifest        file appendonly.aof.2.base.rdb seq 2 type b
//!                                  file appendonly.aof.3.incr.aof seq 3 type i
//!   appendonly.aof.2.base.rdb      a snapshot: an RDB file, or commands (.base.aof)
//!   appendonly.aof.3.incr.aof      the commands since
//! ```
//!
//! An incremental file is a row of commands (arrays of bulk strings) and annotations, which are lines that
//! begin with `#` and that Redis and Valkey read over:
//!
//! ```text
//! #TS:1735689600\r\n                          the time at which what follows was executed
//! *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n   a unit: a command, or MULTI, commands and EXEC
//! #GRP\r\n                                    what follows counts only with the checksum that comes next
//! #CRC:0a1b2c3d\r\n                           the checksum of what stands since the last such line
//! #SYN:4e5f6071\r\n                           the same, and that all before it had reached the medium
//! #empty\r\n                                  in a base: another server wrote it, without a byte, since it had no keys
//! ```
//!
//! Nothing here opens a file: bytes come in, and bytes, offsets and log lines come out.

pub mod blocks;
pub mod checksum;
pub mod frame;
pub mod manifest;
pub mod message;
pub mod recovery;
mod rewrite;
pub mod scan;

pub use frame::Writer;
pub use manifest::Manifest;
pub use rewrite::Rewrite;
pub use scan::Scanner;
