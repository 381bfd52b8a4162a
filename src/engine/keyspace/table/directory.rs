//! Which segment holds the keys with a given hash prefix.

/// Deepest directory: 2^30 segments hold 10^11 keys.
const DEPTH_MAX: u8 = 30;

/// Four bytes for each prefix of `depth` bits: the index of its segment. Doubling copies these and
/// nothing else: 1 MB at 100 million keys.
#[derive(Default)]
pub(super) struct Directory {
    indexes: Vec<u32>,
    /// How many segments there are of each depth. The last is not 0, unless it is the only one.
    segments_by_depth: Vec<u32>,
}

impl Directory {
    /// The directory of a table that has its first segment.
    pub(super) fn with_one_segment() -> Self {
        Self { indexes: vec![0], segments_by_depth: vec![1] }
    }

    fn depth(&self) -> u8 {
        self.segments_by_depth.len() as u8 - 1
    }

    /// The index of the segment for this hash; `None` if the table has none at all.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> Option<usize> {
        // The length is a power of two or 0: the product's high half is the hash's first bits.
        let prefix = (u128::from(hash) * self.indexes.len() as u128) >> 64;
        self.indexes.get(prefix as usize).map(|&index| index as usize)
    }

    /// Whether a segment of this depth may split. With so many segments in all, a deeper prefix would
    /// mean that hashes are not spread evenly, and then splitting would not help.
    pub(super) fn may_split(&self, depth: u8, segments: usize) -> bool {
        depth < DEPTH_MAX && u32::from(depth) <= segments.ilog2() + 6
    }

    /// Points every prefix that begins with these bits to a segment.
    pub(super) fn point(&mut self, prefix: u32, depth: u8, index: usize) {
        let aliases = 1usize << (self.depth() - depth);
        let first = prefix as usize * aliases;
        self.indexes[first..first + aliases].fill(index as u32);
    }

    /// Notes that a segment of this depth becomes two of the next, before they are pointed to.
    pub(super) fn count_split(&mut self, depth: u8) {
        if depth == self.depth() {
            self.indexes = self.indexes.iter().flat_map(|&index| [index; 2]).collect();
            self.segments_by_depth.push(0);
        }
        self.segments_by_depth[usize::from(depth)] -= 1;
        self.segments_by_depth[usize::from(depth) + 1] += 2;
    }

    /// Notes that two segments of this depth became one of the depth before, after it is pointed to.
    pub(super) fn count_merge(&mut self, depth: u8) {
        self.segments_by_depth[usize::from(depth)] -= 2;
        self.segments_by_depth[usize::from(depth) - 1] += 1;
        while self.depth() > 0 && self.segments_by_depth.last() == Some(&0) {
            self.segments_by_depth.pop();
            self.indexes = self.indexes.iter().copied().step_by(2).collect();
        }
    }

    /// Bytes of memory.
    pub(super) fn memory_usage(&self) -> usize {
        self.indexes.capacity() * size_of::<u32>()
    }

    /// Checks that `depths` (one for each segment) are those it counts, and that prefixes are complete.
    pub(super) fn check(&self, depths: impl Iterator<Item = u8>) {
        let mut counted = vec![0u32; self.segments_by_depth.len()];
        depths.for_each(|depth| counted[usize::from(depth)] += 1);
        assert_eq!(counted, self.segments_by_depth, "segments by depth");
        assert!(
            self.indexes.is_empty() || self.indexes.len() == 1 << self.depth(),
            "one index for each prefix"
        );
    }
}
