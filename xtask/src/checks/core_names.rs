//! The core names no operating system, no clock, and of `std` only what its feature `std` is for.
//!
//! That what it names of `std` stands behind the feature is proven by the build without it.

use super::findings::Findings;
use super::tree::Tree;

/// What the feature `std` is for: the thread-local fast path, `catch_unwind`, and (in `sync.rs`) locks
/// that block.
const STD_ALLOWED: &[&[&str]] = &[
    &["thread_local"],
    &["panic"],
    &["thread", "LocalKey"],
    &["thread", "AccessError"],
    &["thread", "panicking"],
];
const STD_IN_SYNC: &[&[&str]] = &[&["sync"]];
/// Names that belong to an adapter.
const FOREIGN_CRATES: &[&str] = &["libc", "rustix", "io_uring", "polling"];
const CLOCKS: &[&str] = &["Instant", "SystemTime"];

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    let (mut files, mut uses) = (0, 0);
    for source in tree.under("core/src/") {
        files += 1;
        for i in (0..source.tokens.len()).filter(|i| !source.is_test(*i)) {
            let mut say = |what: String| {
                found.violations.push(format!("{}:{}: {what}", source.path, source.tokens[i].line));
            };
            let of_crate = FOREIGN_CRATES.contains(&source.at(i)) && source.matches(i + 1, &[":", ":"]);
            if of_crate || CLOCKS.contains(&source.at(i)) {
                say(format!("core names `{}`", source.at(i)));
            }
            let path_start = !source.matches(i.saturating_sub(2), &[":", ":"]);
            if source.matches(i, &["std", ":", ":"]) && path_start {
                uses += 1;
                let allowed = |paths: &[&[&str]]| paths.iter().any(|p| names(source, i + 3, p));
                let in_sync = source.path == "core/src/sync.rs" && allowed(STD_IN_SYNC);
                if !in_sync && !allowed(STD_ALLOWED) {
                    say(format!("core names std::{}", source.at(i + 3)));
                }
            }
        }
    }
    found.summary = format!("{files} files, {uses} uses of std for its feature");
    found
}

fn names(source: &super::tokens::Source, mut i: usize, path: &[&str]) -> bool {
    for part in path {
        if source.at(i) != *part {
            return false;
        }
        i += 3;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_std_clocks_and_systems() {
        let plant = [
            ("core/src/a.rs", "fn f() { std::thread::sleep(d) }"),
            ("core/src/b.rs", "use rustix::event;"),
            ("core/src/c.rs", "fn now() -> Instant { Instant::now() }"),
            ("core/src/d.rs", "std::thread_local! {} fn f() { std::panic::catch_unwind(g); }"),
            ("core/src/e.rs", "#[cfg(test)] mod tests { use std::vec::Vec; }"),
        ];
        let found = check(&Tree::of(&plant));
        let files: Vec<&str> = found.violations.iter().map(|v| &v[..12]).collect();
        assert_eq!(files, ["core/src/a.r", "core/src/b.r", "core/src/c.r", "core/src/c.r"]);
    }
}
