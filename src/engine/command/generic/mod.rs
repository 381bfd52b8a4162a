//! Commands of the group generic.

use super::Command;

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[];
