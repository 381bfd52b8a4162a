//! Longest common subsequence, for LCS.
//!
//! The textbook table: `table[i][j]` is the length for the first `i` bytes of `a` and the first `j` of
//! `b`. Time and memory are the product of the lengths, which is why LCS is bounded by
//! `proto-max-bulk-len` ([`table_bytes`]); the length alone needs two rows.
//!
//! Of several subsequences of that length the answer is the one Redis gives: walking back from the
//! ends, equal bytes always match, and of two equally good neighbours the one that drops a byte of `b`
//! is taken.

/// A stretch of bytes that both strings contribute to the subsequence; positions are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// First and last position in the first string.
    pub a: (usize, usize),
    /// First and last position in the second string.
    pub b: (usize, usize),
}

impl Match {
    /// How many bytes match.
    #[allow(clippy::len_without_is_empty)] // A match has at least one byte.
    pub fn len(&self) -> usize {
        self.a.1 - self.a.0 + 1
    }
}

/// The longest common subsequence of two strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lcs {
    /// The subsequence itself.
    pub bytes: Vec<u8>,
    /// The stretches it is made of, the last one first, as LCS IDX lists them.
    pub matches: Vec<Match>,
}

/// Bytes of the table that [`find`] needs for strings of these lengths: what the caller holds against
/// `proto-max-bulk-len`.
pub fn table_bytes(a: usize, b: usize) -> u64 {
    let cells = (a as u64).saturating_add(1).saturating_mul((b as u64).saturating_add(1));
    cells.saturating_mul(size_of::<u32>() as u64)
}

/// The length of the longest common subsequence, in memory proportional to `b`.
pub fn length(a: &[u8], b: &[u8]) -> usize {
    let mut previous = vec![0u32; b.len() + 1];
    let mut row = previous.clone();
    for &x in a {
        fill_row(&mut row, &previous, x, b);
        std::mem::swap(&mut row, &mut previous);
    }
    previous[b.len()] as usize
}

/// The longest common subsequence and where it lies. Needs [`table_bytes`] of memory meanwhile; both
/// strings must be shorter than 4 GiB.
pub fn find(a: &[u8], b: &[u8]) -> Lcs {
    let width = b.len() + 1;
    let mut table = vec![0u32; (a.len() + 1) * width];
    for (i, &x) in a.iter().enumerate() {
        let (done, rest) = table.split_at_mut((i + 1) * width);
        fill_row(&mut rest[..width], &done[i * width..], x, b);
    }

    let mut lcs = Lcs { bytes: Vec::with_capacity(table[table.len() - 1] as usize), matches: Vec::new() };
    let mut open: Option<Match> = None;
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            (i, j) = (i - 1, j - 1);
            lcs.bytes.push(a[i]);
            let stretch = open.get_or_insert(Match { a: (i, i), b: (j, j) });
            (stretch.a.0, stretch.b.0) = (i, j);
        } else {
            lcs.matches.extend(open.take());
            if table[(i - 1) * width + j] > table[i * width + j - 1] { i -= 1 } else { j -= 1 }
        }
    }
    lcs.matches.extend(open);
    lcs.bytes.reverse();
    lcs
}

/// One row of the table from the one above it.
fn fill_row(row: &mut [u32], above: &[u32], x: u8, b: &[u8]) {
    for (j, &y) in b.iter().enumerate() {
        row[j + 1] = if x == y { above[j] + 1 } else { above[j + 1].max(row[j]) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stretch(a: (usize, usize), b: (usize, usize)) -> Match {
        Match { a, b }
    }

    #[test]
    fn the_example_of_the_command_page() {
        let lcs = find(b"ohmytext", b"mynewtext");
        assert_eq!(lcs.bytes, b"mytext");
        assert_eq!(lcs.matches, [stretch((4, 7), (5, 8)), stretch((2, 3), (0, 1))]);
        assert_eq!(lcs.matches.iter().map(Match::len).collect::<Vec<_>>(), [4, 2]);
        assert_eq!(length(b"ohmytext", b"mynewtext"), 6);
    }

    #[test]
    fn nothing_in_common() {
        for (a, b) in [("", ""), ("", "abc"), ("abc", ""), ("abc", "xyz")] {
            let lcs = find(a.as_bytes(), b.as_bytes());
            assert_eq!(lcs, Lcs { bytes: vec![], matches: vec![] });
        }
    }

    /// Choices among equally long subsequences, as Redis 8.10 makes them.
    #[test]
    fn ties_are_broken_as_redis_breaks_them() {
        type Row = (&'static str, &'static str, &'static str, &'static [((usize, usize), (usize, usize))]);
        let table: [Row; 9] = [
            ("ccab", "bccacab", "ccab", &[((1, 3), (4, 6)), ((0, 0), (2, 2))]),
            ("caacb", "cbbcaac", "caac", &[((0, 3), (3, 6))]),
            ("cbca", "aacababb", "cba", &[((3, 3), (5, 5)), ((1, 1), (4, 4)), ((0, 0), (2, 2))]),
            ("cbcbbcc", "abaaab", "bb", &[((4, 4), (5, 5)), ((3, 3), (1, 1))]),
            ("bcbc", "bbcbcbccb", "bcbc", &[((3, 3), (7, 7)), ((0, 2), (3, 5))]),
            ("accbbaab", "cbababaab", "cbbaab", &[((4, 7), (5, 8)), ((3, 3), (3, 3)), ((2, 2), (0, 0))]),
            ("baacca", "ccbcbc", "bcc", &[((4, 4), (5, 5)), ((3, 3), (3, 3)), ((0, 0), (2, 2))]),
            ("bbcb", "cabb", "cb", &[((3, 3), (3, 3)), ((2, 2), (0, 0))]),
            (
                "bcbccb",
                "bacacabb",
                "bccb",
                &[((5, 5), (7, 7)), ((4, 4), (4, 4)), ((3, 3), (2, 2)), ((2, 2), (0, 0))],
            ),
        ];
        for (a, b, bytes, matches) in table {
            let lcs = find(a.as_bytes(), b.as_bytes());
            assert_eq!(String::from_utf8_lossy(&lcs.bytes), bytes, "{a} {b}");
            let expected: Vec<_> = matches.iter().map(|&(a, b)| stretch(a, b)).collect();
            assert_eq!(lcs.matches, expected, "{a} {b}");
        }
    }

    #[test]
    fn the_bound_does_not_overflow() {
        assert_eq!(table_bytes(0, 0), 4);
        assert_eq!(table_bytes(9, 99), 4000);
        assert_eq!(table_bytes(usize::MAX, usize::MAX), u64::MAX);
    }

    /// The definition: drop the last byte of either string, or match both.
    fn naive(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([a_rest @ .., x], [b_rest @ .., y]) if x == y => naive(a_rest, b_rest) + 1,
            ([a_rest @ .., _], [b_rest @ .., _]) => naive(a_rest, b).max(naive(a, b_rest)),
            _ => 0,
        }
    }

    proptest! {
        #[test]
        fn longest_and_common(a in "[abc]{0,8}", b in "[abc]{0,8}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let lcs = find(a, b);
            prop_assert_eq!(lcs.bytes.len(), naive(a, b));
            prop_assert_eq!(length(a, b), lcs.bytes.len());
            let forwards = || lcs.matches.iter().rev();
            let in_a: Vec<u8> = forwards().flat_map(|m| &a[m.a.0..=m.a.1]).copied().collect();
            let in_b: Vec<u8> = forwards().flat_map(|m| &b[m.b.0..=m.b.1]).copied().collect();
            prop_assert_eq!(&in_a, &lcs.bytes);
            prop_assert_eq!(&in_b, &lcs.bytes);
            for pair in lcs.matches.windows(2) {
                prop_assert!(pair[1].a.1 < pair[0].a.0 && pair[1].b.1 < pair[0].b.0);
            }
        }
    }
}
