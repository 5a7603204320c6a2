//! A row of bytes to look for, each perhaps in two cases.
//!
//! Byte `i` of a place is right if `place[i] | mask[i] == value[i]`. That covers the two cases of an ASCII letter, those of
//! a letter of two bytes that differ in one bit, and, with every bit in the mask, a byte that may be anything.
//! So a run finds every place where all characters have one of their forms of the usual length; places it finds
//! wrongly are for the caller to sort out, unless it is [`exact`](Run::is_exact). Forms of another length are listed
//! as [`odd`](Run::odd).

use memchr::{memchr, memchr2, memmem};

use super::fold::Forms;
use super::lines::LineCount;

/// See the module.
#[derive(Clone, Debug)]
pub struct Run {
    masks: Box<[u8]>,
    values: Box<[u8]>,
    /// Two of the places: the rarest byte, and another rare one or the same.
    pair: (usize, usize),
    /// Every form of every character, as it may be written by its number.
    forms: Vec<char>,
    odd: Vec<char>,
    slash: bool,
    exact: bool,
}

/// In what a run is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// Text as it is.
    Text,
    /// The inside of a JSON string.
    Json,
}

impl Run {
    /// The bytes of `text`, whose characters have `forms`; `None` if that is nothing one could look for.
    pub(super) fn new(text: &str, forms: &Forms, within: Within) -> Option<Run> {
        let (mut masks, mut values) = (Vec::new(), Vec::new());
        let (mut all, mut odd): (Vec<char>, Vec<char>) = (Vec::new(), Vec::new());
        let mut exact = forms.is_without_context();
        for c in text.chars() {
            let escape = match (within, c) {
                (Within::Json, '"') => Some('"'),
                (Within::Json, '\\') => Some('\\'),
                (Within::Json, '\t') => Some('t'),
                (Within::Json, '\r') => Some('r'),
                // Where texts are joined, and what is written by its number alone.
                (Within::Json, c) if c < ' ' => return None,
                _ => None,
            };
            if let Some(escape) = escape {
                masks.extend([0, 0]);
                values.extend([b'\\', escape as u8]);
                all.push(c);
                continue;
            }
            let (usual, other): (Vec<char>, Vec<char>) =
                forms.of(c).iter().partition(|f| f.len_utf8() == c.len_utf8());
            let mut ways = 1;
            for i in 0..c.len_utf8() {
                let (mask, value) = covering(usual.iter().map(|f| byte(*f, i)));
                ways *= 1usize << mask.count_ones();
                masks.push(mask);
                values.push(value);
            }
            exact &= ways == usual.len();
            odd.extend(other.iter().filter(|c| !odd.contains(c)).copied().collect::<Vec<_>>());
            all.extend(usual);
            all.extend(other);
        }
        all.sort_unstable();
        all.dedup();
        let pair = rarest(&masks, &values)?;
        let slash = within == Within::Json && text.contains('/');
        Some(Run { masks: masks.into(), values: values.into(), pair, forms: all, odd, slash, exact })
    }

    /// Bytes it is long.
    #[must_use]
    pub fn width(&self) -> usize {
        self.masks.len()
    }

    /// Whether every place found is one where the text stands.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// How much it tells: more, the longer it is and the rarer its bytes are.
    pub(crate) fn rarity(&self) -> usize {
        let tells = |(mask, value): (&u8, &u8)| match mask.count_ones() {
            0 | 1 => 256 - usize::from(commonness(*value)),
            _ => 0,
        };
        self.masks.iter().zip(&self.values).map(tells).sum()
    }

    /// Forms of characters that are longer or shorter than the usual ones.
    pub(crate) fn odd(&self) -> &[char] {
        &self.odd
    }

    /// All forms of all characters.
    pub(crate) fn forms(&self) -> &[char] {
        &self.forms
    }

    /// Whether there is a `/`, which JSON may write as `\/`.
    pub(crate) fn has_slash(&self) -> bool {
        self.slash
    }

    /// Whether a form that this does not find stands in `text`.
    pub(super) fn may_be_odd(&self, text: &str) -> bool {
        self.odd
            .iter()
            .any(|c| memmem::find(text.as_bytes(), c.encode_utf8(&mut [0; 4]).as_bytes()).is_some())
    }

    /// The first place at or after `from`.
    #[must_use]
    pub fn find(&self, hay: &[u8], from: usize) -> Option<usize> {
        #[cfg(target_arch = "x86_64")]
        let from = match super::simd::find::<false>(self.marks(), hay, from, None, |at| self.is_at(hay, at)) {
            Ok(place) => return Some(place),
            Err(rest) => rest,
        };
        self.find_by_rarest(hay, from)
    }

    /// The first place at or after `from`, or of an escape by number that `is_wanted`, whichever comes first: in one pass, which
    /// takes three quarters of the time of two. `Err`: there is none before that place, from which on the caller has to look for
    /// both in its own way; without [`is_vectored`](super::is_vectored) that is all. What has been passed over is counted in `lines`.
    pub(crate) fn find_or_escape(
        &self,
        hay: &[u8],
        from: usize,
        lines: Option<&mut LineCount>,
        is_wanted: impl Fn(usize) -> bool,
    ) -> Result<usize, usize> {
        #[cfg(target_arch = "x86_64")]
        return super::simd::find::<true>(self.marks(), hay, from, lines, |at| {
            self.is_at(hay, at) || hay[at..].starts_with(b"\\u") && is_wanted(at)
        });
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (hay, lines, is_wanted);
            Err(from)
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn marks(&self) -> [super::simd::Mark; 2] {
        [self.pair.0, self.pair.1].map(|at| (at, self.masks[at], self.values[at]))
    }

    /// Without instructions of one kind of processor.
    pub(crate) fn find_by_rarest(&self, hay: &[u8], mut from: usize) -> Option<usize> {
        let at = self.pair.0;
        let (mask, value) = (self.masks[at], self.values[at]);
        let last = hay.len().checked_sub(self.width())?;
        while from <= last {
            let within = &hay[from + at..=last + at];
            let step = match mask.count_ones() {
                0 => memchr(value, within)?,
                1 => memchr2(value, value & !mask, within)?,
                _ => within.iter().position(|b| b | mask == value)?,
            };
            if self.is_at(hay, from + step) {
                return Some(from + step);
            }
            from += step + 1;
        }
        None
    }

    fn is_at(&self, hay: &[u8], at: usize) -> bool {
        let Some(place) = hay.get(at..at + self.width()) else { return false };
        let right = |((byte, mask), value): ((&u8, &u8), &u8)| byte | mask == *value;
        place.iter().zip(&self.masks).zip(&self.values).all(right)
    }
}

fn byte(c: char, i: usize) -> u8 {
    let mut room = [0; 4];
    c.encode_utf8(&mut room);
    room[i]
}

/// A mask and value that all of `bytes` fit: no others, one bit apart, or anything.
fn covering(bytes: impl Iterator<Item = u8> + Clone) -> (u8, u8) {
    let all = bytes.clone().fold(0, |a, b| a | b);
    let common = bytes.fold(0xff, |a, b| a & b);
    let mask = all ^ common;
    if mask.count_ones() <= 1 { (mask, all) } else { (0xff, 0xff) }
}

/// The rarest two places; `None` where all may be anything.
fn rarest(masks: &[u8], values: &[u8]) -> Option<(usize, usize)> {
    let mut places: Vec<usize> = (0..masks.len()).filter(|&i| masks[i].count_ones() <= 1).collect();
    places.sort_by_key(|&i| commonness(values[i]));
    let first = *places.first()?;
    // Another byte tells more than the same one again.
    let second = places.iter().copied().find(|&i| values[i] != values[first]);
    Some((first, second.or(places.get(1).copied()).unwrap_or(first)))
}

/// How often a byte is met in JSON with prose and code in it: a rank, not a measure.
fn commonness(byte: u8) -> u8 {
    const ORDER: &[u8] = b" etaoinsrlcdu\"hmpfg\\,bywv:k.-_x0/12{}()j'34q5678z9;=[]<>*#";
    match ORDER.iter().position(|b| *b == byte) {
        Some(at) => 255 - at as u8,
        // First bytes of letters are as common as the script; the others tell more.
        None if byte >= 0xc0 => 150,
        None if byte >= 0x80 => 100,
        None => 50,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, within: Within) -> Run {
        Run::new(text, &Forms::lower(text), within).unwrap()
    }

    #[test]
    fn both_ways_of_looking_find_the_same_places() {
        let hay = "xXerRor ERROR \u{e9}\u{c9}rror errorError".repeat(7);
        for text in ["error", "r", "\u{e9}r", "or er"] {
            let run = run(text, Within::Text);
            for from in 0..=hay.len() + 3 {
                assert_eq!(
                    run.find(hay.as_bytes(), from),
                    run.find_by_rarest(hay.as_bytes(), from),
                    "{text} {from}"
                );
            }
        }
        let (run, hay) = (run("error", Within::Text), hay.replace('\u{e9}', "\\u00e9").repeat(3));
        for from in 0..=hay.len() + 3 {
            let escape = hay.get(from..).and_then(|rest| rest.find("\\u")).map(|n| from + n);
            let first = [run.find(hay.as_bytes(), from), escape].into_iter().flatten().min();
            match run.find_or_escape(hay.as_bytes(), from, None, |_| true) {
                Ok(place) => assert_eq!(Some(place), first, "{from}"),
                Err(rest) => {
                    assert!(rest >= from && first.is_none_or(|first| first >= rest), "{from} {rest}")
                }
            }
        }
    }

    #[test]
    fn what_ends_too_soon_is_not_found() {
        assert_eq!(run("error", Within::Text).find(b"an ERror", 0), Some(3));
        assert_eq!(run("error", Within::Text).find(b"err", 0), None);
        assert_eq!(run("error", Within::Text).find(b"", 7), None);
    }

    #[test]
    fn forms_of_another_length_are_odd() {
        let kelvin = run("273 k", Within::Text);
        assert_eq!(kelvin.odd(), ['\u{212a}']);
        assert!(kelvin.is_exact() && kelvin.may_be_odd("\u{212a}") && !kelvin.may_be_odd("k"));
        assert!(run("ünïcødé", Within::Text).is_exact());
        assert!(!run("σ", Within::Text).is_exact(), "its form depends on what is around it");
    }

    #[test]
    fn what_json_escapes_is_looked_for_escaped() {
        let run = run("a\"\\\t/b", Within::Json);
        assert_eq!(run.find(br#"xA\"\\\t/B"#, 0), Some(1));
        assert!(run.has_slash());
        assert!(Run::new("a\nb", &Forms::lower("a\nb"), Within::Json).is_none());
    }
}
