//! Builds the parts and puts each in its place.

use super::library::{Kind, SYSTEM};
use super::{archive, choice, core_archive, header, object};
use crate::workspace::Workspace;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What is shipped as it lies in `ffi`.
const COPIED: [&str; 11] = [
    "include/ouzel.h",
    "include/ouzel.hpp",
    "include/ouzel_core.h",
    "zig/ouzel.zig",
    "zig/c.zig",
    "zig/build.zig",
    "zig/std_io.zig",
    "zig/std_io/loop.zig",
    "zig/std_io/operations.zig",
    "zig/std_io/batch.zig",
    "zig/std_io/forward.zig",
];

/// The version that is being built.
pub(super) fn version(ws: &Workspace) -> Result<String, String> {
    let metadata = ws.metadata()?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let ours = packages.filter(|p| p["name"] == "ouzel-ffi").find_map(|p| p["version"].as_str());
    ours.map(str::to_owned).ok_or_else(|| "cargo names no ouzel-ffi".into())
}

/// Builds, and lays out under `out`. Returns which kind of library it could be.
pub(crate) fn make(ws: &Workspace, out: &Path, wanted: Kind) -> Result<Kind, String> {
    let version = version(ws)?;
    let mut numbers = version.split('.');
    let major = numbers.next().unwrap_or_default();
    let series = format!("{major}.{}", numbers.next().unwrap_or_default());
    let fill = |name: &str| -> Result<String, String> {
        let path = ws.root.join("ffi/dist").join(name);
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let words =
            [("@VERSION@", &*version), ("@MAJOR@", major), ("@SERIES@", &series), ("@SYSTEM@", SYSTEM)];
        Ok(words.iter().fold(text, |text, (from, to)| text.replace(from, to)))
    };

    let work = ws.target.join("dist-work");
    for folder in ["lib/pkgconfig", "lib/cmake/ouzel", "include", "zig/std_io"]
        .map(|f| out.join(f))
        .iter()
        .chain([&work])
    {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let (library, kind) = choice::build(ws, wanted)?;
    let names = header::functions_of(ws, "ouzel.h")?;
    let one = object::merge(&library, &names, &work)?;
    archive::write(&one, &names, &out.join("lib/libouzel.a"))?;

    core_archive::make(ws, &out.join("lib/libouzel_core.a"))?;

    let map = work.join("libouzel.map");
    write(&map, &fill("libouzel.map")?)?;
    let shared = format!("libouzel.so.{version}");
    object::link_shared(&one, &map, &format!("libouzel.so.{major}"), SYSTEM, &out.join("lib").join(&shared))?;
    for (from, to) in
        [(format!("libouzel.so.{major}"), &*shared), ("libouzel.so".into(), &format!("libouzel.so.{major}"))]
    {
        let link = out.join("lib").join(from);
        let _old = fs::remove_file(&link);
        symlink(to, &link).map_err(|e| format!("{}: {e}", link.display()))?;
    }

    for name in COPIED {
        let to = out.join(name);
        fs::copy(ws.root.join("ffi").join(name), &to).map_err(|e| format!("{}: {e}", to.display()))?;
    }
    for name in ["ouzel.pc", "ouzel-core.pc"] {
        write(&out.join("lib/pkgconfig").join(name), &fill(&format!("{name}.in"))?)?;
    }
    for name in ["ouzelConfig.cmake", "ouzelConfigVersion.cmake"] {
        write(&out.join("lib/cmake/ouzel").join(name), &fill(&format!("{name}.in"))?)?;
    }
    Ok(kind)
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
