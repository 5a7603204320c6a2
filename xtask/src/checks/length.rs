//! A file of more than 500 lines says why it is not two: a comment with `LENGTH:` and the reason.

use super::findings::Findings;
use super::tree::Tree;

const LIMIT: usize = 500;

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    let rust = tree.sources.iter().map(|s| (&s.path, &s.text));
    let files: Vec<_> = rust.chain(tree.others.iter().map(|(p, t)| (p, t))).collect();
    let mut long = 0;
    for (path, text) in &files {
        let lines = text.lines().count();
        if lines <= LIMIT {
            continue;
        }
        long += 1;
        if !text.lines().any(has_reason) {
            found.violations.push(format!("{path}: {lines} lines and no `LENGTH:` that says why"));
        }
    }
    found.summary = format!("{} files, {long} over {LIMIT} lines", files.len());
    found
}

/// Whether a line is a comment with a reason of a few words.
fn has_reason(line: &str) -> bool {
    let comment = line.trim_start().starts_with(['/', '*', '#']);
    comment && line.split_once("LENGTH:").is_some_and(|(_, why)| why.split_whitespace().count() >= 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_long_file_without_a_reason() {
        let long = "fn f() {}\n".repeat(501);
        let reasoned = format!("// LENGTH: one table that is read as a whole.\n{long}");
        let lazy = format!("// LENGTH: long.\n{long}");
        let mut tree = Tree::of(&[("a.rs", &long), ("b.rs", &reasoned), ("c.rs", &lazy)]);
        tree.others.push(("d.h".into(), long));
        let found = check(&tree);
        assert_eq!(found.violations.len(), 3);
        assert_eq!(found.summary, "4 files, 4 over 500 lines");
    }
}
