//! Commands of the group pubsub.

use super::Command;

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[];
