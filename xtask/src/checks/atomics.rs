//! `core/src/sync.rs` is the only door to atomics: what is named elsewhere, loom does not see.

use super::findings::Findings;
use super::tree::Tree;

const DOOR: &str = "core/src/sync.rs";
/// Paths that lead around the door.
const AROUND: &[&[&str]] = &[
    &["core", ":", ":", "sync", ":", ":", "atomic"],
    &["std", ":", ":", "sync", ":", ":", "atomic"],
    &["portable_atomic", ":", ":"],
    &["atomic_waker", ":", ":"],
    &["loom", ":", ":"],
    &["shuttle", ":", ":"],
];
/// Those that tests may use for threads, locks and builders of their own.
const TOOLS: &[&str] = &["loom", "shuttle"];

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    let mut files = 0;
    for source in tree.under("core/src/").filter(|s| s.path != DOOR) {
        files += 1;
        for (i, token) in source.tokens.iter().enumerate() {
            let hit = AROUND.iter().find(|path| source.matches(i, path));
            // Models call the tools themselves; everyone else goes through the door.
            if let Some(path) = hit.filter(|p| !source.is_test(i) || !TOOLS.contains(&p[0])) {
                found.violations.push(format!(
                    "{}:{}: {} instead of crate::sync",
                    source.path,
                    token.line,
                    path.concat()
                ));
            }
        }
    }
    found.summary = format!("{files} files");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_an_atomic_named_directly() {
        let plant = [
            ("core/src/sync.rs", "use core::sync::atomic::Ordering;"),
            ("core/src/a.rs", "use core::sync::atomic::AtomicU8;"),
            ("core/src/b.rs", "fn f() { loom::thread::yield_now() } // core::sync::atomic"),
            ("core/src/c.rs", "#[cfg(test)] mod t { use loom::thread; }"),
        ];
        let found = check(&Tree::of(&plant));
        assert_eq!(found.violations.len(), 2, "{found:?}");
        assert!(found.violations[0].starts_with("core/src/a.rs:1"));
    }
}
