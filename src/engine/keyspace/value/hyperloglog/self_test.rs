//! PFSELFTEST: do the registers keep what they are given, and are estimates within their error?

use super::{REGISTERS, Sketch, Union, View, dense};
use crate::engine::rng::Rng;

const ROUNDS: usize = 20;
/// Up to so many elements are counted. Redis counts ten million, for which everybody else would have to wait.
const ELEMENTS: u64 = 100_000;

/// Runs all of it; the text of a failure is what Redis says.
pub fn self_test(rng: &mut Rng, sparse_max: usize) -> Result<(), String> {
    (0..ROUNDS).try_for_each(|_| registers_keep_their_values(rng))?;
    estimates_are_close(rng, sparse_max)
}

fn registers_keep_their_values(rng: &mut Rng) -> Result<(), String> {
    let values: [u8; REGISTERS] = std::array::from_fn(|_| rng.below(64) as u8);
    let mut packed = [0; dense::PACKED];
    for (register, value) in values.iter().enumerate() {
        dense::raise(&mut packed, register, *value);
    }
    let mut kept = [0; REGISTERS];
    dense::merge(&mut kept, &packed);
    match values.iter().zip(kept).enumerate().find(|(_, (value, kept))| *value != kept) {
        None => Ok(()),
        Some((register, (value, kept))) => {
            Err(format!("TESTFAILED Register {register} should be {value} but is {kept}"))
        }
    }
}

fn estimates_are_close(rng: &mut Rng, sparse_max: usize) -> Result<(), String> {
    let corrupt = |_| "TESTFAILED sparse encoding is corrupt".to_owned();
    let seed = rng.below(u64::MAX);
    let (mut grown, mut dense) = (Sketch::empty(), Sketch::empty());
    dense.make_dense().map_err(corrupt)?;
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let element = (number ^ seed).to_le_bytes();
        grown.add(&element, sparse_max).map_err(corrupt)?;
        dense.add(&element, sparse_max).map_err(corrupt)?;
        if number < checkpoint {
            continue;
        }
        if number < sparse_max as u64 / 2 && grown.view().is_dense() {
            return Err("TESTFAILED sparse encoding not used".into());
        }
        let estimate = |view: View| view.estimate().map_err(corrupt);
        let estimated = estimate(dense.view())?;
        let mut union = Union::default();
        union.add(grown.view()).map_err(corrupt)?;
        if estimate(grown.view())? != estimated || union.estimate() != estimated {
            return Err("TESTFAILED dense/sparse disagree".into());
        }
        let error = estimated.abs_diff(number as i64);
        // Six times the standard error; ten elements are so few that two may meet.
        let allowed = (6.0 * 1.04 / (REGISTERS as f64).sqrt() * number as f64).ceil() as u64;
        if error > if number == 10 { 1 } else { allowed } {
            return Err(format!("TESTFAILED Too big error. card:{number} abserr:{error}"));
        }
        checkpoint *= 10;
    }
    Ok(())
}
