//! Transactions: <https://redis.io/docs/latest/develop/using-commands/transactions/>.

mod exec;
mod watch;

use super::{BASE, Command, Group};
use crate::engine::spec::Categories;

/// The topics of this group.
pub const TOPICS: &[&[Command]] = &[exec::COMMANDS, watch::COMMANDS];

const TRANSACTION: Command =
    Command { group: Group::Transactions, categories: Categories::TRANSACTION, ..BASE };
