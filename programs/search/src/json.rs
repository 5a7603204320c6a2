//! A JSON reader that walks a line once, checks all of it, and remembers where strings are.
//!
//! It takes what Python's `json` takes: RFC 8259, and `NaN`, `Infinity`, `-Infinity`. Nothing is copied before
//! [`unescape`] is asked to. A value nested more than [`DEPTH`] deep is none.

/// Levels of nesting that are read.
const DEPTH: u32 = 1000;

/// A string within a line, without its quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Something in it is escaped.
    pub(crate) escaped: bool,
}

impl Text {
    /// As it is written.
    pub(crate) fn raw(self, line: &str) -> &str {
        &line[self.start as usize..self.end as usize]
    }

    /// Whether it says `word`, which needs no escape.
    pub(crate) fn is(self, line: &str, word: &str) -> bool {
        if self.escaped {
            let mut said = String::new();
            unescape(self.raw(line), &mut said);
            return said == word;
        }
        self.raw(line) == word
    }
}

/// What begins at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Object,
    Array,
    /// A number or `true`, `false`.
    Other,
    Null,
}

/// A place in a line that is valid UTF-8 and shorter than 4 GiB.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    line: &'a [u8],
    at: usize,
    depth: u32,
}

/// The line is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoJson;

type Read<T> = Result<T, NoJson>;

impl<'a> Reader<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Reader { line: line.as_bytes(), at: 0, depth: 0 }
    }

    /// What the next value is.
    pub(crate) fn kind(&mut self) -> Read<Kind> {
        match self.peek() {
            Some(b'"') => Ok(Kind::String),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Ok(Kind::Other),
            None => Err(NoJson),
        }
    }

    /// Nothing but space is left.
    pub(crate) fn end(&mut self) -> Read<()> {
        if self.peek().is_none() { Ok(()) } else { Err(NoJson) }
    }

    /// Reads an object, whose values `each` reads: its reader stands before one, and must leave it behind.
    pub(crate) fn object(&mut self, mut each: impl FnMut(&mut Self, Text) -> Read<()>) -> Read<()> {
        self.open(b'{')?;
        if !self.take(b'}') {
            loop {
                let key = self.string()?;
                self.expect(b':')?;
                each(self, key)?;
                if !self.take(b',') {
                    break;
                }
            }
            self.expect(b'}')?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads an array, in the same way.
    pub(crate) fn array(&mut self, mut each: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.open(b'[')?;
        if !self.take(b']') {
            loop {
                each(self)?;
                if !self.take(b',') {
                    break;
                }
            }
            self.expect(b']')?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Read<Text> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain(&self.line[self.at..]);
            match self.line.get(self.at) {
                Some(b'"') => {
                    let (start, end) = (start as u32, self.at as u32);
                    self.at += 1;
                    return Ok(Text { start, end, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                // A control character, or the end.
                _ => return Err(NoJson),
            }
        }
    }

    /// Reads any value.
    pub(crate) fn skip(&mut self) -> Read<()> {
        match self.kind()? {
            Kind::String => self.string().map(drop),
            Kind::Object => self.object(|r, _| r.skip()),
            Kind::Array => self.array(Self::skip),
            Kind::Null => self.word(b"null"),
            Kind::Other => self.other(),
        }
    }

    /// Reads a value all of whose strings, but not whose keys, go to `strings`.
    pub(crate) fn strings(&mut self, strings: &mut Vec<Text>) -> Read<()> {
        match self.kind()? {
            Kind::String => strings.push(self.string()?),
            Kind::Object => self.object(|r, _| r.strings(strings))?,
            Kind::Array => self.array(|r| r.strings(strings))?,
            Kind::Other | Kind::Null => self.skip()?,
        }
        Ok(())
    }

    fn other(&mut self) -> Read<()> {
        match self.line[self.at] {
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'N' => self.word(b"NaN"),
            b'I' => self.word(b"Infinity"),
            b'-' if self.line.get(self.at + 1) == Some(&b'I') => self.word(b"-Infinity"),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Read<()> {
        self.at += usize::from(self.line[self.at] == b'-');
        if self.line.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.line.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.line.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.line.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Read<()> {
        let begin = self.at;
        while self.line.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > begin { Ok(()) } else { Err(NoJson) }
    }

    fn word(&mut self, word: &[u8]) -> Read<()> {
        if !self.line[self.at..].starts_with(word) {
            return Err(NoJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn escape(&mut self) -> Read<()> {
        match self.line.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                hex(&self.line[self.at + 2..]).ok_or(NoJson)?;
                self.at += 6;
            }
            _ => return Err(NoJson),
        }
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Read<()> {
        self.expect(bracket)?;
        self.depth += 1;
        if self.depth > DEPTH { Err(NoJson) } else { Ok(()) }
    }

    fn expect(&mut self, byte: u8) -> Read<()> {
        if self.take(byte) { Ok(()) } else { Err(NoJson) }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.line.get(self.at) {
            self.at += 1;
        }
        self.line.get(self.at).copied()
    }
}

/// Four hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..4)?;
    digits.iter().try_fold(0, |n, d| Some(n << 4 | (*d as char).to_digit(16)?))
}

/// How many bytes stand for themselves in a string.
fn plain(bytes: &[u8]) -> usize {
    const BLOCK: usize = 16;
    let ends = |b: &u8| *b == b'"' || *b == b'\\' || *b < b' ';
    let mut at = 0;
    // Written so that the compiler makes vector instructions of it.
    while let Some(block) = bytes.get(at..at + BLOCK) {
        if block.iter().fold(false, |any, b| any | ends(b)) {
            break;
        }
        at += BLOCK;
    }
    at + bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at)
}

/// Appends what the inside of a string says. `raw` has been read by a [`Reader`]. Half of a surrogate pair becomes U+FFFD.
pub(crate) fn unescape(raw: &str, out: &mut String) {
    let mut rest = raw;
    loop {
        let n = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        out.push_str(&rest[..n]);
        rest = &rest[n..];
        let Some(kind) = rest.as_bytes().get(1) else { return };
        let mut used = 2;
        out.push(match kind {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\x08',
            b'f' => '\x0c',
            b'u' => {
                let (c, more) = numbered(&rest.as_bytes()[2..]);
                used += more;
                c
            }
            other => *other as char,
        });
        rest = &rest[used..];
    }
}

/// The character that digits stand for, and how many bytes that took.
fn numbered(bytes: &[u8]) -> (char, usize) {
    let high = hex(bytes).unwrap_or_default();
    if !(0xd800..0xdc00).contains(&high) {
        return (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 4);
    }
    let low = bytes.get(4..).and_then(|b| b.strip_prefix(b"\\u")).and_then(hex);
    match low {
        Some(low @ 0xdc00..0xe000) => {
            let c = char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            (c.unwrap_or(char::REPLACEMENT_CHARACTER), 10)
        }
        _ => (char::REPLACEMENT_CHARACTER, 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(text: &str) -> bool {
        let mut reader = Reader::new(text);
        reader.skip().and_then(|()| reader.end()).is_ok()
    }

    #[test]
    fn takes_json_and_nothing_else() {
        for yes in [
            "{}",
            "[]",
            "[1, -0.5e+3 ,true,false,null]",
            r#" {"a":{"b":[{"c":"d"}]}, "e" : 0} "#,
            r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude80""#,
            "NaN",
            "-Infinity",
            "[Infinity]",
            "\"é\u{7f}\"",
            "10",
            "0.0",
        ] {
            assert!(is_json(yes), "{yes}");
        }
        for no in [
            "",
            " ",
            "{",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "\"\t\"",
            r#""\x""#,
            r#""\u12g4""#,
            r#""\u123""#,
            "\"",
            r#""\"#,
            "nul",
            "{}{}",
            "[1 2]",
            "'a'",
            "tru",
            "\u{feff}{}",
        ] {
            assert!(!is_json(no), "{no}");
        }
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(is_json(&nested(1000)) && !is_json(&nested(1001)) && !is_json(&"[".repeat(1_000_000)));
    }

    #[test]
    fn every_prefix_of_json_is_none() {
        let text = r#"{"a":[1.5,"x\u0041\n",{"b":null}],"c":true}"#;
        for end in 0..text.len() {
            assert!(!is_json(&text[..end]), "{}", &text[..end]);
        }
    }

    #[test]
    fn escapes_are_undone() {
        let mut out = String::from("<");
        unescape(r#"a\"\\\/\n\u0065\ud83d\ude80\ud83dx\ude80é\u0130"#, &mut out);
        assert_eq!(out, "<a\"\\/\ne🚀\u{fffd}x\u{fffd}éİ");
    }

    #[test]
    fn strings_end_wherever_they_do() {
        for n in 0..70 {
            let line = format!("\"{}\\n{}\" ", "x".repeat(n), "y".repeat(70 - n));
            let text = Reader::new(&line).string().unwrap();
            assert_eq!((text.raw(&line).len(), text.escaped), (72, true));
        }
    }
}
