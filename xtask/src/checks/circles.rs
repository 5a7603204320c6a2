//! No circle of imports between the modules of a crate.
//!
//! A module is a file. An edge is any path in non-test code that starts at `crate`, `self`, `super` or
//! a declared child module and leads to another module; a name that a module re-exports leads to
//! where it comes from. `mod child;` alone is no edge.
//!
//! Neither is a module's `pub use child::Name`, of any reach: that is a sign on the door. It tells others
//! where the name lives, and they are led there; the parent's own code does not depend on it. It does as
//! soon as it says `Name` itself, or re-exports with a `*` that hides what it says: then there is an edge.

use super::findings::Findings;
use super::tokens::Source;
use super::tree::Tree;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Names from the crate's root; the root itself is empty.
type Module = Vec<String>;

/// One import.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: Module,
    pub(super) to: Module,
    pub(super) path: String,
    pub(super) line: usize,
}

/// The modules of one crate and who imports whom.
#[derive(Debug, Default)]
pub(super) struct Crate {
    modules: BTreeSet<Module>,
    /// (module, name) -> the path the name stands for.
    reexports: HashMap<(Module, String), Vec<String>>,
    pub(super) edges: Vec<Edge>,
}

/// A path as written, made absolute: segments from the crate's root, and where it stands.
struct Import {
    segments: Vec<String>,
    alias: Option<String>,
    /// The path ends in a `*`.
    glob: bool,
    line: usize,
}

impl Import {
    /// Whether the file names what this `pub use` brings in nowhere but in a `use`.
    fn is_sign(&self, source: &Source) -> bool {
        let Some(name) = self.alias.as_ref().or_else(|| self.segments.last()).filter(|_| !self.glob) else {
            return false;
        };
        let mut i = 0;
        while i < source.tokens.len() {
            if source.at(i) == "use" {
                while i < source.tokens.len() && source.at(i) != ";" {
                    i += 1;
                }
            } else if source.at(i) == name && !source.is_test(i) {
                // As part of a longer path it is an import of its own, and `.name` is not the item.
                let inside =
                    i >= 2 && source.matches(i - 2, &[":", ":"]) || i >= 1 && source.at(i - 1) == ".";
                if !inside {
                    return false;
                }
            }
            i += 1;
        }
        true
    }
}

impl Crate {
    /// Reads the crate whose files are under `src` (with a slash at its end).
    pub(super) fn of(tree: &Tree, src: &str) -> Self {
        let files: Vec<(Module, &Source)> = tree
            .under(src)
            .filter(|s| !s.test_file && !s.path[src.len()..].starts_with("bin/"))
            .map(|s| (module_of(&s.path[src.len()..]), s))
            .collect();
        let mut this = Crate { modules: files.iter().map(|(m, _)| m.clone()).collect(), ..Crate::default() };
        for (module, source) in &files {
            for (import, public) in this.imports(module, source) {
                let name = import.alias.clone().or_else(|| import.segments.last().cloned());
                if let (true, Some(name)) = (public, name) {
                    this.reexports.insert((module.clone(), name), import.segments);
                }
            }
        }
        for (module, source) in &files {
            for (import, public) in this.imports(module, source) {
                let sign = public && import.is_sign(source);
                let to = this.resolve(import.segments, 8);
                let below = to.starts_with(module);
                if to != *module && !(sign && below) {
                    let (from, path) = (module.clone(), source.path.clone());
                    this.edges.push(Edge { from, to, path, line: import.line });
                }
            }
        }
        this
    }

    /// The module that a path leads to, through at most `hops` re-exports.
    fn resolve(&self, mut segments: Vec<String>, hops: usize) -> Module {
        let mut known = segments.len();
        while !self.modules.contains(&segments[..known]) {
            known -= 1; // the root, of length 0, is always there
        }
        let next = segments.get(known).cloned();
        let module: Module = segments[..known].to_vec();
        if let (Some(name), true) = (next, hops > 0)
            && let Some(path) = self.reexports.get(&(module.clone(), name))
        {
            let mut path = path.clone();
            path.extend(segments.drain(known + 1..));
            return self.resolve(path, hops - 1);
        }
        module
    }

    /// Every path in the file that starts inside the crate, with whether a `pub use` re-exports it.
    fn imports(&self, module: &Module, source: &Source) -> Vec<(Import, bool)> {
        let mut found = Vec::new();
        let mut inline: Vec<(String, usize)> = Vec::new(); // inline modules open at this token
        let mut i = 0;
        while i < source.tokens.len() {
            inline.retain(|(_, close)| *close > i);
            if source.is_test(i) {
                i += 1;
                continue;
            }
            if source.at(i) == "mod" && source.at(i + 2) == "{" {
                inline.push((source.at(i + 1).into(), source.tokens[i + 2].close.unwrap_or(i)));
            }
            let follows_path = i >= 2 && source.matches(i - 2, &[":", ":"]);
            let leads = source.matches(i + 1, &[":", ":"]) && source.at(i + 3) != "<";
            let visibility = i >= 3 && source.matches(i - 3, &["pub", "(", "in"]);
            if !follows_path && leads && !visibility && source.at(i.wrapping_sub(1)) != "$" {
                let mut here = module.clone();
                here.extend(inline.iter().map(|(name, _)| name.clone()));
                if let Some(base) = self.base(source, i, &here) {
                    let public = is_pub_use(source, i);
                    let (mut paths, mut end) = (Vec::new(), i);
                    collect(source, &mut end, base, &mut paths);
                    found.extend(paths.into_iter().map(|import| (import, public)));
                    i = end.max(i + 1);
                    continue;
                }
            }
            i += 1;
        }
        found
    }

    /// What the first segment of a path stands for, seen from `here`; `None` if outside the crate.
    fn base(&self, source: &Source, i: usize, here: &Module) -> Option<Vec<String>> {
        match source.at(i) {
            "crate" => Some(Vec::new()),
            "self" => Some(here.clone()),
            "super" => here.split_last().map(|(_, parent)| parent.to_vec()),
            name => {
                let mut child = here.clone();
                child.push(name.to_string());
                self.modules.contains(&child).then_some(child)
            }
        }
    }
}

/// Reads the path whose first segment (already resolved to `base`) is token `i`; moves `i` past it.
fn collect(source: &Source, i: &mut usize, base: Vec<String>, out: &mut Vec<Import>) {
    let line = source.tokens[*i].line;
    let mut segments = base;
    let mut glob = false;
    *i += 1;
    while source.matches(*i, &[":", ":"]) {
        match source.at(*i + 2) {
            "{" => {
                let close = source.tokens[*i + 2].close.unwrap_or(*i + 2);
                *i += 3;
                while *i < close {
                    let mut inner = segments.clone();
                    if source.at(*i) != "self" {
                        step(&mut inner, source.at(*i));
                    }
                    collect(source, i, inner, out);
                    while *i < close && source.at(*i) != "," {
                        *i += 1;
                    }
                    *i += 1;
                }
                *i = close + 1;
                return;
            }
            word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                step(&mut segments, word);
                *i += 3;
            }
            last => {
                glob = last == "*";
                break;
            }
        }
    }
    if source.at(*i) == "!" {
        return; // a macro: exported at the root wherever it is defined
    }
    let alias = (source.at(*i) == "as").then(|| source.at(*i + 1).to_string());
    out.push(Import { segments, alias, glob, line });
}

fn step(segments: &mut Vec<String>, word: &str) {
    match word {
        "super" => {
            segments.pop();
        }
        "*" => {}
        _ => segments.push(word.to_string()),
    }
}

/// Whether the path at token `i` is that of a `pub use` (of any reach), `pub use { .. }` included.
fn is_pub_use(source: &Source, i: usize) -> bool {
    let group =
        source.opening(i).filter(|open| source.at(*open) == "{" && source.at(open.wrapping_sub(1)) == "use");
    let i = group.unwrap_or(i);
    i > 0 && source.at(i - 1) == "use" && i > 1 && matches!(source.at(i - 2), "pub" | ")")
}

fn module_of(relative: &str) -> Module {
    let mut parts: Vec<String> = relative.trim_end_matches(".rs").split('/').map(str::to_string).collect();
    if parts.last().is_some_and(|p| p == "mod") || parts.len() == 1 && matches!(&*parts[0], "lib" | "main") {
        parts.pop();
    }
    parts
}

pub(super) fn check(tree: &Tree) -> Findings {
    let mut roots: BTreeSet<String> = BTreeSet::new();
    for source in &tree.sources {
        if let Some(at) = source.path.find("src/")
            && (at == 0 || source.path.as_bytes()[at - 1] == b'/')
        {
            roots.insert(source.path[..at + 4].to_string());
        }
    }
    let mut found = Findings::default();
    let (mut modules, mut edges) = (0, 0);
    for root in &roots {
        let this = Crate::of(tree, root);
        modules += this.modules.len();
        edges += this.edges.len();
        for circle in circles(&this) {
            let names: Vec<String> = circle.iter().map(name).collect();
            let at = this.edges.iter().filter(|e| circle.contains(&e.from) && circle.contains(&e.to));
            let places: BTreeSet<String> =
                at.map(|e| format!("\n      {}:{} -> {}", e.path, e.line, name(&e.to))).collect();
            let places: String = places.into_iter().collect();
            found.violations.push(format!("{root}: circle of {}{places}", names.join(", ")));
        }
    }
    found.summary = format!("{modules} modules, {edges} imports");
    found
}

fn name(module: &Module) -> String {
    if module.is_empty() { "crate".into() } else { module.join("::") }
}

/// Groups of modules that can all reach each other.
fn circles(this: &Crate) -> Vec<Vec<Module>> {
    let mut next: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for edge in &this.edges {
        next.entry(&edge.from).or_default().insert(&edge.to);
    }
    let reach = |from: &Module| {
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        let mut todo: Vec<&Module> = next.get(from).into_iter().flatten().copied().collect();
        while let Some(m) = todo.pop() {
            if seen.insert(m) {
                todo.extend(next.get(m).into_iter().flatten().copied());
            }
        }
        seen.into_iter().cloned().collect::<BTreeSet<Module>>()
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> = this.modules.iter().map(|m| (m, reach(m))).collect();
    let mut groups: BTreeSet<Vec<Module>> = BTreeSet::new();
    for (module, reaches) in &reached {
        if reaches.contains(*module) {
            groups.insert(reaches.iter().filter(|m| reached[m].contains(*module)).cloned().collect());
        }
    }
    groups.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> usize {
        check(&Tree::of(files)).violations.len()
    }

    #[test]
    fn catches_a_circle_over_three_files() {
        let plant = [
            ("x/src/lib.rs", "mod a; mod b; mod c;"),
            ("x/src/a.rs", "use crate::b::B;"),
            ("x/src/b.rs", "use super::{c::{self, C}, other};"),
            ("x/src/c.rs", "fn f() { crate::a::g() }"),
        ];
        assert_eq!(circles_of(&plant), 1);
    }

    #[test]
    fn catches_siblings_that_import_each_other() {
        let plant = [
            ("x/src/lib.rs", "mod a; pub use a::{One, Two};"),
            ("x/src/a/mod.rs", "mod one; mod two; pub use one::One; pub use two::Two;"),
            ("x/src/a/one.rs", "use super::Two; pub struct One;"),
            ("x/src/a/two.rs", "use crate::One; pub struct Two;"),
        ];
        assert_eq!(circles_of(&plant), 1);
    }

    #[test]
    fn catches_a_child_that_imports_what_its_parent_defines() {
        for parent in [
            "mod child; use child::C; pub struct P;",
            "mod child; pub struct P(child::C);",
            "mod child; pub use child::C; pub struct P(C);",
            "mod child; pub(crate) use child::C as D; pub struct P(D);",
            "mod child; pub use child::{C, f}; pub fn g() { f() }",
            "mod child; pub use child::*; pub struct P(C);",
        ] {
            let plant = [
                ("x/src/lib.rs", "mod a;"),
                ("x/src/a/mod.rs", parent),
                ("x/src/a/child.rs", "use super::{P, g}; pub struct C;"),
            ];
            assert_eq!(circles_of(&plant), 1, "{parent}");
        }
    }

    #[test]
    fn a_reexport_of_a_child_is_no_use_of_it() {
        for parent in [
            "mod child; pub use child::C; pub struct P;",
            "mod child; pub(crate) use self::child::{C, D as E}; pub struct P;",
            "mod child; pub(super) use {child::C}; pub fn f(p: P) { p.C() }",
            "mod child; pub use child::C; #[cfg(test)] fn t(c: C) {}",
        ] {
            let plant = [
                ("x/src/lib.rs", "mod a; pub use a::C;"),
                ("x/src/a/mod.rs", parent),
                ("x/src/a/child.rs", "use super::P; use crate::a; pub struct C;"),
            ];
            assert_eq!(circles_of(&plant), 0, "{parent}");
        }
    }

    #[test]
    fn a_reexport_of_a_sibling_is_a_use_of_it() {
        let plant = [
            ("x/src/lib.rs", "mod a; mod b;"),
            ("x/src/a.rs", "pub use crate::b::B; pub struct A;"),
            ("x/src/b.rs", "use crate::a::A; pub struct B;"),
        ];
        assert_eq!(circles_of(&plant), 1);
    }

    #[test]
    fn a_name_reexported_by_the_parent_leads_to_the_sibling() {
        let plant = [
            ("x/src/lib.rs", "mod a; pub use a::One;"),
            ("x/src/a/mod.rs", "mod one; mod two; pub use one::One; pub(crate) use self::two::Two;"),
            ("x/src/a/one.rs", "pub struct One;"),
            (
                "x/src/a/two.rs",
                "use super::One; use crate::a::One as Uno; use crate::One as Un; pub struct Two;",
            ),
        ];
        assert_eq!(circles_of(&plant), 0);
    }

    #[test]
    fn tests_and_inline_modules_make_no_circle() {
        let plant = [
            ("x/src/lib.rs", "mod a; mod b;"),
            ("x/src/a.rs", "mod inner { use super::helper; } fn helper() {} use crate::b::B;"),
            ("x/src/b.rs", "#[cfg(test)] mod tests { use super::*; use crate::a::A; } pub struct B;"),
        ];
        assert_eq!(circles_of(&plant), 0);
    }
}
