//! `cfg(ouzel_loom)` and `cfg(ouzel_shuttle)` stand in `sync.rs`, `config.rs`, test modules, layout asserts
//! and `extern crate`.
//!
//! Code that is different under such a tool is code that the tool does not check; two files may be, no more.

use super::findings::Findings;
use super::tokens::{Cfg, Source};
use super::tree::Tree;

const CFGS: &[&str] = &["ouzel_loom", "ouzel_shuttle"];
const FILES: &[&str] = &["core/src/sync.rs", "core/src/config.rs"];

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    let mut places = 0;
    for source in &tree.sources {
        for (i, token) in source.tokens.iter().enumerate().filter(|(_, t)| CFGS.contains(&&*t.text)) {
            places += 1;
            if !FILES.contains(&source.path.as_str()) && !source.is_test(i) && !allowed(source, i) {
                found.violations.push(format!("{}:{}: cfg({})", source.path, token.line, token.text));
            }
        }
    }
    found.summary = format!("{places} places");
    found
}

/// Whether the token stands in an attribute of something that has no behaviour.
fn allowed(source: &Source, i: usize) -> bool {
    let Some((start, inside)) = source.attributes().find(|(_, r)| r.contains(&i)) else {
        return false; // a `cfg!` in an expression
    };
    let item = source.item_start(start);
    let any_tool = Cfg::Any(CFGS.iter().map(|cfg| Cfg::Flag(cfg.to_string())).collect());
    let layout_assert = source.matches(item, &["const", "_"])
        && Cfg::parse(source, inside.start + 2) == Cfg::Not(Box::new(any_tool));
    layout_assert || source.matches(item, &["extern", "crate"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_code_that_differs_under_loom() {
        let plant = [
            ("core/src/sync.rs", "#[cfg(ouzel_loom)] fn f() {}"),
            ("core/src/a.rs", "#[cfg(ouzel_loom)] fn f() {}"),
            ("core/src/b.rs", "fn f() { if cfg!(ouzel_loom) {} }"),
            ("core/src/c.rs", "#[cfg(not(any(ouzel_loom, ouzel_shuttle)))] const _: () = {};"),
            ("core/src/d.rs", "#[cfg(all(test, ouzel_loom))] mod loom_tests;"),
            ("core/src/e.rs", "#[cfg(ouzel_shuttle)] fn f() {}"),
            ("core/src/lib.rs", "#[cfg(any(test, ouzel_loom))] extern crate std;"),
        ];
        let found = check(&Tree::of(&plant));
        assert_eq!(
            found.violations,
            [
                "core/src/a.rs:1: cfg(ouzel_loom)",
                "core/src/b.rs:1: cfg(ouzel_loom)",
                "core/src/e.rs:1: cfg(ouzel_shuttle)"
            ]
        );
    }
}
