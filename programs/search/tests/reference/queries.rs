//! Queries made up from a fixed seed: every kind of term, nested in every way.

/// A query, and what goes with it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) query: String,
    pub(crate) role: Option<&'static str>,
    pub(crate) limit: Option<usize>,
}

/// Words, some of them in odd cases, and texts to be quoted.
const WORDS: &[&str] = &[
    "error",
    "ERROR",
    "tokio",
    "file",
    "the",
    "zephyrneedle",
    "QUUXMARKER",
    "todo-4711",
    "語彙",
    "ünïcødé",
    "ÜNÏCØDÉ",
    "straße",
    "STRAẞE",
    "größer",
    "σίσυφος",
    "ΣΊΣΥΦΟΣ",
    "σίσυφοσ",
    "привет",
    "ПРИВЕТ",
    "エラー",
    "🚀",
    "ﬁle",
    "naïve",
    "k",
    "\u{212a}",
    "273",
    "İstanbul",
    "istanbul",
    "i̇stanbul",
    "ISTANBUL",
    "a/b/c.rs",
    "A/B",
    "/",
    "kqueue",
    "is",
    "\u{307}",
    "ß",
    "let",
    "fn",
    "_1",
    "Bash",
    "cargo",
    "e\u{301}",
    "null",
    "toolu_",
    "signature",
    "claude-sonnet-4",
    "tool_use",
    "stdout",
];
const QUOTED: &[&str] = &[
    r#""say \"hi\" now""#,
    r#""SAY \"HI\""#,
    r#""C:\\temp\\new""#,
    r#""c:\\TEMP""#,
    r#""tab\there""#,
    r#"'TAB	HERE'"#,
    r#""\n\n""#,
    r#"".\n""#,
    r#""\"""#,
    r#""273 k""#,
    r#""273 K""#,
    r#"'it is'"#,
    r#"" and ""#,
    r#""\u2028""#,
    "\"\u{2028}sep\"",
    r#""```rust\nlet""#,
    r#""""#,
    r#""checking the""#,
    r#""\\""#,
];
const REGEXES: &[&str] = &[
    r"/fn|let \w+_1\b/",
    r"/error/i",
    r"/ERROR|Panic/",
    r"/istanbul/i",
    r"/İSTANBUL/i",
    r"/273 k/i",
    r"/[h-j]stanbul/i",
    r"/[^i]stanbul/i",
    r"/^summary/m",
    r"/\d{4}$/m",
    r"/let .* = .*\);$/m",
    r"/rust.let/s",
    r"/a \/ b|a\/b/",
    r"/ straße /ix",
    r"/STRASSE|STRAẞE/i",
    r"/σίσυφος/i",
    r"/(todo)-\d+/i",
    r"/zephyr(needle)?/i",
    r"/\bK\b/",
    r"/^$/m",
    r"/语|語./",
    r"/[\[\]{}]x?/",
    r"/x{2,}|q{1}/",
    r"/say \x22hi/",
    r"/\Adeploy/i",
    r"/[0-9a-f]{8}-/",
    r"/é+/i",
    r"/fn [a-z]+ {/",
    r"/[[a]b/",
    r"/\s{3,}\d+\t/",
    r"/s[^\W\d_]+Z/i",
];

/// See the module.
pub(crate) struct Queries(u64);

impl Queries {
    pub(crate) fn new(seed: u64) -> Self {
        Queries(seed)
    }

    /// Another one.
    pub(crate) fn next(&mut self) -> Asked {
        let role = [None, None, None, Some("user"), Some("assistant"), Some("system"), Some("summary")];
        let limit = [None, None, Some(0), Some(1), Some(10), Some(200)];
        let query = self.any(0);
        Asked { query, role: role[self.below(role.len())], limit: limit[self.below(limit.len())] }
    }

    fn any(&mut self, depth: usize) -> String {
        let terms = 1 + self.below(3);
        let mut query = String::new();
        for n in 0..terms {
            if n > 0 {
                query.push_str([" AND ", " OR ", " ", "  OR "][self.below(4)]);
            }
            if self.below(5) == 0 {
                query.push_str("NOT ");
            }
            if depth < 3 && self.below(4) == 0 {
                let inside = self.any(depth + 1);
                query.push_str(&format!("({inside})"));
            } else {
                query.push_str(self.term());
            }
        }
        query
    }

    fn term(&mut self) -> &'static str {
        let list = [WORDS, WORDS, QUOTED, REGEXES][self.below(4)];
        list[self.below(list.len())]
    }

    /// A number below `n`, by xorshift.
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }
}
