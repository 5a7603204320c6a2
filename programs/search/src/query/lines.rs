//! Lines counted while something else is looked for.

#[cfg(target_arch = "x86_64")]
use std::ops::Range;

use memchr::memchr_iter;

/// The ends of lines in the first part of a buffer.
#[derive(Debug, Default)]
pub(crate) struct LineCount {
    count: u32,
    /// Where that part ends.
    upto: usize,
}

impl LineCount {
    /// Somebody has counted the `ends` of lines in `part` of `hay`.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn passed(&mut self, hay: &[u8], part: Range<usize>, ends: u32) {
        self.count_to(hay, part.start);
        if self.upto == part.start {
            (self.count, self.upto) = (self.count + ends, part.end);
        } else {
            // A part of it had been counted before.
            self.count_to(hay, part.end);
        }
    }

    /// Counts on up to `end`, unless it has come so far.
    fn count_to(&mut self, hay: &[u8], end: usize) {
        if self.upto < end {
            self.count += memchr_iter(b'\n', &hay[self.upto..end]).count() as u32;
            self.upto = end;
        }
    }

    /// The ends of lines in all of `hay`.
    pub(crate) fn in_all(mut self, hay: &[u8]) -> u32 {
        self.count_to(hay, hay.len());
        self.count
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn a_part_counted_elsewhere_is_counted_once() {
        let hay = b"a\nb\n\nc\nd";
        let ends = |part: Range<usize>| memchr_iter(b'\n', &hay[part]).count() as u32;
        let cases: [&[Range<usize>]; 6] =
            [&[], &[0..4, 4..5], &[2..5, 5..8], &[3..6, 4..8], &[0..8, 2..3], &[4..4, 1..2]];
        for parts in cases {
            let mut lines = LineCount::default();
            parts.iter().for_each(|part| lines.passed(hay, part.clone(), ends(part.clone())));
            assert_eq!(lines.in_all(hay), 4, "{parts:?}");
        }
    }
}
