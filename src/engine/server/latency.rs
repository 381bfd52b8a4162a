//! LATENCY: when something took longer than `latency-monitor-threshold`, by kind of event.

use std::collections::{BTreeMap, VecDeque};

/// Samples kept of each event, as Redis does.
const SAMPLES: usize = 160;

/// When an event took how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unix seconds.
    pub at: i64,
    /// Milliseconds.
    pub ms: u64,
}

/// The latest samples of one event.
#[derive(Clone, Debug, Default)]
pub struct Series {
    samples: VecDeque<Sample>,
    /// The longest ever.
    pub max: u64,
    /// All that ever were, together.
    pub sum: u64,
    /// How many there ever were.
    pub count: u64,
}

impl Series {
    /// The samples, the oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Sample> {
        self.samples.iter()
    }
    /// The latest sample.
    pub fn latest(&self) -> Option<Sample> {
        self.samples.back().copied()
    }
    fn add(&mut self, sample: Sample) {
        self.max = self.max.max(sample.ms);
        self.sum += sample.ms;
        self.count += 1;
        match self.samples.back_mut() {
            // One sample a second: the worst.
            Some(last) if last.at == sample.at => last.ms = last.ms.max(sample.ms),
            _ => {
                if self.samples.len() == SAMPLES {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }
}

/// All events.
#[derive(Clone, Debug, Default)]
pub struct LatencyMonitor {
    events: BTreeMap<&'static str, Series>,
}

impl LatencyMonitor {
    /// An event took so many milliseconds.
    pub fn add(&mut self, event: &'static str, sample: Sample) {
        self.events.entry(event).or_default().add(sample);
    }
    /// The samples of an event.
    pub fn get(&self, event: &[u8]) -> Option<(&'static str, &Series)> {
        let found = self.events.iter().find(|(name, _)| event.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(name, series)| (*name, series))
    }
    /// All events by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &Series)> {
        self.events.iter().map(|(name, series)| (*name, series))
    }
    /// Forgets an event. Returns whether there was anything to forget.
    pub fn reset(&mut self, event: &[u8]) -> bool {
        let name = self.get(event).map(|(name, _)| name);
        name.is_some_and(|name| self.events.remove(name).is_some())
    }
    /// Forgets all. Returns how many events there were.
    pub fn reset_all(&mut self) -> usize {
        let count = self.events.len();
        self.events.clear();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_and_the_oldest_go() {
        let mut monitor = LatencyMonitor::default();
        for at in 0..200 {
            monitor.add("command", Sample { at, ms: 5 });
            monitor.add("command", Sample { at, ms: 500 - at as u64 });
            monitor.add("command", Sample { at, ms: 7 });
        }
        let (_, series) = monitor.get(b"COMMAND").expect("there are samples");
        assert_eq!((series.iter().len(), series.max), (SAMPLES, 500));
        assert_eq!(series.latest(), Some(Sample { at: 199, ms: 301 }));
        assert!(monitor.reset(b"command") && !monitor.reset(b"command"));
    }
}
