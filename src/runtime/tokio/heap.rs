//! The heap: jemalloc, and how much of it is in use, to the byte and without a lock.
//!
//! jemalloc keeps two counters a thread, which the thread reads with a load. The other threads' share
//! comes from what each has last [`publish`]ed, once a batch.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};
use tikv_jemalloc_ctl::{epoch, stats};

#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The sum of what all threads have published. One number for the process, as the heap is one.
static PUBLISHED: AtomicI64 = AtomicI64::new(0);

struct Meter {
    allocated: ThreadLocal<u64>,
    deallocated: ThreadLocal<u64>,
    /// This thread's part of [`PUBLISHED`].
    published: Cell<i64>,
}

thread_local! {
    static METER: Option<Meter> = match (allocatedp::read(), deallocatedp::read()) {
        (Ok(allocated), Ok(deallocated)) => Some(Meter { allocated, deallocated, published: Cell::new(0) }),
        // Only with a jemalloc built without statistics, which tikv-jemalloc-sys never does.
        _ => None,
    };
}

impl Meter {
    /// Negative on a thread that frees what others have allocated.
    fn balance(&self) -> i64 {
        self.allocated.get().wrapping_sub(self.deallocated.get()) as i64
    }
}

/// Bytes in use: exact for the calling thread, as of their last [`publish`] for the others.
#[inline]
pub fn allocated() -> u64 {
    METER.with(|meter| {
        let own = meter.as_ref().map_or(0, |meter| meter.balance() - meter.published.get());
        u64::try_from(PUBLISHED.load(Ordering::Relaxed) + own).unwrap_or(0)
    })
}

/// Tells the other threads what this one has allocated and freed since the last time.
#[inline]
pub fn publish() {
    METER.with(|meter| {
        if let Some(meter) = meter {
            let balance = meter.balance();
            PUBLISHED.fetch_add(balance - meter.published.replace(balance), Ordering::Relaxed);
        }
    });
}

/// The allocator's own figures, for INFO and MEMORY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocatorStats {
    /// In use by the program, rounded up to size classes.
    pub allocated: u64,
    /// In pages that hold something.
    pub active: u64,
    /// Backed by memory of the machine.
    pub resident: u64,
    /// Held as address space only.
    pub retained: u64,
    /// The allocator's own book-keeping.
    pub metadata: u64,
}

/// Refreshes and reads the allocator's statistics. Costs microseconds: once a tick, not once a command.
pub fn allocator_stats() -> AllocatorStats {
    // The numbers are those of the last epoch without it, which is the best there is then.
    _ = epoch::advance();
    let figure = |result: tikv_jemalloc_ctl::Result<usize>| result.map_or(0, |bytes| bytes as u64);
    AllocatorStats {
        allocated: figure(stats::allocated::read()),
        active: figure(stats::active::read()),
        resident: figure(stats::resident::read()),
        retained: figure(stats::retained::read()),
        metadata: figure(stats::metadata::read()),
    }
}

/// The allocator's name and version, as INFO reports it.
pub fn allocator_name() -> String {
    // "5.3.1-0-g81034c...": Redis prints the part before the commit.
    let version = tikv_jemalloc_ctl::version::read().unwrap_or_default();
    format!("jemalloc-{}", version.split('-').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_allocations_show_at_once_and_frees_take_them_back() {
        let before = METER.with(|meter| meter.as_ref().map(Meter::balance));
        let block = std::hint::black_box(vec![1u8; 1 << 20]);
        let during = METER.with(|meter| meter.as_ref().map(Meter::balance));
        drop(block);
        let after = METER.with(|meter| meter.as_ref().map(Meter::balance));
        assert!(during.unwrap() - before.unwrap() >= 1 << 20);
        assert_eq!(before, after);
    }

    #[test]
    fn a_thread_sees_what_another_has_published() {
        const BLOCK: usize = 64 << 20;
        let before = allocated();
        let block = std::thread::spawn(|| {
            let block = std::hint::black_box(vec![1u8; BLOCK]);
            publish();
            block
        })
        .join()
        .unwrap();
        // Other tests run beside this one; half the block is far more than they use.
        assert!(allocated() > before + (BLOCK / 2) as u64);
        drop(block);
        assert!(allocated() < before + (BLOCK / 2) as u64);
    }

    #[test]
    fn the_allocator_reports_itself() {
        let stats = allocator_stats();
        assert!(stats.allocated > 0 && stats.active >= stats.allocated && stats.resident > 0);
        assert!(allocator_name().starts_with("jemalloc-5."));
    }
}
