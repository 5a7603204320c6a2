//! `cargo xtask dist`: what is shipped, laid out as under a prefix like `/usr/local`.
//!
//! ```text
//!   lib/libouzel.a                   one object, nothing global in it but ouzel_*
//!   lib/libouzel.so -> .so.0 -> .so.0.1.0
//!   lib/pkgconfig/ouzel.pc           finds its prefix by where it lies
//!   lib/cmake/ouzel/                 ouzel::ouzel and ouzel::static
//!   include/ouzel.h
//! ```
//! rustc's own archive will not do: it holds hundreds of objects, whose symbols meet those of any other Rust archive
//! that is linked into the same program.

mod archive;
mod check;
mod object;

use crate::workspace::{Workspace, build as cargo_build, run as command};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub(crate) use check::check;

/// What a static library of Rust's needs of the system.
const SYSTEM: &str = "-lgcc_s -lpthread -ldl -lm";

/// Options of `dist`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    out: Option<PathBuf>,
    check: bool,
}

impl Options {
    /// `None`: help was asked for.
    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;
        let mut options = Options::default();
        while let Some(arg) = parser.next()? {
            match arg {
                Short('h') | Long("help") => return Ok(None),
                Long("check") => options.check = true,
                Long("out") => options.out = Some(parser.value()?.into()),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

/// Builds everything into the folder of `options`, or `ouzel-VERSION` in the build folder; or only tries it out.
pub(crate) fn run(ws: &Workspace, options: &Options) -> Result<(), String> {
    if options.check {
        return check(ws);
    }
    let version = version(ws)?;
    let out = options.out.clone().unwrap_or_else(|| ws.target.join(format!("ouzel-{version}")));
    make(ws, &out)?;
    println!("{}", out.display());
    for entry in ["lib/libouzel.a".to_string(), format!("lib/libouzel.so.{version}")] {
        let size = fs::metadata(out.join(&entry)).map_err(|e| format!("{entry}: {e}"))?.len();
        println!("  {entry:<28} {:>9} bytes", size);
    }
    Ok(())
}

/// The version that is being built.
fn version(ws: &Workspace) -> Result<String, String> {
    let metadata = ws.metadata()?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let ours = packages.filter(|p| p["name"] == "ouzel-ffi").find_map(|p| p["version"].as_str());
    ours.map(str::to_owned).ok_or_else(|| "cargo names no ouzel-ffi".into())
}

/// Builds, and lays out under `out`.
fn make(ws: &Workspace, out: &Path) -> Result<(), String> {
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
    for folder in ["lib/pkgconfig", "lib/cmake/ouzel", "include"].map(|f| out.join(f)).iter().chain([&work]) {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let library = static_library(ws)?;
    let names = header_functions(ws)?;
    let one = object::merge(&library, &names, &work)?;
    archive::write(&one, &names, &out.join("lib/libouzel.a"))?;

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

    let header = out.join("include/ouzel.h");
    fs::copy(ws.root.join("ffi/include/ouzel.h"), &header)
        .map_err(|e| format!("{}: {e}", header.display()))?;
    write(&out.join("lib/pkgconfig/ouzel.pc"), &fill("ouzel.pc.in")?)?;
    for name in ["ouzelConfig.cmake", "ouzelConfigVersion.cmake"] {
        write(&out.join("lib/cmake/ouzel").join(name), &fill(&format!("{name}.in"))?)?;
    }
    Ok(())
}

/// rustc's archive of everything.
fn static_library(ws: &Workspace) -> Result<PathBuf, String> {
    let built = cargo_build(&mut ws.cargo(&["build", "-p", "ouzel-ffi", "--profile", "dist", "--lib"]))?;
    let mut files = built.into_iter().flat_map(|a| a.files);
    files.find(|f| f.ends_with("libouzel_ffi.a")).ok_or_else(|| "cargo names no libouzel_ffi.a".into())
}

/// Every function the header declares.
fn header_functions(ws: &Workspace) -> Result<Vec<String>, String> {
    let path = ws.root.join("ffi/include/ouzel.h");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(functions(&text))
}

fn functions(header: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in header.lines().filter(|l| !l.starts_with([' ', '#', '/', '*', '}'])) {
        let Some((before, _)) = line.split_once('(') else { continue };
        let name = before.rsplit([' ', '*']).next().unwrap_or_default();
        if name.starts_with("ouzel_") && !before.starts_with("typedef") {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_functions_are_found_and_nothing_else() {
        let header = "typedef void (*ouzel_log_fn)(void *ud);\nuint32_t ouzel_abi_version(void);\n\
            const char *ouzel_err_name(int32_t code);\nint32_t ouzel_a(int x,\n    ouzel_b(y));\n/* ouzel_c(z) */\n";
        assert_eq!(functions(header), ["ouzel_a", "ouzel_abi_version", "ouzel_err_name"]);
    }
}
