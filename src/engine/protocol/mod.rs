//! RESP2 and RESP3: bytes to requests, replies to bytes.
//!
//! Knows nothing about keys, commands or clients. Formats: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

pub mod reply;
pub mod request;

pub use reply::Reply;
pub use request::{Args, Argv, Limits, Parser, Problem, Range, Step};

/// Writes a type's byte and a count: the line that begins an array, a bulk string, ...
#[inline]
fn header(out: &mut Vec<u8>, kind: u8, count: usize) {
    if count < 10 {
        out.extend_from_slice(&[kind, b'0' + count as u8, b'\r', b'\n']);
        return;
    }
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(count).as_bytes();
    out.reserve(digits.len() + 3);
    out.push(kind);
    out.extend_from_slice(digits);
    out.extend_from_slice(b"\r\n");
}
