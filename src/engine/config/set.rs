//! CONFIG SET: all of the pairs or none.

use std::fmt;

use super::row::{Flag, Reason, Row};
use super::{Config, Param, ProtectedAction, find};

/// Who sets a parameter, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client is on this machine.
    pub local: bool,
    /// A data set is being loaded.
    pub loading: bool,
}

/// Why nothing was set; as text it is the error that the client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// There is no parameter of this name.
    Unknown(Vec<u8>),
    /// A parameter does not take its value, or none at all.
    Failed {
        /// The name as it was given.
        name: Vec<u8>,
        /// What is wrong.
        reason: Reason,
    },
    /// It has to wait until loading is done.
    Loading,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let name = String::from_utf8_lossy(name);
                write!(f, "ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            Self::Failed { name, reason } => {
                let name = String::from_utf8_lossy(name);
                write!(f, "ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
            }
            Self::Loading => f.write_str("LOADING Redis is loading the dataset in memory"),
        }
    }
}

impl Config {
    /// Sets all pairs of names and values, or none. Gives the parameters to apply: those that changed and
    /// those that name a file, whose content may have. If applying fails, the caller goes back to a copy
    /// made before and reports [`SetError::Failed`].
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])], origin: Origin) -> Result<Vec<Param>, SetError> {
        let rows = self.settable(pairs, origin)?;
        let mut next = self.clone();
        let mut to_apply = Vec::new();
        for (row, &(name, value)) in rows.iter().zip(pairs) {
            let changed = next.set_one(row, value);
            let changed =
                changed.map_err(|reason| SetError::Failed { name: name.to_ascii_lowercase(), reason })?;
            if changed || row.is(Flag::Reapply) {
                to_apply.push(row.id);
            }
        }
        for (row, &(name, _)) in rows.iter().zip(pairs).rev() {
            if let Some(reason) = next.conflict(row.id) {
                return Err(SetError::Failed { name: name.to_ascii_lowercase(), reason });
            }
        }
        next.settle();
        *self = next;
        Ok(to_apply)
    }

    /// The rows of the names, if all may be set.
    fn settable(&self, pairs: &[(&[u8], &[u8])], origin: Origin) -> Result<Vec<&'static Row>, SetError> {
        let mut rows: Vec<&'static Row> = Vec::with_capacity(pairs.len());
        for &(name, _) in pairs {
            let row = find(name).ok_or_else(|| SetError::Unknown(name.to_vec()))?;
            let failed =
                |reason: &'static str| SetError::Failed { name: name.to_vec(), reason: reason.into() };
            if row.is(Flag::Immutable) {
                return Err(failed("can't set immutable config"));
            }
            if row.is(Flag::Protected) && !self.enable_protected_configs.allows(origin.local) {
                return Err(failed("can't set protected config"));
            }
            if row.is(Flag::NotWhileLoading) && origin.loading {
                return Err(SetError::Loading);
            }
            if rows.iter().any(|earlier| earlier.id == row.id) {
                return Err(failed("duplicate parameter"));
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// Several arguments come as one value, with single spaces between them.
    fn set_one(&mut self, row: &Row, value: &[u8]) -> Result<bool, Reason> {
        if !row.takes_many(self) {
            return row.set(self, &[value], false);
        }
        let args: Vec<&[u8]> =
            if value.is_empty() { Vec::new() } else { value.split(|&byte| byte == b' ').collect() };
        row.set(self, &args, false)
    }
}

impl ProtectedAction {
    /// Whether a client may do it.
    pub fn allows(self, local: bool) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::Local => local,
        }
    }
}
