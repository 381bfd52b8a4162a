//! The sparse encoding: runs of equal registers, one after the other.
//!
//! ```text
//! 00llllll            ZERO    l + 1 registers of 0
//! 01llllll llllllll   XZERO   l + 1 registers of 0, highest bits first
//! 1vvvvvll            VAL     l + 1 registers of v + 1
//! ```
//!
//! Which runs stand for given registers follows from the order in which they were raised, as in Redis: equal
//! commands give equal bytes.

use super::estimate::Histogram;
use super::{Corrupt, HEADER, REGISTERS};
use smallvec::SmallVec;
use std::fmt::Write;

const VAL: u8 = 0x80;
const VAL_MAX: u8 = 32;
const VAL_LEN_MAX: usize = 4;
const XZERO: u8 = 0x40;
const ZERO_LEN_MAX: usize = 64;
/// The longest string whose runs can fit: two bytes for each register. A longer one is no use to look at.
const LENGTH_MAX: usize = HEADER + 2 * REGISTERS;
/// How many runs around a change are tried to be joined with their neighbours.
const JOINED: usize = 5;

/// Equal registers in a row.
#[derive(Clone, Copy)]
struct Run {
    /// What they hold.
    value: u8,
    /// How many they are.
    registers: usize,
    /// The bytes that say so.
    bytes: usize,
}

impl Run {
    /// The run at a place. The second byte of an XZERO that is cut off counts as 0, as in Redis, where a 0
    /// follows each string.
    #[inline]
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let first = *bytes.get(at)?;
        let low = usize::from(first & 0x3f);
        Some(if first & VAL != 0 {
            Run { value: (first >> 2 & 31) + 1, registers: low % VAL_LEN_MAX + 1, bytes: 1 }
        } else if first & XZERO == 0 {
            Run { value: 0, registers: low + 1, bytes: 1 }
        } else {
            let second = bytes.get(at + 1).copied();
            let registers = (low << 8 | usize::from(second.unwrap_or(0))) + 1;
            Run { value: 0, registers, bytes: 1 + usize::from(second.is_some()) }
        })
    }

    fn all(body: &[u8]) -> impl Iterator<Item = Run> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let run = Run::at(body, at)?;
            at += run.bytes;
            Some(run)
        })
    }
}

fn val(value: u8, registers: usize) -> u8 {
    VAL | (value - 1) << 2 | (registers as u8 - 1)
}

fn zeros(registers: usize) -> SmallVec<[u8; 2]> {
    let length = registers - 1;
    match registers {
        0..=ZERO_LEN_MAX => SmallVec::from_slice(&[length as u8]),
        _ => SmallVec::from_slice(&[XZERO | (length >> 8) as u8, length as u8]),
    }
}

/// Appends a run of zeros, of at least one register.
pub fn push_zeros(bytes: &mut Vec<u8>, registers: usize) {
    bytes.extend(zeros(registers));
}

/// How many registers have each value.
pub fn histogram(body: &[u8]) -> Result<Histogram, Corrupt> {
    let mut histogram = Histogram::default();
    each(body, |run, _| histogram.add(run.value, run.registers))?;
    Ok(histogram)
}

/// Raises registers to those of the runs, where they are lower.
pub fn merge(registers: &mut [u8; REGISTERS], body: &[u8]) -> Result<(), Corrupt> {
    each(body, |run, first| {
        if run.value > 0 {
            let touched = &mut registers[first..first + run.registers];
            touched.iter_mut().for_each(|have| *have = run.value.max(*have));
        }
    })
}

/// Shows every run with its first register; they must fill the registers exactly.
fn each(body: &[u8], mut seen: impl FnMut(Run, usize)) -> Result<(), Corrupt> {
    let mut first = 0;
    for run in Run::all(body) {
        if run.registers > REGISTERS - first {
            return Err(Corrupt);
        }
        seen(run, first);
        first += run.registers;
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// The runs as PFDEBUG DECODE shows them, right or not.
pub fn describe(body: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(run) = Run::at(body, at) {
        let shown = match (run.value, body[at] & XZERO) {
            (0, 0) => write!(text, "z:{} ", run.registers),
            (0, _) => write!(text, "Z:{} ", run.registers),
            (value, _) => write!(text, "v:{value},{} ", run.registers),
        };
        debug_assert!(shown.is_ok());
        at += run.bytes;
    }
    text.truncate(text.trim_end().len());
    text
}

/// The beginning of a run: its offset in the string, and its first register.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    at: usize,
    register: usize,
}

impl Place {
    /// The beginning of the first run.
    pub fn start() -> Self {
        Place { at: HEADER, register: 0 }
    }
}

/// What came of raising a register.
pub enum Raised {
    /// It has at least this value now; whether it had less.
    Done(bool),
    /// The encoding cannot say so within its bounds: nothing was changed.
    TooLarge,
}

/// Raises a register of a sparse string to a value, if it is lower. The string never becomes longer than
/// `length_max` by that. The search begins at `from`, which is moved to where it may begin for the registers
/// that follow.
pub fn raise(
    hll: &mut Vec<u8>,
    from: &mut Place,
    register: usize,
    value: u8,
    length_max: usize,
) -> Result<Raised, Corrupt> {
    if value > VAL_MAX {
        return Ok(Raised::TooLarge);
    }
    if hll.len() > LENGTH_MAX {
        return Err(Corrupt);
    }
    let (mut here, mut previous) = (*from, *from);
    let run = loop {
        let run = Run::at(hll, here.at).ok_or(Corrupt)?;
        if register < here.register + run.registers {
            break run;
        }
        (*from, previous) = (previous, here);
        here = Place { at: here.at + run.bytes, register: here.register + run.registers };
    };
    if run.value >= value {
        return Ok(Raised::Done(false));
    }
    let mut runs = SmallVec::<[u8; 8]>::new();
    let same = |runs: &mut SmallVec<[u8; 8]>, registers| match (registers, run.value) {
        (0, _) => {}
        (_, 0) => runs.extend(zeros(registers)),
        (_, value) => runs.push(val(value, registers)),
    };
    let before = register - here.register;
    same(&mut runs, before);
    runs.push(val(value, 1));
    same(&mut runs, run.registers - before - 1);
    if runs.len() > run.bytes && hll.len() + runs.len() - run.bytes > length_max {
        return Ok(Raised::TooLarge);
    }
    hll.splice(here.at..here.at + run.bytes, runs);
    join(hll, previous.at);
    Ok(Raised::Done(true))
}

/// Joins neighbours of equal value from this run on, where one run can stand for both.
fn join(hll: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED {
        let Some(run) = Run::at(hll, at) else { return };
        let next = Run::at(hll, at + run.bytes).filter(|next| next.value == run.value && run.value > 0);
        match next.map(|next| run.registers + next.registers) {
            Some(registers @ ..=VAL_LEN_MAX) => {
                hll[at + 1] = val(run.value, registers);
                hll.remove(at);
            }
            _ => at += run.bytes,
        }
    }
}
