//! Several `get`s in a row with one key each: what a pipeline is, mostly.
//!
//! A lookup waits for memory twice, for the index and for the item. Here the lines are read first, then what all of
//! them need is asked for at once, then they are answered: of the CPU time of a pipelined request a quarter is saved.

use super::cx::{Cx, KEY_LIMIT, OUT_LIMIT};
use super::get::get_one;
use super::session::Kind;
use crate::store::Place;

/// Lines that are read before the first is answered.
const MOST: usize = 16;

#[derive(Clone, Copy, Default)]
struct Get<'a> {
    key: &'a [u8],
    place: Place,
    /// Where the next line begins.
    end: usize,
}

/// Answers the plain `get`s at the front of `input`, as many as the output and the turns allow; the bytes they take. 0: what
/// is there is none.
pub(super) fn gets(input: &[u8], cx: &mut Cx<'_, '_>) -> usize {
    let Some((key, mut end)) = plain_get(input) else { return 0 };
    let first = Get { key, place: cx.held.store().place(key), end };
    if end == input.len() {
        return answer(&[first], cx);
    }
    let mut all = [Get::default(); MOST];
    all[0] = first;
    let mut count = 1;
    while count < MOST
        && let Some((key, n)) = plain_get(&input[end..])
    {
        end += n;
        all[count] = Get { key, place: cx.held.store().place(key), end };
        count += 1;
    }
    cx.held.expect(all[..count].iter().map(|get| get.place));
    answer(&all[..count], cx)
}

fn answer(gets: &[Get<'_>], cx: &mut Cx<'_, '_>) -> usize {
    let mut taken = 0;
    for get in gets {
        if cx.turns == 0 || cx.out.len() >= OUT_LIMIT {
            break;
        }
        cx.turns -= 1;
        get_one(get.key, get.place, Kind::GET, cx);
        cx.out.push(b"END\r\n");
        taken = get.end;
    }
    taken
}

/// The key, and the bytes of the line; none if it is anything but `get`, one blank, one key, or is not all there.
fn plain_get(input: &[u8]) -> Option<(&[u8], usize)> {
    let rest = input.strip_prefix(b"get ")?;
    let end = memchr::memchr2(b' ', b'\n', rest)?;
    if rest[end] == b' ' {
        return None;
    }
    let key = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
    (1..=KEY_LIMIT).contains(&key.len()).then_some((key, input.len() - rest.len() + end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_get_is_one_word_behind_one_blank() {
        let long = [&b"get "[..], &[b'k'; KEY_LIMIT], b"\n"].concat();
        let right: [(&[u8], &[u8], usize); 4] = [
            (b"get a\r\nget b\r\n", b"a", 7),
            (b"get abc\nx", b"abc", 8),
            (b"get a\r\r\n", b"a\r", 8),
            (&long, &long[4..4 + KEY_LIMIT], KEY_LIMIT + 5),
        ];
        for (line, key, n) in right {
            assert_eq!(plain_get(line), Some((key, n)), "{}", line.escape_ascii());
        }
        let too_long = [&b"get "[..], &[b'k'; KEY_LIMIT + 1], b"\n"].concat();
        for line in [
            &b"get a"[..],
            b"get a\r",
            b"get a b\n",
            b"get  a\n",
            b"get \r\n",
            b"gets a\n",
            b" get a\n",
            &too_long,
        ] {
            assert_eq!(plain_get(line), None, "{}", line.escape_ascii());
        }
    }
}
