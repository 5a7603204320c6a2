//! Regular expressions as Python's `re` reads them, for Rust's engine.
//!
//! | Python | here |
//! |---|---|
//! | `\Z` | `\z` |
//! | `{` that begins no count | a brace |
//! | `{,9}` | `{0,9}` |
//! | `[`, `&`, `~` in a class; space and `#` there, with the flag `x` | themselves |
//! | with the flag `i`: `i`, `I`, `İ`, `ı` are one letter | a class of them |
//!
//! `$` before a last line feed makes no difference: a session's text ends in an id. Looking around and back references there are none
//! of, which is an error.

use std::iter::Peekable;
use std::str::CharIndices;

use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;

use super::error::QueryError;
use super::fold::Forms;
use super::literal::longest;
use super::run::{Run, Within};

/// A regular expression, and texts of which every match begins with one.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// Empty: nothing is known.
    pub(crate) begins: Vec<Run>,
}

/// Ways for a match to begin that are looked for; more are none.
const BEGINNINGS: usize = 8;

/// Reads a regular expression with Python's flags `imsx`.
pub(super) fn pattern(text: &str, flags: &str) -> Result<Pattern, QueryError> {
    let (text, inline) = leading_flags(text);
    let has = |flag| flags.contains(flag) || inline.contains(flag);
    let translated = Translation::of(text, has('i'), has('x'));
    let regex: Result<Regex, _> = RegexBuilder::new(&translated)
        .case_insensitive(has('i'))
        .multi_line(has('m'))
        .dot_matches_new_line(has('s'))
        .ignore_whitespace(has('x'))
        .build();
    let regex = regex.map_err(|e| QueryError::Regex(last_line(&e.to_string())))?;
    let mut parser = ParserBuilder::new();
    parser.multi_line(has('m')).dot_matches_new_line(has('s')).ignore_whitespace(has('x'));
    // In one case, whose other is then looked for too.
    let begins = beginnings(&Translation::of(text, false, has('x')), &parser, has('i'));
    Ok(Pattern { regex, begins: begins.unwrap_or_default() })
}

fn last_line(error: &str) -> String {
    error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// `(?im)` at the start, cut off.
fn leading_flags(text: &str) -> (&str, &str) {
    let split = text.strip_prefix("(?").and_then(|rest| rest.split_once(')'));
    match split {
        Some((flags, rest)) if !flags.is_empty() && flags.chars().all(|c| "imsx".contains(c)) => {
            (rest, flags)
        }
        _ => (text, ""),
    }
}

/// Runs of which one begins every match.
fn beginnings(text: &str, parser: &ParserBuilder, ignore_case: bool) -> Option<Vec<Run>> {
    let hir = parser.clone().build().parse(text).ok()?;
    let found = Extractor::new().extract(&hir);
    let literals = found.literals().filter(|l| !l.is_empty() && l.len() <= BEGINNINGS)?;
    let run = |part: &str| {
        let forms = if ignore_case { Forms::folded(part)? } else { Forms::exact(part) };
        Run::new(part, &forms, Within::Json)
    };
    literals.iter().map(|l| longest(std::str::from_utf8(l.as_bytes()).ok()?, run)).collect()
}

struct Translation<'a> {
    rest: Peekable<CharIndices<'a>>,
    out: String,
    ignore_case: bool,
    verbose: bool,
}

/// One letter where case is ignored.
const DOTTED: [char; 4] = ['i', 'I', 'İ', 'ı'];

impl<'a> Translation<'a> {
    fn of(text: &'a str, ignore_case: bool, verbose: bool) -> String {
        let rest = text.char_indices().peekable();
        let mut it = Translation { rest, out: String::with_capacity(text.len()), ignore_case, verbose };
        while let Some((at, c)) = it.rest.next() {
            match c {
                '\\' => it.escape(),
                '[' => it.class(),
                '{' => it.brace(&text[at..]),
                '#' if verbose => it.comment(),
                c if ignore_case && DOTTED.contains(&c) => it.out.push_str("[iIİı]"),
                c => it.out.push(c),
            }
        }
        it.out
    }

    fn escape(&mut self) {
        self.out.push('\\');
        if let Some((_, c)) = self.rest.next() {
            self.out.push(if c == 'Z' { 'z' } else { c });
        }
    }

    /// To the end of the line, as it is.
    fn comment(&mut self) {
        self.out.push('#');
        while let Some((_, c)) = self.rest.next_if(|(_, c)| *c != '\n') {
            self.out.push(c);
        }
    }

    fn brace(&mut self, text: &str) {
        let inside = text[1..].split_once('}').map(|(inside, _)| inside);
        let number = |n: &str| n.bytes().all(|b| b.is_ascii_digit());
        match inside.map(|i| i.split_once(',').unwrap_or((i, "0"))) {
            // A group's name, a letter's number: not a count, and braces all the same.
            _ if self.is_behind_escape() => self.out.push('{'),
            Some((low, high)) if number(low) && number(high) && inside != Some("") => {
                self.out.push('{');
                if low.is_empty() {
                    self.out.push('0');
                }
            }
            _ => self.out.push_str("\\{"),
        }
    }

    /// After `\p`, `\x`, `\u`, where a brace belongs to the escape.
    fn is_behind_escape(&self) -> bool {
        ["\\p", "\\P", "\\x", "\\u", "\\U"].iter().any(|e| self.out.ends_with(e))
    }

    fn class(&mut self) {
        self.out.push('[');
        if self.rest.next_if(|(_, c)| *c == '^').is_some() {
            self.out.push('^');
        }
        let begin = self.out.len();
        let mut first = true;
        let mut dotted = false;
        // The last character that may begin a range, and whether one has begun.
        let (mut low, mut range): (Option<char>, bool) = (None, false);
        while let Some((_, c)) = self.rest.next() {
            if c == ']' && !first {
                break;
            }
            first = false;
            let mut single = Some(c);
            match c {
                '\\' => {
                    single = self.rest.peek().map(|(_, c)| *c).filter(|c| !c.is_alphanumeric());
                    self.escape();
                }
                '[' | '&' | '~' | ']' => self.out.extend(['\\', c]),
                c if self.verbose && (c.is_whitespace() || c == '#') => self.out.extend(['\\', c]),
                '-' if low.is_some() && !range && self.rest.peek().is_some_and(|(_, c)| *c != ']') => {
                    self.out.push('-');
                    range = true;
                    continue;
                }
                '-' => self.out.push_str("\\-"),
                c => self.out.push(c),
            }
            if let Some(c) = single {
                let from = low.filter(|_| range).unwrap_or(c);
                dotted |= DOTTED.iter().any(|d| (from..=c).contains(d));
            }
            low = single.filter(|_| !range);
            range = false;
        }
        if dotted && self.ignore_case {
            self.out.insert_str(begin, "iIİı");
        }
        self.out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(text: &str, flags: &str, hay: &str) -> bool {
        pattern(text, flags).unwrap().regex.is_match(hay)
    }

    #[test]
    fn dotted_and_dotless_are_one_letter_where_case_is_ignored() {
        for text in ["istanbul", "İSTANBUL", "[h-j]stanbul", "[i]stanbul", "(?i)ıstanbul"] {
            for hay in ["istanbul", "Istanbul", "İstanbul", "ıstanbul"] {
                assert!(matches(text, "i", hay), "{text} {hay}");
            }
        }
        assert!(!matches("^[^i]s", "i", "İs"));
        assert!(matches("^[^a-c]s", "i", "İs"));
        assert!(!matches("istanbul", "", "İstanbul"));
        assert!(matches("273 k|ſ|ß", "i", "273 \u{212a}"));
        assert!(matches("straße", "i", "STRAẞE"));
    }

    #[test]
    fn pythons_ways_of_writing_are_read() {
        assert!(matches(r"fn \w+ {", "", "fn main {"));
        assert!(matches(r"^a{,2}$", "", "aa") && !matches(r"^a{,2}$", "", "aaa"));
        assert!(matches(r"^a{2}b{1,}\Z", "", "aabb"));
        assert!(matches(r"[[&&~]x", "", "[x") && matches(r"[]a]x", "", "]x"));
        assert!(matches(r"a b [ #]c # end", "x", "ab#c") && matches("a[ ]c", "x", "a c"));
        assert!(matches(r"\x41\u0042[a\-z]", "", "AB-"));
        assert!(matches(r"a\/b", "", "a/b"));
        assert!(pattern("(?=a)", "").is_err() && pattern(r"(a)\1", "").is_err());
    }

    #[test]
    fn beginnings_are_known_where_they_are_few() {
        let begins = |text, flags| pattern(text, flags).unwrap().begins.len();
        assert_eq!(begins(r"fn|let \w+_1\b", ""), 2);
        assert_eq!(begins("error.*", "i"), 1);
        assert_eq!(begins(".*error", ""), 0);
        assert_eq!(begins(r"\d+", ""), 0);
        let run = &pattern("kiss", "i").unwrap().begins[0];
        assert_eq!(run.find(b"a KISS", 0), Some(2));
        assert_eq!(run.odd(), ['\u{212a}', 'İ', 'ı', 'ſ']);
    }
}
