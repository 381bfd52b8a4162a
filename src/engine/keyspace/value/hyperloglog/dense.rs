//! The dense encoding: six bits a register, from the lowest bit of the first byte on.
//!
//! ```text
//! +--------+--------+--------+--
//! |11000000|22221111|33333322|     the digits say which register a bit belongs to
//! +--------+--------+--------+--
//! ```

use super::REGISTERS;
use super::estimate::Histogram;
use pulp::Arch;

/// Bytes that all registers take.
pub const PACKED: usize = REGISTERS * 6 / 8;
pub type Packed = [u8; PACKED];

/// Registers are unpacked by groups that fill whole bytes and wide registers of the processor.
const GROUP: usize = 32;
const GROUP_BYTES: usize = GROUP * 6 / 8;

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
    Histogram::of(registers.into_iter())
}

/// Raises registers to those of a packed row, where they are lower.
pub fn merge(registers: &mut [u8; REGISTERS], packed: &Packed) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let groups = registers.as_chunks_mut::<GROUP>().0.iter_mut();
            for (group, bytes) in groups.zip(packed.as_chunks::<GROUP_BYTES>().0) {
                let unpacked = unpack(bytes);
                group.iter_mut().zip(unpacked).for_each(|(have, other)| *have = other.max(*have));
            }
        },
    );
}

/// Raises packed registers to these, where they are lower.
pub fn merge_into(registers: &[u8; REGISTERS], packed: &mut Packed) {
    let mut highest = *registers;
    merge(&mut highest, packed);
    pack(&highest, packed);
}

/// Packs registers, each below 64.
pub fn pack(registers: &[u8; REGISTERS], packed: &mut Packed) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let groups = packed.as_chunks_mut::<3>().0.iter_mut();
            for (bytes, four) in groups.zip(registers.as_chunks::<4>().0) {
                let [a, b, c, d] = four.map(u32::from);
                let word = (a | b << 6 | c << 12 | d << 18).to_le_bytes();
                bytes.copy_from_slice(&word[..3]);
            }
        },
    );
}

#[inline(always)]
fn unpack(bytes: &[u8; GROUP_BYTES]) -> [u8; GROUP] {
    let mut registers = [0; GROUP];
    for (four, three) in registers.as_chunks_mut::<4>().0.iter_mut().zip(bytes.as_chunks::<3>().0) {
        let word = u32::from_le_bytes([three[0], three[1], three[2], 0]);
        let spread = word & 0x3f | word << 2 & 0x3f00 | word << 4 & 0x3f_0000 | word << 6 & 0x3f00_0000;
        *four = spread.to_le_bytes();
    }
    registers
}
