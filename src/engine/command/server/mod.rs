//! Commands of the group server.

use super::Command;

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[];
