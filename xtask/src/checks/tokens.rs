//! A source file as a flat list of tokens with line numbers, and which of them are test code.
//!
//! Comments and strings are out of the way by then (doc comments are string literals), and macro
//! bodies are in it like everything else, so a check neither trips over prose nor misses a macro.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::ops::Range;

/// One token. An opening bracket knows its closing one.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    /// Index of the closing bracket, for an opening one.
    pub(crate) close: Option<usize>,
}

/// A file, taken apart.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the repository, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
    /// Token ranges of items that exist only in tests.
    pub(crate) tests: Vec<Range<usize>>,
    /// The whole file exists only in tests.
    pub(crate) test_file: bool,
}

impl Source {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// The file is not Rust.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, String> {
        let stream: TokenStream = text.parse().map_err(|e| format!("{path}: not Rust: {e}"))?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let mut source = Source {
            path: path.into(),
            text: text.into(),
            tests: Vec::new(),
            test_file: path
                .split('/')
                .any(|part| part == "tests" || part == "loom_tests.rs" || part == "tests.rs"),
            tokens,
        };
        source.tests = source.find_tests();
        Ok(source)
    }

    /// The text of token `i`, empty past the end.
    pub(crate) fn at(&self, i: usize) -> &str {
        self.tokens.get(i).map_or("", |t| &t.text)
    }

    /// Whether the tokens from `i` on are `words`.
    pub(crate) fn matches(&self, i: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(k, w)| self.at(i + k) == *w)
    }

    /// The opening bracket that token `i` stands in.
    pub(crate) fn opening(&self, i: usize) -> Option<usize> {
        (0..i).rev().find(|k| self.tokens[*k].close.is_some_and(|close| close > i))
    }

    /// Whether token `i` is test code.
    pub(crate) fn is_test(&self, i: usize) -> bool {
        self.test_file || self.tests.iter().any(|r| r.contains(&i))
    }

    /// The lines (1-based) of items that exist only in tests.
    pub(crate) fn test_lines(&self) -> Vec<Range<usize>> {
        let line = |i: usize| self.tokens.get(i).map_or(usize::MAX, |t| t.line);
        self.tests.iter().map(|r| line(r.start)..line(r.end.saturating_sub(1)).saturating_add(1)).collect()
    }

    /// Lines `from..=to` of the text (1-based), cut at the ends of the file.
    pub(crate) fn lines(&self, from: usize, to: usize) -> impl Iterator<Item = &str> {
        self.text.lines().skip(from.saturating_sub(1)).take((to + 1).saturating_sub(from.max(1)))
    }

    /// Each attribute: index of its `#`, the index range of what is inside the brackets.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        (0..self.tokens.len()).filter(|i| self.at(*i) == "#").filter_map(|i| {
            let open = if self.at(i + 1) == "!" { i + 2 } else { i + 1 };
            (self.at(open) == "[").then(|| (i, open + 1..self.tokens[open].close.unwrap_or(open + 1)))
        })
    }

    /// The first token after the attributes that begin at token `i`.
    pub(crate) fn item_start(&self, mut i: usize) -> usize {
        while self.at(i) == "#" && self.at(i + 1) == "[" {
            i = self.tokens[i + 1].close.unwrap_or(i + 1) + 1;
        }
        i
    }

    /// The end (exclusive) of the item that begins at token `i`, its attributes included.
    pub(crate) fn item_end(&self, i: usize) -> usize {
        let mut i = self.item_start(i);
        // A comma ends a field or a variant, but not an item with a list of generics.
        const ITEMS: &[&str] =
            &["fn", "impl", "mod", "struct", "enum", "trait", "type", "use", "static", "let"];
        let mut item = false;
        while i < self.tokens.len() {
            item |= ITEMS.contains(&self.at(i));
            match self.at(i) {
                ";" => return i + 1,
                "," if !item => return i + 1,
                "{" => return self.tokens[i].close.unwrap_or(i) + 1,
                ")" | "]" | "}" => return i,
                _ => i = self.tokens[i].close.unwrap_or(i) + 1,
            }
        }
        i
    }

    fn find_tests(&mut self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut whole = false;
        for (start, inside) in self.attributes() {
            let test_only = match self.at(inside.start) {
                "test" => true,
                "cfg" => Cfg::parse(self, inside.start + 2).needs("test"),
                _ => false,
            };
            if test_only && self.at(start + 1) == "!" {
                whole = true;
            } else if test_only {
                found.push(start..self.item_end(start));
            }
        }
        self.test_file |= whole;
        found
    }

    /// Names of modules that this file declares for tests only (`#[cfg(test)] mod name;`).
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let declared = |r: &Range<usize>| {
            let i = r.clone().find(|i| self.at(*i) == "mod")?;
            (self.at(i + 2) == ";").then(|| self.at(i + 1).to_string())
        };
        self.tests.iter().filter_map(declared).collect()
    }
}

fn flatten(stream: TokenStream, out: &mut Vec<Token>) {
    for tree in stream {
        match tree {
            TokenTree::Group(g) => {
                let (open, close) = match g.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::None => ("", ""),
                };
                let at = out.len();
                out.push(Token { text: open.into(), line: g.span_open().start().line, close: None });
                flatten(g.stream(), out);
                out[at].close = Some(out.len());
                out.push(Token { text: close.into(), line: g.span_close().start().line, close: None });
            }
            other => {
                out.push(Token { text: other.to_string(), line: other.span().start().line, close: None })
            }
        }
    }
}

/// A `cfg` predicate, as far as the checks care.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cfg {
    Flag(String),
    All(Vec<Cfg>),
    Any(Vec<Cfg>),
    Not(Box<Cfg>),
}

impl Cfg {
    /// Reads the predicate that begins at token `i`.
    pub(crate) fn parse(source: &Source, i: usize) -> Cfg {
        let name = source.at(i);
        if source.at(i + 1) != "(" {
            return Cfg::Flag(name.to_string());
        }
        let close = source.tokens[i + 1].close.unwrap_or(i + 1);
        let mut parts = Vec::new();
        let mut at = i + 2;
        while at < close {
            parts.push(Cfg::parse(source, at));
            while at < close && source.at(at) != "," {
                at = source.tokens[at].close.unwrap_or(at) + 1;
            }
            at += 1;
        }
        match name {
            "any" => Cfg::Any(parts),
            "not" if parts.len() == 1 => Cfg::Not(Box::new(parts.remove(0))),
            _ => Cfg::All(parts),
        }
    }

    /// Whether it can hold only if `flag` is set.
    pub(crate) fn needs(&self, flag: &str) -> bool {
        match self {
            Cfg::Flag(f) => f == flag,
            Cfg::All(parts) => parts.iter().any(|p| p.needs(flag)),
            Cfg::Any(parts) => !parts.is_empty() && parts.iter().all(|p| p.needs(flag)),
            Cfg::Not(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse("core/src/x.rs", text).unwrap()
    }

    #[test]
    fn tells_test_code_from_code() {
        let s = source(
            "#[cfg(any(feature = \"std\", test))] fn kept() {} \
             #[cfg(all(test, not(ouzel_loom)))] mod t { fn gone() {} } fn kept2() {} #[cfg(test)] mod far;",
        );
        let of = |name: &str| s.is_test(s.tokens.iter().position(|t| t.text == name).unwrap());
        assert!(!of("kept") && of("gone") && !of("kept2") && of("far"));
        assert_eq!(s.test_modules(), ["far"]);
    }

    #[test]
    fn comments_and_strings_are_no_tokens() {
        let s = source("// unsafe { }\n/// std::sync\nfn f() { g(\"unsafe\") }");
        assert!(!s.tokens.iter().any(|t| t.text == "unsafe"));
    }
}
