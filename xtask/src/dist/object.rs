//! One object out of an archive of many, with the C compiler and `objcopy`, and a shared library out of that.

use crate::workspace::run as command;
use std::path::{Path, PathBuf};
use std::process::Command;

fn compiler() -> Command {
    Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
}

/// What the functions `names` of `library` need, as one object in which nothing else is global.
pub(super) fn merge(library: &Path, names: &[String], work: &Path) -> Result<PathBuf, String> {
    let (all, one) = (work.join("all.o"), work.join("ouzel.o"));
    let mut link = compiler();
    link.args(["-r", "-nostdlib", "-o"]).arg(&all);
    link.args(names.iter().map(|name| format!("-Wl,-u,{name}"))).arg(library);
    command(&mut link)?;
    let mut hide = Command::new("objcopy");
    hide.args(["--wildcard", "--keep-global-symbol=ouzel_*", "--strip-debug"]);
    // A hint for linkers that comes with a profile: `ld -r` writes it in a way that LLVM's linker refuses.
    hide.arg("--remove-section=.llvm.call-graph-profile").arg(&all).arg(&one);
    command(&mut hide).map_err(|e| format!("{e} (Debian package binutils)"))?;
    Ok(one)
}

/// A shared library of `object` with the exports of `map`.
pub(super) fn link_shared(
    object: &Path,
    map: &Path,
    soname: &str,
    system: &str,
    to: &Path,
) -> Result<(), String> {
    let mut link = compiler();
    link.arg("-shared").arg("-o").arg(to).arg(object);
    link.args([format!("-Wl,-soname,{soname}"), format!("-Wl,--version-script={}", map.display())]);
    link.args(["-Wl,--gc-sections", "-Wl,-z,defs", "-Wl,-s"]).args(system.split(' '));
    command(&mut link)
}
