//! Where things are, and how cargo is called.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What replaces core's atomics and locks to explore schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Loom,
    Shuttle,
}

impl Tool {
    /// The name in its cfg, in what its models print, and of its build folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool::Loom => "loom",
            Tool::Shuttle => "shuttle",
        }
    }

    /// What the names of its models begin with.
    pub(crate) fn models(self) -> &'static str {
        match self {
            Tool::Loom => "loom_",
            Tool::Shuttle => "whole_",
        }
    }
}

/// The repository and its build folder.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().expect("xtask is a folder of the repository").to_path_buf();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), |d| root.join(d));
        Workspace { root, target }
    }

    /// `cargo` with `args`, in the repository.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args).current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// `cargo` with `args`, built with the tool's cfg into a folder of its own.
    pub(crate) fn cargo_under(&self, tool: Tool, args: &[&str]) -> Command {
        let mut command = self.cargo(args);
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        command
            .env("RUSTFLAGS", format!("{flags} --cfg ouzel_{}", tool.name()).trim_start())
            .env("CARGO_TARGET_DIR", self.target.join(tool.name()))
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_PLAIN_DEBUG", "0");
        command
    }

    /// What `cargo metadata --no-deps` says.
    ///
    /// # Errors
    /// Cargo failed, or said something that is not JSON.
    pub(crate) fn metadata(&self) -> Result<serde_json::Value, String> {
        let mut command = self.cargo(&["metadata", "--no-deps", "--format-version", "1"]);
        let output = command.stderr(Stdio::inherit()).output().map_err(|e| format!("cargo: {e}"))?;
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))
    }
}

/// Runs a command to its end, its output going where ours goes.
///
/// # Errors
/// It could not be started, or failed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} failed: {status}", show(command))),
        Err(e) => Err(format!("{}: {e}", show(command))),
    }
}

/// Runs a command to its end; what it says is told only if it fails.
///
/// # Errors
/// It could not be started, or failed.
pub(crate) fn run_quietly(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", show(command)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{} failed: {}: {}", show(command), output.status, String::from_utf8_lossy(&said).trim()))
}

/// Runs a cargo build and returns the files it made, as cargo names them.
///
/// # Errors
/// The build failed.
pub(crate) fn build(command: &mut Command) -> Result<Vec<Artifact>, String> {
    command.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("{}: {e}", show(command)))?;
    let out = std::io::BufReader::new(child.stdout.take().expect("it is piped"));
    let mut artifacts = Vec::new();
    for message in serde_json::Deserializer::from_reader(out).into_iter::<serde_json::Value>() {
        let message = message.map_err(|e| format!("cargo's messages: {e}"))?;
        if message["reason"] == "compiler-artifact" {
            let files = message["filenames"].as_array().into_iter().flatten();
            artifacts.push(Artifact {
                name: message["target"]["name"].as_str().unwrap_or_default().to_string(),
                files: files.filter_map(|f| f.as_str().map(PathBuf::from)).collect(),
                executable: message["executable"].as_str().map(PathBuf::from),
                is_test: message["profile"]["test"] == true,
            });
        }
    }
    let status = child.wait().map_err(|e| format!("cargo: {e}"))?;
    if status.success() { Ok(artifacts) } else { Err(format!("{} failed: {status}", show(command))) }
}

/// What cargo made of one target.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub(crate) name: String,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) executable: Option<PathBuf>,
    /// With libtest's main function; not a program that tests start.
    pub(crate) is_test: bool,
}

fn show(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = std::iter::once(name).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}
