//! `oom-score-adj`: how gladly the kernel kills this process when memory runs out.

use crate::engine::config::{Config, OomScoreAdj};
use crate::runtime::process;
use std::cell::Cell;
use std::io;

/// The bounds of the kernel; the parameter's are wider, since it may add to what was there.
const SCORES: std::ops::RangeInclusive<i64> = -1000..=1000;

/// Keeps the score that the process had before the server touched it.
#[derive(Debug, Default)]
pub struct OomScore {
    before: Cell<Option<i64>>,
}

impl OomScore {
    /// Sets the score as `config` says, or back to what it was.
    pub fn apply(&self, config: &Config) -> io::Result<()> {
        let relative = match config.oom_score_adj {
            OomScoreAdj::No => {
                return self.before.take().map_or(Ok(()), process::set_oom_score_adj);
            }
            OomScoreAdj::Relative => true,
            OomScoreAdj::Absolute => false,
        };
        let before = match self.before.get() {
            Some(before) => before,
            None => process::oom_score_adj()?,
        };
        self.before.set(Some(before));
        // A primary's; there are neither replicas nor background processes.
        let [value, ..] = config.oom_score_adj_values.0;
        let score = if relative { before + value } else { value };
        process::set_oom_score_adj(score.clamp(*SCORES.start(), *SCORES.end()))
    }
}
