//! Requests as they mostly are, read in one go: a `get` of one key, a `set` whose value has come whole.
//!
//! Whatever else there may be in such a line (more blanks, more words, a number that does not fit) makes it none of these, and
//! the general way knows what to do with it.

use super::cx::KEY_LIMIT;
use crate::store::{Fresh, Place, Store};

/// A plain request: where its parts are in the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plain {
    key_at: u32,
    end: u32,
    hash: u32,
    /// Of a `set`; 0: it is a `get`.
    value_at: u32,
    flags: u32,
    expires: u32,
    shard: u16,
    key_len: u8,
}

impl Plain {
    /// The request at byte `at` of `input`, which is not longer than 32 bits can tell; none if it is not plain, or not all there.
    pub(super) fn read(input: &[u8], at: usize, store: &Store) -> Option<Self> {
        let mut plain = match input[at..] {
            [b'g', b'e', b't', b' ', ..] => Plain::get(input, at + 4)?,
            [b's', b'e', b't', b' ', ..] => Plain::set(input, at + 4, store)?,
            _ => return None,
        };
        let place = store.place(plain.key(input));
        (plain.hash, plain.shard) = (place.hash, u16::try_from(place.shard).ok()?);
        Some(plain)
    }

    fn get(input: &[u8], key_at: usize) -> Option<Self> {
        let key_len = key_len(&input[key_at..])?;
        let line_end = match input[key_at + key_len..] {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return None,
        };
        let end = key_at + key_len + line_end;
        Some(Plain { key_at: key_at as u32, key_len: key_len as u8, end: end as u32, ..Plain::default() })
    }

    fn set(input: &[u8], key_at: usize, store: &Store) -> Option<Self> {
        let key_len = key_len(&input[key_at..])?;
        let mut rest = &input[key_at + key_len..];
        let (flags, exptime, len) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)? as usize);
        let value_at = input.len() - rest.len() + 2;
        let end = value_at + len + 2;
        if end > input.len() || rest[..2] != *b"\r\n" || input[end - 2..end] != *b"\r\n" {
            return None;
        }
        Some(Plain {
            key_at: key_at as u32,
            key_len: key_len as u8,
            end: end as u32,
            value_at: value_at as u32,
            flags,
            expires: store.deadline(exptime.into()),
            ..Plain::default()
        })
    }

    /// Where the next request begins.
    pub(super) fn end(&self) -> usize {
        self.end as usize
    }

    pub(super) fn place(&self) -> Place {
        Place { shard: self.shard.into(), hash: self.hash }
    }

    pub(super) fn key<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        let at = self.key_at as usize;
        &input[at..at + usize::from(self.key_len)]
    }

    /// What a `set` brings.
    pub(super) fn fresh<'a>(&self, input: &'a [u8]) -> Option<Fresh<'a>> {
        let Plain { hash, flags, expires, value_at, .. } = *self;
        let value = || &input[value_at as usize..self.end as usize - 2];
        (value_at > 0).then(|| Fresh { hash, key: self.key(input), flags, expires, value: value() })
    }
}

/// Bytes of the key that `text` begins with: none if that is too long, or not followed by a blank or a byte below.
#[inline]
fn key_len(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let (eights, rest) = text.as_chunks::<8>();
    let found = eights.iter().enumerate().find_map(|(i, eight)| {
        let n = u64::from_le_bytes(*eight);
        // The high bit of each byte that is too low for the subtraction; above the first there may be false ones.
        let found = n.wrapping_sub(ONES * u64::from(b' ' + 1)) & !n & (ONES << 7);
        (found != 0).then(|| i * 8 + found.trailing_zeros() as usize / 8)
    });
    let found = found.or_else(|| rest.iter().position(|b| *b <= b' ').map(|i| eights.len() * 8 + i))?;
    (1..=KEY_LIMIT).contains(&found).then_some(found)
}

/// Takes a blank and a number of up to 32 bits off `rest`.
#[inline]
fn number(rest: &mut &[u8]) -> Option<u32> {
    const DIGITS: usize = 10;
    let [b' ', digits @ ..] = *rest else { return None };
    let (mut n, mut len) = (0, 0);
    while let Some(digit) = digits.get(len).map(|b| b.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        n = n * 10 + u64::from(digit);
        len += 1;
        if len > DIGITS {
            return None;
        }
    }
    *rest = &digits[len..];
    u32::try_from(n).ok().filter(|_| len > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Option<Plain> {
        Plain::read(input, 0, &Store::new(1 << 20, 1 << 16, 1).unwrap())
    }

    #[test]
    fn a_plain_get_is_one_word_behind_one_blank() {
        let long = [&b"get "[..], &[b'k'; KEY_LIMIT], b"\n"].concat();
        let right: [(&[u8], &[u8], usize); 4] = [
            (b"get a\r\nget b\r\n", b"a", 7),
            (b"get abc\nx", b"abc", 8),
            (b"get \x80\xff!~12345\xa0\x9f\n", b"\x80\xff!~12345\xa0\x9f", 16),
            (&long, &long[4..4 + KEY_LIMIT], KEY_LIMIT + 5),
        ];
        for (line, key, end) in right {
            let plain = read(line).unwrap();
            assert_eq!((plain.key(line), plain.end(), plain.fresh(line).is_none()), (key, end, true));
        }
        let too_long = [&b"get "[..], &[b'k'; KEY_LIMIT + 1], b"\n"].concat();
        for line in [
            &b"get a"[..],
            b"get a\r",
            b"get a b\n",
            b"get  a\n",
            b"get \r\n",
            b"get a\r\r\n",
            b"get a\0\n",
            b"gets a\n",
            b" get a\n",
            &too_long,
        ] {
            assert_eq!(read(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_plain_set_has_three_numbers_and_all_of_its_value() {
        let line = b"set key 4294967295 0 5\r\na\r\nb\n\r\nget a\r\n";
        let plain = read(line).unwrap();
        let fresh = plain.fresh(line).unwrap();
        assert_eq!(
            (fresh.key, fresh.flags, fresh.expires, fresh.value),
            (&b"key"[..], u32::MAX, 0, &b"a\r\nb\n"[..])
        );
        assert_eq!(&line[plain.end()..], b"get a\r\n");
        let empty = b"set k 07 00 0\r\n\r\n";
        let fresh = read(empty).unwrap().fresh(empty).unwrap();
        assert_eq!((fresh.flags, fresh.expires, fresh.value), (7, 0, &b""[..]));
        for line in [
            &b"set k 0 0 5\r\nabcde\r"[..],
            b"set k 0 0 5\r\nabcdefg\r\n",
            b"set k 0 0 5\r\nabc\r\n12",
            b"set k 0 0 5\nabcde\r\n",
            b"set k 0 0 5 noreply\r\nabcde\r\n",
            b"set k 0 0 5 \r\nabcde\r\n",
            b"set k  0 0 5\r\nabcde\r\n",
            b"set k 0 -1 5\r\nabcde\r\n",
            b"set k 4294967296 0 5\r\nabcde\r\n",
            b"set k 0 0 4294967295\r\nabcde\r\n",
            b"set k 0 0 00000000005\r\nabcde\r\n",
            b"set k 0 0\r\nabcde\r\n",
            b"set k 0 0 \r\n\r\n",
            b"set k\t 0 0 5\r\nabcde\r\n",
            b"set  0 0 5\r\nabcde\r\n",
            b"add k 0 0 5\r\nabcde\r\n",
        ] {
            for len in 0..=line.len() {
                assert_eq!(read(&line[..len]), None, "{}", line[..len].escape_ascii());
            }
        }
    }
}
