//! HOTKEYS: when calls are looked at, and which.

use super::Server;
use super::observe::Notable;
use crate::engine::command::key_specs::find_keys;
use crate::engine::command::table::CommandId;
use crate::engine::hash::Seed;
use crate::engine::hotkeys::{Hotkeys, Order, Processor, Taken};
use crate::engine::protocol::Args;
use crate::engine::time::Now;

impl Server {
    /// Begins to look at calls.
    pub fn start_hotkeys(&mut self, order: Order, now: Now) {
        let seed = Seed::new(self.rng.next_u64());
        self.hotkeys = Some(Box::new(Hotkeys::new(order, now, self.processor(), seed)));
        self.notable = Notable::ALL;
    }

    /// Ends it.
    pub fn stop_hotkeys(&mut self, now: Now) {
        let used = self.processor();
        if let Some(hotkeys) = &mut self.hotkeys {
            hotkeys.stop(now, used);
        }
        self.notable = Notable::of(&self.config);
    }

    /// Ends it once its time is over.
    pub(super) fn limit_hotkeys(&mut self, now: Now) {
        if self.hotkeys.as_ref().is_some_and(|hotkeys| hotkeys.is_due(now)) {
            self.stop_hotkeys(now);
        }
    }

    /// A command was called. Those of scripts are part of what called the script.
    pub(super) fn follow_keys(&mut self, args: Args, id: CommandId, taken: Taken) {
        let Some(hotkeys) = &mut self.hotkeys else { return };
        if !hotkeys.is_active() {
            return;
        }
        let (entry, chance) = (self.commands.entry(id), self.rng.next_u64());
        if let Some(key) = entry.sole_key.and_then(|key| args.get(key.index)) {
            return hotkeys.count(std::iter::once(key), taken, chance);
        }
        let mut keys = Vec::new();
        // Of arguments that make no sense, what makes some.
        let _ = find_keys(entry.row, args, &mut keys);
        hotkeys.count(keys.iter().map(|key| args.at(key.index)), taken, chance);
    }

    /// What the process has used of the processor.
    pub fn processor(&self) -> Processor {
        Processor { user: self.usage.cpu_user, sys: self.usage.cpu_sys }
    }
}
