//! Adapters hold no atomic protocol of their own: every handshake is in core, where loom sees it.
//!
//! Counters, flags and numbers drawn with Relaxed are none: Relaxed hands nothing over. Any stronger
//! ordering, and any fence, is one, unless its partner is the kernel (loom cannot play the kernel):
//! then the `ORDERING:` comment just above says so.

use super::findings::Findings;
use super::tokens::Source;
use super::tree::Tree;

const ORDERS: &[&str] = &["Acquire", "Release", "AcqRel", "SeqCst"];
const FENCES: &[&str] = &["fence", "compiler_fence"];

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    let mut files = 0;
    for source in tree.under("os-linux/src/").chain(tree.under("os-fallback/src/")) {
        files += 1;
        for (i, token) in source.tokens.iter().enumerate().filter(|(i, _)| !source.is_test(*i)) {
            let fence = FENCES.contains(&source.at(i)) && source.at(i + 1) == "(";
            let orders = fence || ORDERS.contains(&source.at(i));
            if orders && !with_kernel(source, token.line) {
                found
                    .violations
                    .push(format!("{}:{}: {} in an adapter", source.path, token.line, token.text));
            }
        }
    }
    found.summary = format!("{files} files");
    found
}

/// Whether the `ORDERING:` comment that ends just above `line` names the kernel.
fn with_kernel(source: &Source, line: usize) -> bool {
    let above: Vec<&str> = source.lines(line.saturating_sub(8), line).collect();
    let comment = above.iter().rposition(|l| l.contains("ORDERING:")).map_or(&[][..], |from| &above[from..]);
    comment.iter().filter_map(|l| l.split_once("//")).any(|(_, text)| text.contains("kernel"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_handshake_and_lets_a_counter_be() {
        let plant = [
            ("os-linux/src/a.rs", "fn f() { x.store(1, Ordering::Release) }"),
            ("os-linux/src/b.rs", "fn f() { x.compare_exchange(0, 1, Relaxed, Relaxed) }"),
            (
                "os-linux/src/k.rs",
                "// ORDERING: Release pairs with the kernel's load.\nfn f() { x.store(1, Release) }",
            ),
            ("os-fallback/src/c.rs", "fn f() { x.compare_exchange(0, 1, AcqRel, Relaxed) }"),
        ];
        assert_eq!(check(&Tree::of(&plant)).violations.len(), 2);
    }
}
