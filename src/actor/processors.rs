//! `server-cpulist` and its kin: the processors that threads stay on. A thread without a list of its own stays where the
//! one is that started it, which is the main thread in the end.

use super::log::{self, reason};
use crate::engine::config::{Config, Param, cpu_list};
use crate::engine::effect::Level;
use crate::runtime::thread;

/// What a parameter says.
#[derive(Clone, Debug)]
pub struct Processors {
    parameter: Param,
    list: Vec<u8>,
}

impl Processors {
    /// What this parameter says.
    pub fn of(parameter: Param, config: &Config) -> Self {
        Processors { parameter, list: parameter.row().show(config) }
    }

    /// Has the calling thread stay there, if the parameter says anything.
    pub fn stay(&self) {
        if self.list.is_empty() {
            return;
        }
        let stays = match cpu_list(&self.list) {
            Some(processors) => thread::stay_on(&processors).map_err(|error| reason(&error)),
            None => Err("it is no list of processors".to_owned()),
        };
        if let Err(why) = stays {
            log::write(Level::Warning, &format!("Can't follow {}: {why}", self.parameter.row().name));
        }
    }
}
