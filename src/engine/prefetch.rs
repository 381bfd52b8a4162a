//! A hint to the processor that a cache line will be read soon.
#![allow(unsafe_code)]

/// Starts loading the line at `address`, which may be any address at all. A batch of keys is
/// prefetched before it is executed, so that the misses overlap; where a long string is read from end to end,
/// the page after the one that is read, where the processor's own foresight stops.
#[inline(always)]
pub fn prefetch<T>(address: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch never faults, whatever the address, and changes nothing a program can see.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above; `prfm` is a hint.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = address;
}

/// Starts loading all of a slice.
#[inline]
pub fn prefetch_all<T>(items: &[T]) {
    let lines = (0..size_of_val(items)).step_by(64);
    lines.for_each(|line| prefetch(items.as_ptr().wrapping_byte_add(line)));
}
