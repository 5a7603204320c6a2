//! `src/platform.rs` is the one place that asks which operating system this is (manifests apart).

use super::findings::Findings;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    for source in tree.sources.iter().filter(|s| s.path != "src/platform.rs") {
        let asked = |i: &usize| source.matches(*i, &["target_os", "="]);
        for token in (0..source.tokens.len()).filter(asked).map(|i| &source.tokens[i]) {
            found.violations.push(format!("{}:{}: target_os", source.path, token.line));
        }
    }
    found.summary = format!("{} files", tree.sources.len());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_cfg_on_the_system_over_several_lines() {
        let plant = [
            ("src/platform.rs", "#[cfg(target_os = \"linux\")] mod a;"),
            ("src/net.rs", "#[cfg(any(\n  unix,\n  target_os = \"macos\"\n))]\nfn f() {}"),
            ("src/text.rs", "//! cfg(target_os)\nconst A: &str = \"target_os\";"),
        ];
        assert_eq!(check(&Tree::of(&plant)).violations, ["src/net.rs:3: target_os"]);
    }
}
