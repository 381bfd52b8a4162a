//! RESP2 and RESP3: bytes to requests, replies to bytes.
//!
//! Knows nothing about keys, commands or clients. Formats: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

pub mod reply;
pub mod request;

pub use reply::Reply;
pub use request::{Args, Argv, Limits, Parser, Problem, Range, Step};
