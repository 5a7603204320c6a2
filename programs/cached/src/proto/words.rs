//! Words of a command line, and numbers in them.

/// Words of a line, the command among them.
pub(super) const MOST_WORDS: usize = 24;

/// The words of a line, at most [`MOST_WORDS`].
#[derive(Debug)]
pub(super) struct Words<'a> {
    words: [&'a [u8]; MOST_WORDS],
    len: usize,
}

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        let mut words: [&[u8]; MOST_WORDS] = [&[]; MOST_WORDS];
        let mut len = 0;
        for (slot, word) in words.iter_mut().zip(each(line)) {
            *slot = word;
            len += 1;
        }
        Words { words, len }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Word `i`, empty if there is none.
    pub(super) fn get(&self, i: usize) -> &'a [u8] {
        self.words[..self.len].get(i).copied().unwrap_or_default()
    }

    /// The words from `i` on.
    pub(super) fn from(&self, i: usize) -> &[&'a [u8]] {
        &self.words[i.min(self.len)..self.len]
    }

    pub(super) fn ends_in_noreply(&self) -> bool {
        self.len > 1 && self.words[self.len - 1] == b"noreply"
    }
}

/// The words of `line`, one after the other.
pub(super) fn each(mut line: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || next(&mut line))
}

/// Takes the first word off `rest`.
#[inline]
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let begin = rest.iter().position(|b| *b != b' ')?;
    let from = &rest[begin..];
    let end = blank(from).unwrap_or(from.len());
    *rest = &from[end..];
    Some(&from[..end])
}

/// Where the first blank is. Words are short: they are over before a search that is made for long texts has begun.
#[inline]
fn blank(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let (eights, rest) = text.as_chunks::<8>();
    for (i, eight) in eights.iter().enumerate() {
        let n = u64::from_le_bytes(*eight) ^ (u64::from(b' ') * ONES);
        // The high bit of each byte that is zero; above the first there may be false ones.
        let found = n.wrapping_sub(ONES) & !n & (ONES << 7);
        if found != 0 {
            return Some(i * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|b| *b == b' ').map(|i| eights.len() * 8 + i)
}

/// Decimal digits, and nothing else.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 20 {
        return None;
    }
    let mut n = 0u64;
    for b in word {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(n)
}

pub(super) fn number32(word: &[u8]) -> Option<u32> {
    u32::try_from(number(word)?).ok()
}

/// As [`number`], with a sign.
pub(super) fn signed(word: &[u8]) -> Option<i64> {
    match word.strip_prefix(b"-") {
        Some(digits) => Some(-i64::try_from(number(digits)?).ok()?),
        None => i64::try_from(number(word)?).ok(),
    }
}

/// A length: at most what memcached takes for one.
pub(super) fn length(word: &[u8]) -> Option<usize> {
    const MOST: u64 = i32::MAX as u64 - 2;
    number(word).filter(|n| *n <= MOST).and_then(|n| usize::try_from(n).ok())
}

/// The number a value holds: blanks before it, and anything after a blank, do not count.
pub(super) fn number_in_value(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii_start();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    number(&value[..end])
}

/// Appends `n` in decimal digits.
pub(super) fn push_number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_is_between_blanks() {
        let words = Words::of(b" set  a 1 noreply ");
        assert_eq!(words.from(0), [&b"set"[..], b"a", b"1", b"noreply"]);
        assert!(words.ends_in_noreply() && words.get(9).is_empty());
        assert!(!Words::of(b"noreply").ends_in_noreply());
        let mut rest = &b"  a bc  "[..];
        assert_eq!(
            (next(&mut rest), next(&mut rest), next(&mut rest)),
            (Some(&b"a"[..]), Some(&b"bc"[..]), None)
        );
    }

    #[test]
    fn the_first_blank_is_found_wherever_it_is() {
        for len in 0..40 {
            let mut text = vec![b'!'; len];
            assert_eq!(blank(&text), None);
            for at in (0..len).rev() {
                text[at] = b' ';
                assert_eq!(blank(&text), Some(at), "{len}");
            }
        }
        assert_eq!(blank(b"\x21\x1f\xa0\x8a\x0b\x09\x00\xff\x21 "), Some(9));
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b"18446744073709551616"[..], b"", b"-1", b"1a", b" 1", b"000000000000000000001"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
        assert_eq!((signed(b"-5"), signed(b"9223372036854775808"), signed(b"--1")), (Some(-5), None, None));
        assert_eq!((number32(b"4294967295"), number32(b"4294967296")), (Some(u32::MAX), None));
        assert_eq!(
            (number_in_value(b" 12 x"), number_in_value(b"12x"), number_in_value(b"")),
            (Some(12), None, None)
        );
    }
}
