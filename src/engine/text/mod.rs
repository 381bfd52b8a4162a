//! Pure functions over bytes: globs, numbers, quoting, checksums, digests.
//!
//! Nothing here keeps state, knows a key or a command, or imports another room. Each function has the
//! observable behaviour of its namesake in Redis, which its tests state.

pub mod ascii;
pub mod crc16;
pub mod crc32c;
pub mod crc64;
pub mod glob;
pub mod lcs;
pub mod long_double;
pub mod murmur;
pub mod number;
pub mod pattern;
pub mod quote;
pub mod sha1;
pub mod sha256;
pub mod split;
pub mod xxh3;
