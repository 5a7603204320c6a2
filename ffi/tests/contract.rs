//! The table of the contract in `docs/c-api.md` names tests; each of them exists, and is run.

use std::path::Path;

/// The C tests that are run: `TEST(name)` in a program that `behaviour.rs` names.
fn tests_that_run() -> Vec<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let runner = std::fs::read_to_string(here.join("behaviour.rs")).unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(here.join("c")).unwrap().map(|file| file.unwrap().path()) {
        let text = std::fs::read_to_string(&file).unwrap();
        if !runner.contains(&format!("tests/c/{}", file.file_name().unwrap().display())) {
            continue;
        }
        for line in text.lines() {
            let name = line.trim().strip_prefix("TEST(").and_then(|rest| rest.strip_suffix("),"));
            names.extend(
                name.filter(|name| text.contains(&format!("static void {name}(void) {{"))).map(str::to_owned),
            );
        }
    }
    names
}

/// Rows of the table: a rule, and the names in backquotes that stand behind it.
fn rules() -> Vec<(String, Vec<String>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/c-api.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| rule | tests |\n|---|---|\n").expect("the page has the table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').rsplit_once('|').expect("two cells"));
    cells
        .map(|(rule, tests)| {
            let names = tests.split('`').skip(1).step_by(2).map(str::to_owned);
            (rule.trim().to_owned(), names.collect())
        })
        .collect()
}

#[test]
fn every_rule_names_tests_that_run() {
    let (rules, run) = (rules(), tests_that_run());
    assert!(rules.len() > 10 && run.len() > 40, "{} rules, {} tests", rules.len(), run.len());
    for (rule, tests) in rules {
        assert!(!tests.is_empty(), "no test is named for: {rule}");
        for name in tests {
            assert!(run.contains(&name), "{name}, named for: {rule}, is not a test that runs");
        }
    }
}
