//! The dense encoding: six bits a register, from the lowest bit of the first byte on.
//!
//! ```text
//! +--------+--------+--------+--
//! |11000000|22221111|33333322|     the digits say which register a bit belongs to
//! +--------+--------+--------+--
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

use super::REGISTERS;
use super::estimate::Histogram;
#[cfg(target_arch = "x86_64")]
use pulp::x86::V3;

/// Bytes that all registers take.
pub const PACKED: usize = REGISTERS * 6 / 8;
pub type Packed = [u8; PACKED];

/// Raises a register to a value, if it is lower; says whether it was.
pub fn raise(packed: &mut Packed, register: usize, value: u8) -> bool {
    // A register lies within the sixteen bits that begin at its first byte; the last one ends its byte.
    let (at, shift) = (register * 6 / 8, register * 6 % 8);
    let next = packed.get(at + 1).copied().unwrap_or(0);
    let bits = u16::from_le_bytes([packed[at], next]);
    if (bits >> shift & 63) as u8 >= value {
        return false;
    }
    let [low, high] = (bits & !(63 << shift) | u16::from(value) << shift).to_le_bytes();
    packed[at] = low;
    if let Some(next) = packed.get_mut(at + 1) {
        *next = high;
    }
    true
}

/// How many registers have each value.
pub fn histogram(packed: &Packed) -> Histogram {
    let mut registers = [0; REGISTERS];
    merge(&mut registers, packed);
    Histogram::of(&registers)
}

/// Raises registers to those of a packed row, where they are lower.
pub fn merge(registers: &mut [u8; REGISTERS], packed: &Packed) {
    #[cfg(target_arch = "x86_64")]
    if let Some(processor) = V3::try_new() {
        return avx2::merge(processor, registers, packed);
    }
    portable::merge(registers, packed);
}

/// Packs registers, each below 64.
pub fn pack(registers: &[u8; REGISTERS], packed: &mut Packed) {
    #[cfg(target_arch = "x86_64")]
    if let Some(processor) = V3::try_new() {
        return avx2::pack(processor, registers, packed);
    }
    portable::pack(registers, packed);
}

#[cfg(test)]
mod tests;
