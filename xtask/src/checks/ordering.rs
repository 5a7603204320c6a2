//! Every memory ordering says what it pairs with: `ORDERING:` in a comment just above it.
//!
//! A plain counter needs none: `fetch_add` and `fetch_sub` with Relaxed, and loads and stores with
//! Relaxed of a name that says so (`counter`, `count`, `total`, `stats`, `metrics`), or in a file of
//! such a name. Test code needs none.

use super::findings::Findings;
use super::tokens::Source;
use super::tree::Tree;

const ORDERS: &[&str] = &["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
const COUNTERS: &[&str] = &["count", "total", "stats", "metric"];
/// How many lines above the ordering its comment may begin.
const REACH: usize = 10;

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    let (mut orderings, mut counters) = (0, 0);
    for source in
        tree.sources.iter().filter(|s| !s.path.starts_with("xtask/") && !s.path.starts_with("benches/"))
    {
        for i in (0..source.tokens.len()).filter(|i| is_ordering(source, *i)) {
            if is_counter(source, i) {
                counters += 1;
                continue;
            }
            orderings += 1;
            let line = source.tokens[i].line;
            if !source.lines(line.saturating_sub(REACH), line).any(|l| l.contains("ORDERING:")) {
                found.violations.push(format!("{}:{line}: {} without ORDERING", source.path, source.at(i)));
            }
        }
    }
    let good = orderings - found.violations.len();
    found.summary = format!("{good} of {orderings} orderings; {counters} of plain counters not asked");
    found
}

/// Whether token `i` names a memory ordering as a value: `Ordering::X`, or a bare `X` as an argument.
fn is_ordering(source: &Source, i: usize) -> bool {
    if !ORDERS.contains(&source.at(i)) || source.is_test(i) {
        return false;
    }
    if i >= 3 && source.matches(i - 2, &[":", ":"]) {
        return source.at(i - 3) == "Ordering" && !in_use(source, i);
    }
    source.opening(i).is_some_and(|open| source.at(open) == "(")
        && matches!(source.at(i - 1), "," | "(")
        && matches!(source.at(i + 1), "," | ")")
}

fn in_use(source: &Source, i: usize) -> bool {
    let before = (0..i).rev().map(|k| source.at(k));
    before.take_while(|t| !matches!(*t, ";" | "}" | "(" | ")")).any(|t| t == "use")
}

/// Whether the ordering at token `i` is that of a plain counter.
fn is_counter(source: &Source, i: usize) -> bool {
    if source.at(i) != "Relaxed" {
        return false;
    }
    let file = source.path.rsplit('/').next().unwrap_or_default();
    if COUNTERS.iter().any(|c| file.contains(c)) {
        return true;
    }
    // Back to the bracket that opened the call: `receiver . method (`.
    let Some(open) = source.opening(i) else { return false };
    if matches!(source.at(open.wrapping_sub(1)), "fetch_add" | "fetch_sub") {
        return true;
    }
    let receiver = source.tokens[open.saturating_sub(6)..open].iter();
    matches!(source.at(open.wrapping_sub(1)), "load" | "store")
        && receiver.into_iter().any(|t| COUNTERS.iter().any(|c| t.text.to_lowercase().contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_an_ordering_without_its_partner() {
        let plant = [
            ("a/src/a.rs", "use crate::sync::Ordering::{Acquire, Relaxed};"),
            ("a/src/b.rs", "fn f() { x.load(Ordering::Acquire); }"),
            ("a/src/c.rs", "fn f() {\n // ORDERING: pairs with g.\n x.load(Ordering::Acquire); }"),
            ("a/src/d.rs", "fn f() { x.fetch_add(1, Relaxed); self.polls_total.load(Relaxed); }"),
            ("a/src/e.rs", "fn f() { x.store(1, Relaxed); fence(SeqCst); }"),
            ("a/src/f.rs", "#[cfg(test)] mod t { fn f() { x.store(1, Relaxed) } }"),
            ("a/src/g.rs", "enum Part { Release } fn f() { Part::Release; }"),
        ];
        let found = check(&Tree::of(&plant));
        assert_eq!(
            found.violations,
            [
                "a/src/b.rs:1: Acquire without ORDERING",
                "a/src/e.rs:1: Relaxed without ORDERING",
                "a/src/e.rs:1: SeqCst without ORDERING"
            ]
        );
        assert_eq!(found.summary, "1 of 4 orderings; 2 of plain counters not asked");
    }
}
