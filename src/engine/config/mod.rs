//! Configuration parameters: one row each drives files, arguments, CONFIG GET, SET and REWRITE, and the
//! reference page.
//!
//! A parameter is declared in the table of its section ([`table`] says how), which makes it a typed
//! field of [`Config`], an identity in [`Param`] and a [`Row`] in [`TABLE`]. How a value is read and
//! written belongs to the type of the field: plain ones are in [`scalar`], words in [`choice`], the rest in
//! [`compound`].
//!
//! Nothing here does I/O: files arrive as text, included ones through a callback, and what a changed
//! parameter sets in motion is up to the caller of [`Config::set`].

mod arguments;
mod check;
mod choice;
mod compound;
mod cpus;
mod load;
mod page;
mod rewrite;
mod row;
mod scalar;
mod set;
pub mod syntax;
#[cfg(test)]
mod tests;

#[macro_use]
mod network;
#[macro_use]
mod tls;
#[macro_use]
mod general;
#[macro_use]
mod memory;
#[macro_use]
mod encodings;
#[macro_use]
mod persistence;
#[macro_use]
mod replication;
#[macro_use]
mod cluster;
#[macro_use]
mod security;
#[macro_use]
mod logging;
#[macro_use]
mod scripting;
mod table;

use crate::engine::text::glob;

pub use arguments::Arguments;
pub use check::TITLE_VARIABLES;
pub use choice::*;
pub use compound::*;
pub use cpus::cpu_list;
pub use load::{Directive, Directives, Include, LoadError, Place, REDIS_VERSION, Sources};
pub use page::reference_page;
pub use row::{Flag, Reason, Row};
pub use scalar::MemoryOrPercent;
pub use set::{Origin, SetError};
pub use table::{Config, Param, TABLE};

/// A text default.
fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Every name and alias with its row, sorted, for [`find`].
const NAMES: [(&str, usize); name_count()] = sorted_names();

const fn name_count() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < TABLE.len() {
        count += 1 + TABLE[at].alias.is_some() as usize;
        at += 1;
    }
    count
}

const fn sorted_names() -> [(&'static str, usize); name_count()] {
    let mut names = [("", 0); name_count()];
    let (mut count, mut row) = (0, 0);
    while row < TABLE.len() {
        let candidates = [Some(TABLE[row].name), TABLE[row].alias];
        let mut candidate = 0;
        while candidate < 2 {
            if let Some(name) = candidates[candidate] {
                let mut at = count;
                while at > 0 && less(name, names[at - 1].0) {
                    names[at] = names[at - 1];
                    at -= 1;
                }
                names[at] = (name, row);
                count += 1;
            }
            candidate += 1;
        }
        row += 1;
    }
    names
}

const fn less(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] < right[at];
        }
        at += 1;
    }
    left.len() < right.len()
}

/// The parameter of a name or alias, whatever its case.
pub fn find(name: &[u8]) -> Option<&'static Row> {
    // Longer than any: not worth a copy.
    if name.len() > 64 {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let at = NAMES.binary_search_by(|(known, _)| known.as_bytes().cmp(&name)).ok()?;
    Some(&TABLE[NAMES[at].1])
}

/// The longest string in bytes, whatever `proto-max-bulk-len` says: what an element of a collection can hold.
const STRING_MAX: u64 = u32::MAX as u64;

impl Config {
    /// How long an argument or a string may become, in bytes.
    pub fn longest_string(&self) -> u64 {
        self.proto_max_bulk_len.min(STRING_MAX)
    }

    /// The port that the server is known by: that of plain connections, or that of TLS if there are none.
    pub fn main_port(&self) -> u16 {
        if self.port != 0 { self.port } else { self.tls_port }
    }

    /// The names that CONFIG GET gives for some patterns, each once, with their values: those of the
    /// first pattern first, in the order of [`TABLE`]. A name without wildcards is given as it was asked
    /// for, and finds hidden parameters too.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut add = |name: &[u8], row: &Row| {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                found.push((name.to_vec(), row.show(self)));
            }
        };
        for &pattern in patterns {
            if !pattern.iter().any(|byte| matches!(byte, b'[' | b'*' | b'?')) {
                if let Some(row) = find(pattern) {
                    add(pattern, row);
                }
                continue;
            }
            for row in TABLE.iter().filter(|row| !row.is(Flag::Hidden)) {
                for name in [Some(row.name), row.alias].into_iter().flatten() {
                    if glob::matches(pattern, name.as_bytes(), true) {
                        add(name.as_bytes(), row);
                    }
                }
            }
        }
        found
    }

    /// Brings values that are taken as hints within what the server can do.
    fn settle(&mut self) {
        self.hz = self.hz.clamp(1, 500);
        self.repl_backlog_size = self.repl_backlog_size.max(16 << 10);
    }

    /// Why a parameter contradicts another one, seen from `param`.
    fn conflict(&self, param: Param) -> Option<Reason> {
        let sparse_is_never_full =
            self.array_sparse_kmax == 0 || self.array_sparse_kmin < self.array_sparse_kmax;
        match param {
            _ if sparse_is_never_full => None,
            Param::array_sparse_kmin => Some("array-sparse-kmin must be less than array-sparse-kmax".into()),
            Param::array_sparse_kmax => {
                Some("array-sparse-kmax must be greater than array-sparse-kmin when non-zero".into())
            }
            _ => None,
        }
    }
}
