//! Bytes that arrived and were not consumed yet.

/// Bytes of memory taken for what is only announced.
const ON_TRUST: usize = 64 << 20;

/// A buffer that takes no more memory than what is announced, and moves its content only as often as that
/// costs nothing overall.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// What waits in `bytes` from `start` on.
    pub fn from_parts(bytes: Vec<u8>, start: usize) -> Self {
        Input { end: bytes.len(), start: start.min(bytes.len()), bytes }
    }

    /// The bytes, and where what waits begins.
    pub fn into_parts(mut self) -> (Vec<u8>, usize) {
        self.bytes.truncate(self.end);
        (self.bytes, self.start)
    }

    /// What waits.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes allocated.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes that fit without taking more memory.
    pub fn spare(&self) -> usize {
        self.bytes.capacity() - self.end
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.space(bytes.len(), bytes.len())[..bytes.len()].copy_from_slice(bytes);
            self.filled(bytes.len());
        }
    }

    /// Room for at least `now` bytes after what waits. `expected` bytes are announced in all: memory is
    /// taken for all of them, so that a large value is not copied while it grows. But announcing is cheap:
    /// beyond some size room only doubles as bytes arrive.
    pub fn space(&mut self, now: usize, expected: usize) -> &mut [u8] {
        if self.start > 0 && self.start >= self.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let needed = self.end + now;
        if self.bytes.capacity() < needed {
            let expected = expected.min(self.end.max(ON_TRUST));
            self.bytes.reserve_exact(self.end + expected.max(now) - self.bytes.len());
        }
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// The first `count` bytes of [`Input::space`] were filled.
    pub fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// The first `count` bytes that wait are done with.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Gives memory back that nothing waits in, down to `capacity` bytes.
    pub fn shrink_to(&mut self, capacity: usize) {
        self.bytes.truncate(self.end);
        self.bytes.shrink_to(capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_queue_of_bytes(steps in prop::collection::vec((0usize..3, 0usize..300, any::<u8>()), 0..200)) {
            let (mut input, mut model) = (Input::default(), Vec::new());
            for (kind, count, byte) in steps {
                match kind {
                    0 => {
                        input.push(&vec![byte; count]);
                        model.extend(vec![byte; count]);
                    }
                    1 => {
                        let space = input.space(count, count * 3);
                        prop_assert!(space.len() >= count);
                        space[..count / 2].fill(byte);
                        input.filled(count / 2);
                        model.extend(vec![byte; count / 2]);
                    }
                    _ => {
                        let count = count.min(model.len());
                        input.consume(count);
                        model.drain(..count);
                    }
                }
                prop_assert_eq!(input.pending(), &model[..]);
                prop_assert_eq!(input.len(), model.len());
                if byte == 0 {
                    input.shrink_to(0);
                    prop_assert!(input.capacity() <= input.start + input.len());
                }
            }
        }
    }

    #[test]
    fn a_large_value_is_never_moved() {
        const SIZE: usize = 8 << 20;
        const STEP: usize = 1 << 20;
        let mut input = Input::default();
        input.push(b"$8388608\r\n");
        input.consume(10);
        input.space(STEP, SIZE);
        let place = input.pending().as_ptr();
        while input.len() < SIZE {
            let missing = SIZE - input.len();
            input.space(STEP.min(missing), missing);
            input.filled(STEP.min(missing));
        }
        assert_eq!((input.pending().as_ptr(), input.capacity()), (place, SIZE));
        input.consume(SIZE);
        input.shrink_to(0);
        assert_eq!(input.capacity(), 0);
    }

    #[test]
    fn what_is_only_announced_takes_little_memory() {
        let mut input = Input::default();
        let mut missing: usize = 500 << 20;
        let (mut before, mut moves) = (0, 0);
        for step in [1, 60 << 20, 4 << 20, 100 << 20] {
            input.space(step, missing);
            input.filled(step);
            missing -= step;
            assert!(input.capacity() <= (2 * input.len()).max(ON_TRUST + 1), "{}", input.capacity());
            moves += (input.capacity() != before) as usize;
            before = input.capacity();
        }
        assert_eq!(moves, 3);
    }

    #[test]
    fn small_requests_out_of_a_large_buffer_cost_their_own_size() {
        let mut input = Input::default();
        input.push(&vec![7; 1 << 20]);
        let place = input.pending().as_ptr();
        for _ in 0..1000 {
            input.consume(10);
        }
        // Nothing was moved.
        assert_eq!(input.pending().as_ptr() as usize - place as usize, 10_000);
    }
}
