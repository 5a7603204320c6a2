//! LLVM's coverage tools, of the version that rustc is built with: rustup's, the system's, or Debian's unpacked
//! under the build folder.

use crate::workspace::{Workspace, run as command};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the tools are.
#[derive(Debug)]
pub(crate) struct Tools {
    cov: PathBuf,
    profdata: PathBuf,
    /// Where their library lies, if the system would not find it.
    library: Option<PathBuf>,
}

impl Tools {
    /// # Errors
    /// They are nowhere and cannot be had here.
    pub(crate) fn find(ws: &Workspace) -> Result<Self, String> {
        let about = text_of(Command::new("rustc").arg("-vV"))?;
        let field = |name: &str| about.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
        let version = field("LLVM version: ");
        let major = version.split('.').next().filter(|m| !m.is_empty()).ok_or("rustc names no LLVM")?;
        let sysroot = text_of(Command::new("rustc").args(["--print", "sysroot"]))?;
        let rustup = Path::new(sysroot.trim()).join("lib/rustlib").join(field("host: ")).join("bin");
        let unpacked = ws.target.join("llvm");
        let debian = unpacked.join(format!("usr/lib/llvm-{major}"));
        let library = Some(debian.join("lib"));
        let places = [
            Tools { cov: rustup.join("llvm-cov"), profdata: rustup.join("llvm-profdata"), library: None },
            Tools {
                cov: format!("llvm-cov-{major}").into(),
                profdata: format!("llvm-profdata-{major}").into(),
                library: None,
            },
            Tools { cov: "llvm-cov".into(), profdata: "llvm-profdata".into(), library: None },
            Tools { cov: debian.join("bin/llvm-cov"), profdata: debian.join("bin/llvm-profdata"), library },
        ];
        if let Some(place) = places.iter().position(|tools| tools.are(major)) {
            return Ok(places.into_iter().nth(place).expect("it was found there"));
        }
        println!("LLVM {major}'s coverage tools are not here: unpacking Debian's in {}", unpacked.display());
        let [.., debian] = places;
        fetch(&unpacked, major).map_err(|e| {
            format!("no LLVM {major} coverage tools ({e}); `rustup component add llvm-tools` installs them")
        })?;
        if debian.are(major) { Ok(debian) } else { Err(format!("{} does not run", debian.cov.display())) }
    }

    /// Whether both run and are of version `major`: no other reads what this rustc writes.
    fn are(&self, major: &str) -> bool {
        let version = format!("LLVM version {major}.");
        [&self.cov, &self.profdata]
            .iter()
            .all(|tool| text_of(self.command(tool).arg("--version")).is_ok_and(|t| t.contains(&version)))
    }

    fn command(&self, tool: &Path) -> Command {
        let mut command = Command::new(tool);
        if let Some(library) = &self.library {
            command.env("LD_LIBRARY_PATH", library);
        }
        command
    }

    /// Merges the raw profiles of `folder` into one file.
    ///
    /// # Errors
    /// The tool's.
    pub(crate) fn merge(&self, folder: &Path, into: &Path) -> Result<(), String> {
        let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let raw =
            entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "profraw"));
        // A test process whose files may not grow (`tests/fs/faults.rs`) leaves half a profile: it alone is left out.
        let mut merge = self.command(&self.profdata);
        merge.args(["merge", "-sparse", "-failure-mode=all", "-o"]);
        command(merge.arg(into).args(raw))
    }

    /// What `programs` covered, in lcov's format.
    ///
    /// # Errors
    /// The tool's.
    pub(crate) fn lcov(&self, profile: &Path, programs: &[PathBuf]) -> Result<String, String> {
        let mut cov = self.command(&self.cov);
        cov.args(["export", "-format=lcov", "-instr-profile"]).arg(profile);
        for (i, program) in programs.iter().enumerate() {
            if i > 0 {
                cov.arg("-object");
            }
            cov.arg(program);
        }
        text_of(&mut cov)
    }
}

/// Downloads Debian's packages into `to` and unpacks them there; installs nothing.
fn fetch(to: &Path, major: &str) -> Result<(), String> {
    std::fs::create_dir_all(to).map_err(|e| format!("{}: {e}", to.display()))?;
    let packages = [format!("llvm-{major}"), format!("libllvm{major}")];
    let download =
        || command(Command::new("apt-get").args(["-q", "download"]).args(&packages).current_dir(to));
    if download().is_err() {
        // The lists of a fresh machine may be empty; updating them takes root.
        command(Command::new("apt-get").args(["-q", "update"]))?;
        download()?;
    }
    let entries = std::fs::read_dir(to).map_err(|e| format!("{}: {e}", to.display()))?;
    for package in entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "deb")) {
        command(Command::new("dpkg").arg("-x").arg(&package).arg(to))?;
    }
    // The library lies with the system's libraries; the tools look for it beside themselves.
    let system = to.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let library = to.join(format!("usr/lib/llvm-{major}/lib"));
    std::fs::create_dir_all(&library).map_err(|e| format!("{}: {e}", library.display()))?;
    let entries = std::fs::read_dir(&system).map_err(|e| format!("{}: {e}", system.display()))?;
    for file in entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("libLLVM")) {
        let beside = library.join(file.file_name());
        let _replaced = std::fs::remove_file(&beside);
        std::fs::copy(file.path(), &beside).map_err(|e| format!("{}: {e}", beside.display()))?;
    }
    Ok(())
}

fn text_of(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{program}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("{program}: {e}"))
}
