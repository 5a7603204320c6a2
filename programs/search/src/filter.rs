//! Lines that may match, found in raw bytes: most lines of most files are never read as JSON.
//!
//! A query asks for texts of which at least one must stand in a line. In JSON a text may be written in other ways than as itself.
//! So a line is a candidate if one of the runs stands in it, or
//! - an escape like `\u0065` of a character of a run;
//! - a form of a character that has another length, as U+212A for `k`;
//! - `\/`, where a run has a `/`.
//!
//! Each of these is looked for by itself, and the places found are merged: a pass over the buffer each, while it is in the
//! processor's cache. Escapes are looked for in the pass of the first run, where the processor has what is needed for that.

use memchr::memmem::Finder;

use crate::json::hex;
use crate::query::{LineCount, Node, Query, Run, is_vectored};

/// What stands in every line that can match.
#[derive(Debug)]
pub(crate) struct Filter {
    runs: Vec<Run>,
    /// Odd forms, and an escaped slash.
    others: Vec<Finder<'static>>,
    number: Finder<'static>,
    /// Characters that an escape may stand for.
    escaped: Escaped,
    /// Look for escapes and the first run at once.
    together: bool,
    /// Look for runs without instructions of one kind of processor.
    plainly: bool,
}

#[derive(Debug, Default)]
struct Escaped {
    ascii: u128,
    others: Vec<u32>,
    /// Some are written as two escapes.
    pairs: bool,
}

/// Where each of the filter's parts is found next.
#[derive(Debug, Default)]
pub(crate) struct Places {
    places: Vec<Option<usize>>,
    /// Lines on the way.
    lines: Option<LineCount>,
}

impl Places {
    /// For another buffer, in which lines are counted or not.
    pub(crate) fn begin(&mut self, counts: bool) {
        self.places.clear();
        self.lines = counts.then(LineCount::default);
    }

    /// The ends of lines in all of the buffer, if they are counted.
    pub(crate) fn ends_of_lines(&mut self, hay: &[u8]) -> Option<u32> {
        Some(self.lines.take()?.in_all(hay))
    }
}

impl Filter {
    /// `None`: every line may match.
    pub(crate) fn of(query: &Query) -> Option<Filter> {
        let runs = needed(query.root())?;
        let mut escaped = Escaped::default();
        let mut others: Vec<Vec<u8>> = Vec::new();
        for run in &runs {
            run.forms().iter().for_each(|c| escaped.add(*c));
            others.extend(run.odd().iter().map(|c| c.to_string().into_bytes()));
            others.extend(run.has_slash().then(|| b"\\/".to_vec()));
        }
        others.sort_unstable();
        others.dedup();
        let others = others.iter().map(|o| Finder::new(o).into_owned()).collect();
        let runs = runs.into_iter().cloned().collect();
        let number = Finder::new("\\u");
        Some(Filter { runs, others, number, escaped, together: is_vectored(), plainly: false })
    }

    /// As a program would do it that has but `memchr`.
    pub(crate) fn plainly(mut self) -> Filter {
        (self.plainly, self.together) = (true, false);
        self
    }

    /// The next place at or after `from` that makes its line a candidate. `places` is kept from call to call on the same buffer,
    /// with ever higher `from`.
    pub(crate) fn next(&self, places: &mut Places, hay: &[u8], from: usize) -> Option<usize> {
        let Places { places, lines } = places;
        let count = self.parts();
        if places.len() != count {
            places.clear();
            places.extend((0..count).map(|i| self.find(i, hay, from, lines.as_mut())));
        }
        for (i, place) in places.iter_mut().enumerate() {
            if place.is_some_and(|p| p < from) {
                *place = self.find(i, hay, from, lines.as_mut());
            }
        }
        places.iter().flatten().min().copied()
    }

    /// Whether a line that has `part` in it may match.
    pub(crate) fn is_in(&self, part: &[u8]) -> bool {
        (0..self.parts()).any(|i| self.find(i, part, 0, None).is_some())
    }

    /// How much of the end of one part of a line has to be looked at again with the next.
    pub(crate) fn overlap(&self) -> usize {
        /// Of `\u0065`.
        const NUMBER: usize = 6;
        let runs = self.runs.iter().map(Run::width);
        runs.chain(self.others.iter().map(|o| o.needle().len())).fold(NUMBER, usize::max) - 1
    }

    /// Whether it counts lines in passing.
    pub(crate) fn counts_lines(&self) -> bool {
        self.together
    }

    fn parts(&self) -> usize {
        self.runs.len() + self.others.len() + usize::from(!self.together)
    }

    fn find(&self, part: usize, hay: &[u8], from: usize, lines: Option<&mut LineCount>) -> Option<usize> {
        if let Some(run) = self.runs.get(part) {
            return match part {
                0 if self.together => self.find_together(run, hay, from, lines),
                _ if self.plainly => run.find_by_rarest(hay, from),
                _ => run.find(hay, from),
            };
        }
        match self.others.get(part - self.runs.len()) {
            Some(other) => other.find(hay.get(from..)?).map(|p| from + p),
            None => self.find_number(hay, from),
        }
    }

    fn find_together(
        &self,
        run: &Run,
        hay: &[u8],
        from: usize,
        lines: Option<&mut LineCount>,
    ) -> Option<usize> {
        match run.find_or_escape(hay, from, lines, |at| self.escaped.has(&hay[at + 2..])) {
            Ok(place) => Some(place),
            // Little is left: less than vectors take.
            Err(rest) => run.find_by_rarest(hay, rest).into_iter().chain(self.find_number(hay, rest)).min(),
        }
    }

    fn find_number(&self, hay: &[u8], from: usize) -> Option<usize> {
        let is_wanted = |at: &usize| self.escaped.has(&hay[at + 2..]);
        self.number.find_iter(hay.get(from..)?).map(|p| from + p).find(is_wanted)
    }
}

impl Escaped {
    fn add(&mut self, c: char) {
        match u32::from(c) {
            n @ 0..128 => self.ascii |= 1 << n,
            n @ 128..0x1_0000 => self.others.push(n),
            _ => self.pairs = true,
        }
    }

    /// Whether these digits stand for one of them; also where they are cut off.
    fn has(&self, digits: &[u8]) -> bool {
        match hex(digits) {
            None => true,
            Some(n @ 0..128) => self.ascii >> n & 1 == 1,
            Some(0xd800..0xe000) => self.pairs,
            Some(n) => self.others.contains(&n),
        }
    }
}

/// Runs of which at least one, or a way of writing it, is in every line that matches.
fn needed(node: &Node) -> Option<Vec<&Run>> {
    match node {
        Node::Literal(literal) => literal.raw().map(|run| vec![run]),
        Node::Regex(pattern) => (!pattern.begins.is_empty()).then(|| pattern.begins.iter().collect()),
        Node::Not(_) => None,
        // The most telling of those that have one.
        Node::And(nodes) => nodes.iter().filter_map(needed).max_by_key(|runs| rarity(runs)),
        Node::Or(nodes) => {
            let all: Option<Vec<Vec<&Run>>> = nodes.iter().map(needed).collect();
            all.map(|all| all.concat()).filter(|runs| runs.len() <= MOST)
        }
    }
}

/// Runs looked for at once: each takes a pass.
const MOST: usize = 12;

fn rarity(runs: &[&Run]) -> usize {
    runs.iter().map(|r| r.rarity()).min().unwrap_or_default() / runs.len().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that the filter lets through.
    fn candidates(query: &str, lines: &[&str]) -> Vec<usize> {
        let filter = Filter::of(&Query::parse(query).unwrap()).expect("a filter");
        let hay = lines.join("\n");
        let (mut places, mut from, mut found) = (Places::default(), 0, Vec::new());
        while let Some(at) = filter.next(&mut places, hay.as_bytes(), from) {
            found.push(hay[..at].matches('\n').count());
            from = hay[at..].find('\n').map_or(hay.len(), |n| at + n + 1);
        }
        found
    }

    #[test]
    fn other_ways_of_writing_are_candidates() {
        let lines =
            [r"ERROR", r"\u0065rror", r"err", r"\u001b[31m", r"e\u0072", "\u{212a}", r"\u691c", r"\u12"];
        assert_eq!(candidates("error", &lines), [0, 1, 4, 7]);
        assert_eq!(candidates("ok", &["oK", "o\u{212a}", r"o\u212A", "x", "İ"]), [0, 1, 2]);
        assert_eq!(candidates("a/b", &["A/B", r"a\/b", "ab", r"a\u002fb"]), [0, 1, 3]);
        assert_eq!(candidates("語彙", &["語彙", r"\u8a9e\u5f59", r"\u691c", "x"]), [0, 1]);
        assert_eq!(candidates("🚀x", &["🚀x", r"\ud83d\ude80x", r"\u691c"]), [0, 1]);
    }

    #[test]
    fn the_most_telling_text_is_looked_for() {
        assert_eq!(candidates("a AND zqzq", &["a", "zqzq", "xx"]), [1]);
        assert_eq!(candidates("fox OR zqzq", &["fox", "zqzq", "xx"]), [0, 1]);
        assert_eq!(candidates("NOT a zqzq", &["a", "zqzq"]), [1]);
        assert!(Filter::of(&Query::parse("NOT a").unwrap()).is_none());
        assert!(Filter::of(&Query::parse("a OR NOT b").unwrap()).is_none());
    }
}
