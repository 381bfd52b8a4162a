//! Packing and unpacking on any processor: eight registers at a time, each in a byte of a word.

use super::{Packed, REGISTERS};

/// Raises registers to those of a packed row, where they are lower.
pub fn merge(registers: &mut [u8; REGISTERS], packed: &Packed) {
    let eights = registers.as_chunks_mut().0.iter_mut();
    for (eight, six) in eights.zip(packed.as_chunks::<6>().0) {
        let [a, b, c, d, e, f] = *six;
        let word = spread(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]));
        *eight = highest(u64::from_le_bytes(*eight), word).to_le_bytes();
    }
}

/// Packs registers, each below 64.
pub fn pack(registers: &[u8; REGISTERS], packed: &mut Packed) {
    let eights = registers.as_chunks().0;
    for (eight, six) in eights.iter().zip(packed.as_chunks_mut::<6>().0) {
        six.copy_from_slice(&gather(u64::from_le_bytes(*eight)).to_le_bytes()[..6]);
    }
}

/// Moves each six bits of 48 into a byte of its own: halves part until each is a register.
fn spread(word: u64) -> u64 {
    let word = word & 0xff_ffff | (word & 0xffff_ff00_0000) << 8;
    let word = word & 0x0000_0fff_0000_0fff | (word & 0x00ff_f000_00ff_f000) << 4;
    word & 0x003f_003f_003f_003f | (word & 0x0fc0_0fc0_0fc0_0fc0) << 2
}

/// The opposite of `spread`.
fn gather(word: u64) -> u64 {
    let word = word & 0x003f_003f_003f_003f | (word & 0x3f00_3f00_3f00_3f00) >> 2;
    let word = word & 0x0000_0fff_0000_0fff | (word & 0x0fff_0000_0fff_0000) >> 4;
    word & 0xff_ffff | (word & 0x00ff_ffff_0000_0000) >> 8
}

/// Of each byte the higher one; all are below 64.
fn highest(a: u64, b: u64) -> u64 {
    const TOP: u64 = 0x8080_8080_8080_8080;
    // The top bit of a byte stays where `a` is not lower, and becomes seven ones below it.
    let not_lower = ((a | TOP) - b) & TOP;
    let mask = not_lower - (not_lower >> 7);
    a & mask | b & !mask
}
