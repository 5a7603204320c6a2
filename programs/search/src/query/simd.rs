//! A row of bytes looked for with AVX2: two of them at 64 places at once; escapes by number, and the ends of lines to be counted,
//! in the same pass if need be.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_extract_epi64, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_sub_epi8, _mm256_testz_si256,
};

use super::lines::LineCount;

/// A byte: how far behind the row's start, which bits do not count, and what it is with all of those set.
pub(super) type Mark = (usize, u8, u8);

/// Whether this processor has what this takes.
pub(crate) fn is_vectored() -> bool {
    is_x86_feature_detected!("avx2")
}

/// The first place at or after `from` with both marks, or with `ESCAPES` with a `\u`, that `is_right`. `Err`: there is none before
/// that place, from which on the caller has to look in its own way. What has been passed over is counted in `lines`.
#[inline]
pub(super) fn find<const ESCAPES: bool>(
    pair: [Mark; 2],
    hay: &[u8],
    from: usize,
    mut lines: Option<&mut LineCount>,
    is_right: impl Fn(usize) -> bool,
) -> Result<usize, usize> {
    if !is_vectored() {
        return Err(from);
    }
    let mut from = from;
    loop {
        let (block, mut places, passed) = match &lines {
            // SAFETY: the processor knows AVX2.
            Some(_) => unsafe { next_block::<ESCAPES, true>(pair, hay, from) },
            // SAFETY: as above.
            None => unsafe { next_block::<ESCAPES, false>(pair, hay, from) },
        };
        if let Some(lines) = &mut lines {
            lines.passed(hay, from..block, passed);
        }
        if places == 0 {
            return Err(block);
        }
        while places != 0 {
            let place = block + places.trailing_zeros() as usize;
            if is_right(place) {
                return Ok(place);
            }
            places &= places - 1;
        }
        from = block + 2 * WIDTH;
    }
}

/// Bytes of a vector.
const WIDTH: usize = 32;

/// Blocks of which a byte can count what is in two of its places.
const IN_BYTES: u32 = u8::MAX as u32 / 2;

/// The next block with what is looked for, and at which of its places; without any, where what is less than a block begins. With
/// `LINES` also the ends of lines from `from` up to there.
///
/// By itself: a loop from which something else is called has no vector in a register, and takes two thirds longer.
#[target_feature(enable = "avx2")]
#[inline(never)]
fn next_block<const ESCAPES: bool, const LINES: bool>(
    pair: [Mark; 2],
    hay: &[u8],
    from: usize,
) -> (usize, u64, u32) {
    let [(at0, mask0, value0), (at1, mask1, value1)] = pair;
    // In blocks of a known size no load needs a check of its own: 66 GB/s instead of 36, in the second cache.
    let [first, second, this, next] =
        [at0, at1, 0, 1].map(|far| hay.get(from + far..).unwrap_or_default().as_chunks().0.as_chunks().0);
    let [mask0, value0, mask1, value1, slash, u, newline] =
        [mask0, value0, mask1, value1, b'\\', b'u', b'\n'].map(|b| _mm256_set1_epi8(b as i8));
    let right = |a: &[u8; WIDTH], b: &[u8; WIDTH], this: &[u8; WIDTH], next: &[u8; WIDTH]| {
        let a = _mm256_cmpeq_epi8(_mm256_or_si256(load(a), mask0), value0);
        let b = _mm256_cmpeq_epi8(_mm256_or_si256(load(b), mask1), value1);
        let marks = _mm256_and_si256(a, b);
        if !ESCAPES {
            return marks;
        }
        let this = _mm256_cmpeq_epi8(load(this), slash);
        let next = _mm256_cmpeq_epi8(load(next), u);
        _mm256_or_si256(marks, _mm256_and_si256(this, next))
    };
    let (mut at, zero) = (from, _mm256_setzero_si256());
    let (mut ends, mut bytes, mut left) = (zero, zero, IN_BYTES);
    let blocks = first.iter().zip(second).zip(this.iter().zip(next));
    for (([a0, a1], [b0, b1]), ([c0, c1], [d0, d1])) in blocks {
        let (low, high) = (right(a0, b0, c0, d0), right(a1, b1, c1, d1));
        let either = _mm256_or_si256(low, high);
        if _mm256_testz_si256(either, either) == 0 {
            let [low, high] = [low, high].map(|v| u64::from(_mm256_movemask_epi8(v) as u32));
            return (at, low | high << WIDTH, sum(_mm256_add_epi64(ends, _mm256_sad_epu8(bytes, zero))));
        }
        if LINES {
            // What is equal is a byte of -1.
            bytes = _mm256_sub_epi8(bytes, _mm256_cmpeq_epi8(load(c0), newline));
            bytes = _mm256_sub_epi8(bytes, _mm256_cmpeq_epi8(load(c1), newline));
            left -= 1;
            if left == 0 {
                (ends, bytes, left) = (_mm256_add_epi64(ends, _mm256_sad_epu8(bytes, zero)), zero, IN_BYTES);
            }
        }
        at += 2 * WIDTH;
    }
    (at, 0, sum(_mm256_add_epi64(ends, _mm256_sad_epu8(bytes, zero))))
}

/// Of the four parts.
#[target_feature(enable = "avx2")]
#[inline]
fn sum(parts: __m256i) -> u32 {
    let [a, b] = [_mm256_extract_epi64::<0>(parts), _mm256_extract_epi64::<1>(parts)];
    let [c, d] = [_mm256_extract_epi64::<2>(parts), _mm256_extract_epi64::<3>(parts)];
    (a + b + c + d) as u32
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(bytes: &[u8; WIDTH]) -> __m256i {
    // SAFETY: so many bytes are there; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is found where, all ends of lines are counted once, also many in each block.
    #[test]
    fn lines_are_counted_in_passing() {
        if !is_vectored() {
            return;
        }
        let marks = [(0, 0x20, b'n'), (3, 0, b'z')];
        let mut state = 1_u32;
        let mut random = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % n
        };
        for len in [0, 1, 63, 64, 67, 130, 1_000, 70_000] {
            for letters in [&b"nz\n\\u"[..], b"\n", b"xxxxxxxxxxxxnxz\n", b"xxxxxxxxxxxxxxxxxxxxxxxx\n"] {
                let hay: Vec<u8> = (0..len).map(|_| letters[random(letters.len())]).collect();
                let ends = hay.iter().filter(|b| **b == b'\n').count() as u32;
                for right in [1, 2, 7, usize::MAX] {
                    let (mut lines, mut from) = (LineCount::default(), 0);
                    while from < len {
                        let is_right = |at: usize| at.is_multiple_of(right);
                        from = match find::<true>(marks, &hay, from, Some(&mut lines), is_right) {
                            Ok(place) => place + 1 + random(100),
                            Err(rest) => rest.max(from) + 1_000,
                        };
                    }
                    assert_eq!(lines.in_all(&hay), ends, "{len} bytes, every {right}");
                }
            }
        }
    }
}
