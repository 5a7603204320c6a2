//! `cargo xtask c-index`: `docs/c-functions.md`, every function of `ouzel.h` by name, made of the header's own words.
//!
//! The header stays the contract; this is for looking things up. A test compares the file with the header.

use crate::workspace::Workspace;
use std::fmt::Write;
use std::fs;

const HEADER: &str = "ffi/include/ouzel.h";
const INDEX: &str = "docs/c-functions.md";
const INTRO: &str = "# Functions of ouzel.h\n\n\
    By section, as in `ffi/include/ouzel.h`, whose head says what the tags and results mean. Made by `cargo xtask c-index`; a\n\
    test compares it with the header.\n";

/// A declaration with what the header says of it.
#[derive(Debug, PartialEq)]
struct Function {
    section: String,
    name: String,
    declaration: String,
    text: String,
}

/// Writes the document.
pub(crate) fn write(ws: &Workspace) -> Result<(), String> {
    let path = ws.root.join(INDEX);
    fs::write(&path, document(&header(ws)?)).map_err(|e| format!("{}: {e}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

fn header(ws: &Workspace) -> Result<String, String> {
    let path = ws.root.join(HEADER);
    fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Every function, in the order of the header.
fn functions(header: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let (mut section, mut comment) = (String::new(), String::new());
    let mut lines = header.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("/* ---- ") {
            section = title.split(" ---").next().unwrap_or_default().to_owned();
            comment.clear();
        } else if line.starts_with("/*") {
            comment = block(line, &mut lines);
        } else if line.is_empty() {
            comment.clear();
        } else if line.starts_with("typedef") && line.ends_with('{') {
            lines.by_ref().find(|line| line.starts_with('}'));
        } else if is_function(line) {
            let mut whole = line.to_owned();
            while !whole.contains(';') {
                let Some(more) = lines.next() else { break };
                whole += "\n";
                whole += more;
            }
            let (declaration, after) = whole.split_once(';').unwrap_or((&whole, ""));
            let own = after.trim().trim_start_matches("/*").trim_end_matches("*/").trim();
            let head = declaration.split('(').next().unwrap_or_default();
            let text =
                [comment.as_str(), own].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ");
            found.push(Function {
                section: section.clone(),
                name: head.rsplit([' ', '*']).next().unwrap_or_default().to_owned(),
                declaration: format!("{declaration};"),
                text,
            });
        }
    }
    found
}

fn is_function(line: &str) -> bool {
    let head = line.split('(').next().unwrap_or_default();
    let plain = line.starts_with(|c: char| c.is_ascii_lowercase()) && !line.starts_with("typedef");
    plain && line.contains('(') && head.rsplit([' ', '*']).next().is_some_and(|n| n.starts_with("ouzel_"))
}

/// The text of a comment that begins in `first`, on one line.
fn block<'a>(first: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut line = first;
    loop {
        let inside =
            line.trim().trim_start_matches("/*").trim_start_matches('*').trim_end_matches("*/").trim();
        text += inside;
        text.push(' ');
        if line.contains("*/") {
            return text.trim().to_owned();
        }
        match lines.next() {
            Some(next) => line = next,
            None => return text,
        }
    }
}

fn document(header: &str) -> String {
    let all = functions(header);
    let mut out = INTRO.to_owned();
    let mut names: Vec<&str> = all.iter().map(|f| f.name.as_str()).collect();
    names.sort_unstable();
    let links: Vec<String> = names.iter().map(|name| format!("[`{name}`](#{name})")).collect();
    let _ = writeln!(out, "\n{}", links.join("\n"));
    let mut section = "";
    for function in &all {
        if function.section != section {
            section = &function.section;
            let _ = writeln!(out, "\n## {section}");
        }
        let Function { name, declaration, text, .. } = function;
        let text = if text.is_empty() { String::new() } else { format!("\n{}\n", wrapped(text)) };
        let _ = write!(out, "\n### {name}\n```c\n{declaration}\n```\n{text}");
    }
    out
}

/// With line breaks before column 110, and no character that Markdown would take for its own.
fn wrapped(text: &str) -> String {
    let plain = text.replace('<', "&lt;").replace('*', "\\*");
    let (mut out, mut column) = (String::new(), 0);
    for word in plain.split_whitespace() {
        if column > 0 && column + word.len() >= 110 {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += word.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::header;

    #[test]
    fn a_function_has_its_comment_and_its_own_words() {
        let text = "/* ---- tasks ------- */\n\n/* Starts\n * it. [any] */\nint32_t ouzel_spawn(int a,\n    int b);\n\
            typedef struct ouzel_x {\n    int (*f)(void);\n} ouzel_x;\n\n/* About it. */\nint ouzel_cx(void); /* its id */\n";
        let found = functions(text);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (&*found[0].name, &*found[0].text, &*found[0].section),
            ("ouzel_spawn", "Starts it. [any]", "tasks")
        );
        assert_eq!(found[0].declaration, "int32_t ouzel_spawn(int a,\n    int b);");
        assert_eq!(found[1].text, "About it. its id");
    }

    #[test]
    fn the_document_is_what_the_header_says() {
        let ws = Workspace::find();
        let text = super::header(&ws).unwrap();
        let mut names: Vec<String> = functions(&text).into_iter().map(|f| f.name).collect();
        names.sort();
        assert_eq!(names, header::functions(&text), "found here (left), and by `dist` (right)");
        let there = fs::read_to_string(ws.root.join(INDEX)).unwrap();
        assert!(there == document(&text), "{INDEX} is not of this header: run `cargo xtask c-index`");
    }
}
