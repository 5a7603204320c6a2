//! The repository as the checks see it.

use super::tokens::Source;
use std::collections::HashSet;
use std::path::Path;

/// Every source file, and what `cargo metadata` says of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Rust files.
    pub(crate) sources: Vec<Source>,
    /// Other source files (C, C++, Python, shell, Zig): path and text.
    pub(crate) others: Vec<(String, String)>,
    /// `cargo metadata --no-deps`.
    pub(crate) metadata: serde_json::Value,
}

const OTHERS: &[&str] = &["c", "cpp", "h", "hpp", "py", "sh", "zig"];

impl Tree {
    /// Reads the repository at `root`.
    ///
    /// # Errors
    /// A file that cannot be read, or a `.rs` file that is not Rust.
    pub(crate) fn read(root: &Path, metadata: serde_json::Value) -> Result<Self, String> {
        let mut tree = Tree { metadata, ..Tree::default() };
        tree.walk(root, "")?;
        tree.mark_test_modules();
        Ok(tree)
    }

    /// A tree of the given files.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let sources = files.iter().map(|(p, t)| Source::parse(p, t).unwrap()).collect();
        let mut tree = Tree { sources, ..Tree::default() };
        tree.mark_test_modules();
        tree
    }

    /// Files of the folder `dir` (with a slash at its end).
    pub(crate) fn under<'a>(&'a self, dir: &'a str) -> impl Iterator<Item = &'a Source> {
        self.sources.iter().filter(move |s| s.path.starts_with(dir))
    }

    fn walk(&mut self, root: &Path, relative: &str) -> Result<(), String> {
        let dir = root.join(relative);
        let entries = std::fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        for name in names {
            let path = if relative.is_empty() { name.clone() } else { format!("{relative}/{name}") };
            let full = root.join(&path);
            if full.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    self.walk(root, &path)?;
                }
                continue;
            }
            let extension = name.rsplit_once('.').map_or("", |(_, e)| e);
            let read = || std::fs::read_to_string(&full).map_err(|e| format!("{path}: {e}"));
            if extension == "rs" {
                self.sources.push(Source::parse(&path, &read()?)?);
            } else if OTHERS.contains(&extension) {
                self.others.push((path.clone(), read()?));
            }
        }
        Ok(())
    }

    /// A file declared by `#[cfg(test)] mod name;` is test code, and so is all below it.
    fn mark_test_modules(&mut self) {
        let mut stems = HashSet::new();
        for source in &self.sources {
            let dir = module_dir(&source.path);
            stems.extend(source.test_modules().into_iter().map(|m| format!("{dir}/{m}")));
        }
        for source in &mut self.sources {
            let stem = source.path.trim_end_matches(".rs");
            let inside =
                |s: &String| stem == s || stem.strip_prefix(s.as_str()).is_some_and(|r| r.starts_with('/'));
            source.test_file |= stems.iter().any(inside);
        }
    }
}

/// The folder in which the modules that the file at `path` declares are looked for.
fn module_dir(path: &str) -> String {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => dir.to_string(),
        _ => path.trim_end_matches(".rs").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_declared_for_tests_is_a_test_file() {
        let tree = Tree::of(&[
            ("core/src/a/mod.rs", "#[cfg(test)] mod model; mod real;"),
            ("core/src/a/model.rs", "fn f() {}"),
            ("core/src/a/model/deep.rs", "fn f() {}"),
            ("core/src/a/real.rs", "fn f() {}"),
        ]);
        let marked: Vec<bool> = tree.sources.iter().map(|s| s.test_file).collect();
        assert_eq!(marked, [false, true, true, false]);
    }
}
