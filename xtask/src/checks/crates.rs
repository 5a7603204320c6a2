//! Crates depend downwards, and peer runtimes are known to `benches`, and to `programs/search`, which runs one matcher on each,
//! as optional dependencies. (The facade may name tokio for its traits: optional, and with none of its features.)
//!
//! `programs, ffi, benches, tests -> ouzel -> ouzel-os-* -> ouzel-core -> core, alloc`
//!
//! (`ffi/core`, the C ABI without std, is no package of the workspace and stands on core alone.)
//! The embedding tests of `tests` and `benches` are hosts of the core alone: a dev-dependency.

use super::findings::Findings;
use super::tree::Tree;
use serde_json::Value;

/// Runtimes we compare ourselves with.
const PEERS: &[&str] = &[
    "tokio",
    "monoio",
    "compio",
    "smol",
    "glommio",
    "async-std",
    "async-executor",
    "tokio-uring",
    "may",
    "embassy-executor",
    "maitake",
    "mio",
    "rayon",
];
/// Who compares.
const COMPARES: [&str; 2] = ["ouzel-bench", "ouzel-search"];
/// All that core may be built on.
const CORE_MAY: &[&str] =
    &["atomic-waker", "heapless", "portable-atomic", "static_assertions", "loom", "shuttle", "proptest"];

/// The packages of this workspace that `package` may depend on.
fn allowed(package: &str) -> &'static [&'static str] {
    match package {
        "ouzel-core" | "xtask" => &[],
        "ouzel-os-linux" | "ouzel-os-fallback" => &["ouzel-core"],
        "ouzel" => &["ouzel-core", "ouzel-os-linux", "ouzel-os-fallback"],
        "ouzel-ffi" | "ouzel-bench" => &["ouzel"],
        "ouzel-tests" => &["ouzel", "ouzel-ffi"],
        _ => &["ouzel", "ouzel-ffi"], // programs
    }
}

pub(super) fn check(tree: &Tree) -> Findings {
    let mut found = Findings::default();
    let empty = Vec::new();
    let packages = tree.metadata["packages"].as_array().unwrap_or(&empty);
    let ours: Vec<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut edges = 0;
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        for dependency in package["dependencies"].as_array().unwrap_or(&empty) {
            edges += 1;
            if let Some(what) = fault(name, dependency, &ours) {
                found.violations.push(what);
            }
        }
    }
    if packages.is_empty() {
        found.violations.push("cargo metadata lists no package".into());
    }
    found.summary = format!("{} packages, {edges} dependencies", packages.len());
    found
}

fn fault(package: &str, dependency: &Value, ours: &[&str]) -> Option<String> {
    let on = dependency["name"].as_str().unwrap_or_default();
    let embeds = matches!(package, "ouzel-tests" | "ouzel-bench") && dependency["kind"] == "dev";
    if ours.contains(&on) && !allowed(package).contains(&on) && !(embeds && on == "ouzel-core") {
        return Some(format!("{package} depends on {on}"));
    }
    if package == "ouzel-core" && !CORE_MAY.contains(&on) {
        return Some(format!("ouzel-core depends on {on}"));
    }
    let optional = dependency["optional"] == true;
    let traits_alone = optional
        && dependency["uses_default_features"] == false
        && dependency["features"].as_array().is_some_and(Vec::is_empty);
    if on == "tokio" && package == "ouzel" && traits_alone {
        return None;
    }
    if PEERS.contains(&on) && !(COMPARES.contains(&package) && optional) {
        return Some(format!(
            "{package} depends on the peer {on} (only {} may, optionally)",
            COMPARES.join(", ")
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn catches_every_wrong_direction() {
        let package = |name: &str, on: &[&str]| {
            let dependencies: Vec<Value> =
                on.iter().map(|d| json!({"name": d, "optional": *d == "monoio"})).collect();
            json!({"name": name, "dependencies": dependencies})
        };
        let metadata = json!({"packages": [
            package("ouzel-core", &["heapless", "rustix"]),
            package("ouzel-os-linux", &["ouzel-core", "ouzel-os-fallback"]),
            package("ouzel-os-fallback", &["ouzel-core"]),
            {"name": "ouzel", "dependencies": [
                {"name": "ouzel-core"},
                {"name": "tokio", "optional": true, "uses_default_features": false, "features": []},
                {"name": "tokio", "optional": true, "uses_default_features": false, "features": ["rt"]},
                {"name": "tokio", "optional": true, "uses_default_features": true, "features": []},
            ]},
            package("ouzel-bench", &["ouzel", "ouzel-core", "monoio", "tokio"]),
            package("ouzel-search", &["ouzel", "monoio", "rayon"]),
            package("ouzel-cached", &["ouzel", "ouzel-core"]),
        ]});
        let found = check(&Tree { metadata, ..Tree::default() });
        assert_eq!(
            found.violations,
            [
                "ouzel-core depends on rustix",
                "ouzel-os-linux depends on ouzel-os-fallback",
                "ouzel depends on the peer tokio (only ouzel-bench, ouzel-search may, optionally)",
                "ouzel depends on the peer tokio (only ouzel-bench, ouzel-search may, optionally)",
                "ouzel-bench depends on ouzel-core",
                "ouzel-bench depends on the peer tokio (only ouzel-bench, ouzel-search may, optionally)",
                "ouzel-search depends on the peer rayon (only ouzel-bench, ouzel-search may, optionally)",
                "ouzel-cached depends on ouzel-core",
            ]
        );
    }
}
