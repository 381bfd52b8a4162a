//! What a power failure leaves of what was not synced.

use crate::runtime::madsim::kind::FaultKind;
use crate::runtime::madsim::streams::Draws;

/// Which of the units that were not synced survive. A unit is a change of names, a sector or a length; they
/// are counted in this order: changes of names, oldest first, then file by file, its sectors and, if it
/// changed, its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Survivors {
    /// The disk's random stream decides, also about zeros, garbage and lengths in between.
    #[default]
    Drawn,
    All,
    None,
    /// The units whose bit is set, the first being bit 0; of those behind the last bit, none.
    Subset(u64),
}

/// Decides about one power failure.
pub struct Fate<'a> {
    survivors: Survivors,
    unit: u32,
    draws: &'a mut Draws,
    /// Of a million.
    keep: u32,
    garbage: u32,
    in_order: bool,
}

impl<'a> Fate<'a> {
    pub fn new(survivors: Survivors, draws: &'a mut Draws) -> Self {
        // Extremes happen: a drive that had written everything, or nothing.
        let keep = *draws.pick(&[0, 100_000, 500_000, 500_000, 900_000, 1_000_000]);
        let garbage = *draws.pick(&[0, 0, 200_000, 1_000_000]);
        let in_order = draws.chance(500_000);
        Self { survivors, unit: 0, draws, keep, garbage, in_order }
    }

    /// Whether the next unit survives.
    pub fn keeps(&mut self) -> bool {
        let unit = self.unit;
        self.unit += 1;
        match self.survivors {
            Survivors::All => true,
            Survivors::None => false,
            Survivors::Subset(bits) => bits.checked_shr(unit).unwrap_or(0) & 1 == 1,
            Survivors::Drawn => self.draws.chance(self.keep),
        }
    }

    /// Whether changes of names survive in their order only: none behind the first that is lost.
    pub fn is_in_order(&self) -> bool {
        self.survivors == Survivors::Drawn && self.in_order
    }

    /// The length of a file that was `old` bytes long when it was synced, and `new` in the cache.
    pub fn length(&mut self, old: usize, new: usize) -> usize {
        if old == new {
            return old;
        }
        let named = self.keeps();
        if self.survivors != Survivors::Drawn {
            return if named { new } else { old };
        }
        // Whatever became of the content. A file that grew may have grown in steps; cutting is one step.
        match self.draws.below(3) {
            0 => old,
            1 if new > old => self.draws.between(old as u64, new as u64) as usize,
            _ => new,
        }
    }

    /// What is found where nothing was ever written.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        if self.survivors == Survivors::Drawn && self.draws.chance(self.garbage) {
            if !bytes.is_empty() {
                FaultKind::GarbageSector.fired();
            }
            self.draws.fill(bytes);
        } else {
            bytes.fill(0);
        }
    }
}
