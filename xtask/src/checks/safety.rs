//! Every unsafe block and unsafe impl says why it is sound: `SAFETY:` in a comment just above it.
//!
//! Clippy's `undocumented_unsafe_blocks` is stricter about where; this one also looks into macros,
//! into code that is not built here, and counts.

use super::findings::Findings;
use super::tree::Tree;

/// How many lines above the block its comment may begin.
const REACH: usize = 6;

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    let mut blocks = 0;
    for source in &tree.sources {
        for (i, token) in source.tokens.iter().enumerate() {
            if token.text != "unsafe" || !matches!(source.at(i + 1), "{" | "impl") {
                continue;
            }
            blocks += 1;
            let from = token.line.saturating_sub(REACH);
            if !source.lines(from, token.line).any(|l| l.contains("SAFETY")) {
                found.violations.push(format!("{}:{}: unsafe without SAFETY", source.path, token.line));
            }
        }
    }
    let good = blocks - found.violations.len();
    found.summary = format!("{good} of {blocks} unsafe blocks and impls");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_block_without_its_reason() {
        let plant = [
            ("a/src/a.rs", "// SAFETY: because.\nunsafe impl Send for A {}"),
            ("a/src/b.rs", "fn f() {\n unsafe { g() }\n}"),
            ("a/src/c.rs", "// SAFETY: far away\n\n\n\n\n\n\n\nfn f() { unsafe { g() } }"),
            ("a/src/d.rs", "unsafe fn declared() {}"),
        ];
        let found = check(&Tree::of(&plant));
        assert_eq!(found.violations.len(), 2, "{found:?}");
        assert_eq!(found.summary, "1 of 3 unsafe blocks and impls");
    }
}
