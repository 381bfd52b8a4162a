//! What several test programs share.

// Each program uses its own part.
#![allow(dead_code)]

pub mod quoting;
pub mod readable;
pub mod reply;
