//! `ouzel_core.h`: it compiles everywhere, and what has a name of `ouzel.h` is declared as there.

mod cc;

use std::collections::BTreeMap;

use cc::{Compiler, Language, include_dir, scratch};

/// What only the core has.
const OWN: [&str; 2] = ["ouzel_core_host", "ouzel_core_new"];

/// The header without comments, as statements and directives.
fn statements(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(include_dir().join(name)).unwrap();
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("/*") {
        code += before;
        rest = after.split_once("*/").expect("a comment ends").1;
    }
    code += rest;
    let (mut all, mut open, mut depth) = (Vec::new(), String::new(), 0);
    for line in code.lines().map(str::trim).filter(|line| !["", "extern \"C\" {", "}"].contains(line)) {
        if open.is_empty() && line.starts_with('#') {
            all.push(line.to_owned());
            continue;
        }
        if !open.is_empty() {
            open.push(' ');
        }
        open += line;
        depth += line.matches('{').count();
        depth -= line.matches('}').count().min(depth);
        if depth == 0 && line.ends_with(';') {
            all.push(std::mem::take(&mut open));
        }
    }
    all
}

/// By name: constants with their value, types, functions.
fn declarations(header: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for statement in statements(header) {
        let words = statement.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = if statement.starts_with("#define") {
            words.filter(|w| !w.is_empty()).nth(1)
        } else if statement.starts_with('#') {
            None
        } else if let Some(body) = statement.strip_prefix("typedef int32_t (*") {
            body.split(')').next()
        } else if statement.starts_with("typedef") {
            statement.trim_end_matches(';').rsplit([' ', '*']).next()
        } else {
            statement.split('(').next().and_then(|head| head.rsplit([' ', '*']).next())
        };
        if let Some(name) = name.filter(|n| n.to_lowercase().starts_with("ouzel_")) {
            let plain = statement.split_whitespace().collect::<Vec<_>>().join(" ");
            found.insert(name.to_owned(), plain);
        }
    }
    found
}

#[test]
fn what_has_the_same_name_is_declared_the_same() {
    let (core, whole) = (declarations("ouzel_core.h"), declarations("ouzel.h"));
    assert!(core.len() > 35 && whole.len() > 100, "{} and {} names found", core.len(), whole.len());
    for (name, declared) in core.iter().filter(|(name, _)| name.as_str() != "OUZEL_CORE_H") {
        match whole.get(name) {
            // A struct may have more fields there: its size says how many there are.
            Some(there) if declared.contains('{') => {
                let (fields, _) = declared.rsplit_once(" }").unwrap();
                assert!(there.starts_with(fields), "{name}: {declared} in ouzel_core.h, {there} in ouzel.h");
            }
            Some(there) => assert_eq!(declared, there, "{name}: ouzel_core.h (left) and ouzel.h (right)"),
            None => assert!(OWN.contains(&name.as_str()), "{name} is not in ouzel.h"),
        }
    }
}

#[test]
fn the_core_header_compiles_in_every_language() {
    let dir = scratch("core-header");
    for language in [Language::C99, Language::C11, Language::Cpp17, Language::Cpp20] {
        let source = dir.join(format!("core.{}", language.suffix()));
        let text = "#include \"ouzel_core.h\"\n#include \"ouzel_core.h\"\n\
            extern int size(void);\nint size(void) { return (int)sizeof(ouzel_core_host); }\n";
        std::fs::write(&source, text).unwrap();
        for compiler in Compiler::all(language) {
            compiler.run(
                language,
                &["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c"],
                &[source.as_ref(), "-o".as_ref(), dir.join("core.o").as_ref()],
            );
        }
    }
}
