//! Commands about the connection itself.

mod greeting;

use super::{BASE, Command, Group};
use crate::engine::spec::Categories;

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[greeting::COMMANDS];

const CONNECTION: Command = Command { group: Group::Connection, categories: Categories::CONNECTION, ..BASE };
