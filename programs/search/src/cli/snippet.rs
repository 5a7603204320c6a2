//! The part of a text around what matches, on one line.

use std::fmt::Write;

/// Characters shown.
const WIDTH: usize = 160;
/// Of these, before the first match.
const BEFORE: usize = 50;

const BEGIN: &str = "\x1b[1;31m";
const END: &str = "\x1b[0m";

/// Writes what of `text` is around the first of `spans`, with all of them marked if `color`.
pub(crate) fn write(out: &mut String, text: &str, mut spans: Vec<(usize, usize)>, color: bool) {
    spans.sort_unstable();
    let first = spans.first().map_or(0, |(begin, _)| *begin);
    let begin = text[..first].char_indices().rev().take(BEFORE).last().map_or(first, |(i, _)| i);
    let end = text[begin..].char_indices().nth(WIDTH).map_or(text.len(), |(i, _)| begin + i);
    if begin > 0 {
        out.push('…');
    }
    let mut at = begin;
    for (from, to) in spans {
        // Overlapping ones are marked as one.
        let (from, to) = (from.clamp(at, end), to.clamp(at, end));
        if from == to {
            continue;
        }
        plain(out, &text[at..from]);
        if color {
            out.push_str(BEGIN);
        }
        plain(out, &text[from..to]);
        if color {
            out.push_str(END);
        }
        at = to;
    }
    plain(out, &text[at..end]);
    if end < text.len() {
        out.push('…');
    }
}

/// Without what would move the cursor or speak to the terminal.
fn plain(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
            c if c.is_control() => {
                let _ = write!(out, "{}", c.escape_default());
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet(text: &str, spans: &[(usize, usize)], color: bool) -> String {
        let mut out = String::new();
        write(&mut out, text, spans.to_vec(), color);
        out
    }

    #[test]
    fn a_match_is_marked_amid_its_surroundings() {
        let text = format!("{}needle{}", "é".repeat(300), "y".repeat(300));
        let said = snippet(&text, &[(600, 606)], true);
        assert_eq!(said, format!("…{}\x1b[1;31mneedle\x1b[0m{}…", "é".repeat(50), "y".repeat(104)));
        assert_eq!(snippet("ab cd", &[], true), "ab cd");
        assert_eq!(snippet("abcd", &[(2, 4), (0, 3)], true), "\x1b[1;31mabc\x1b[0m\x1b[1;31md\x1b[0m");
    }

    #[test]
    fn nothing_in_it_speaks_to_the_terminal() {
        assert_eq!(snippet("a\nb\x1b[31m\tc\u{7}", &[], false), "a b\\u{1b}[31m c\\u{7}");
    }
}
