//! What shall be run, and how.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use super::child::Child;

/// A program to be run, as `std`'s of the same name.
///
/// ```
/// use ouzel::process::Command;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let output = Command::new("echo").arg("hello").output().await?;
///     assert!(output.status.success());
///     assert_eq!(output.stdout, b"hello\n");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    std: std::process::Command,
    kill_on_drop: bool,
    /// Which of the three standard streams were spoken of.
    set: [bool; 3],
}

impl From<std::process::Command> for Command {
    fn from(std: std::process::Command) -> Self {
        Command { std, kill_on_drop: false, set: [false; 3] }
    }
}

impl Command {
    /// Runs `program`, found by the rules of `std`'s.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        std::process::Command::new(program).into()
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.std.args(args);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.std.env(name, value);
        self
    }

    /// Sets variables of the environment.
    pub fn envs(
        &mut self,
        vars: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        self.std.envs(vars);
        self
    }

    /// Takes a variable out of the environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.std.env_remove(name);
        self
    }

    /// Takes all variables out of the environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// The directory it runs in.
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Self {
        self.std.current_dir(dir);
        self
    }

    /// What it reads: [`Stdio::piped`] for [`Child::stdin`]. Default: what this process reads, and nothing for
    /// [`Command::output`].
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.set[0] = true;
        self.std.stdin(stdin);
        self
    }

    /// Where its output goes: [`Stdio::piped`] for [`Child::stdout`]. Default: where that of this process goes, and a pipe for
    /// [`Command::output`].
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.set[1] = true;
        self.std.stdout(stdout);
        self
    }

    /// As [`Command::stdout`], of what it says about errors.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.set[2] = true;
        self.std.stderr(stderr);
        self
    }

    /// Whether the process is killed when its [`Child`] is dropped before its end is known. Default: no.
    ///
    /// That is also what happens when the future of [`Command::output`] or [`Command::status`] is dropped.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// `std`'s command, for what is not here. Standard streams that are set there are set anew by [`Command::output`].
    pub fn as_std(&self) -> &std::process::Command {
        &self.std
    }

    /// As [`Command::as_std`].
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.std
    }

    /// Begins the process.
    ///
    /// Blocks the thread as long as `std` needs for it, about a millisecond. Needs no runtime; what the child
    /// is asked later does.
    ///
    /// # Errors
    /// The system's: no such program, no rights, too many processes or descriptors.
    pub fn spawn(&mut self) -> io::Result<Child> {
        Child::new(self.std.spawn()?, self.kill_on_drop)
    }

    /// Runs the program to its end.
    ///
    /// Begins it at once, before the future is polled. Dropping the future leaves it running, unless
    /// [`kill_on_drop`](Command::kill_on_drop).
    ///
    /// # Errors
    /// As [`Command::spawn`] and [`Child::wait`].
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send + use<> {
        let child = self.spawn();
        async move { child?.wait().await }
    }

    /// Runs the program to its end, and collects what it writes, which may be any amount.
    ///
    /// As [`Command::status`] otherwise.
    ///
    /// # Errors
    /// As [`Command::spawn`] and [`Child::wait_with_output`].
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + Send + use<> {
        if !self.set[0] {
            self.std.stdin(Stdio::null());
        }
        if !self.set[1] {
            self.std.stdout(Stdio::piped());
        }
        if !self.set[2] {
            self.std.stderr(Stdio::piped());
        }
        let child = self.spawn();
        async move { child?.wait_with_output().await }
    }
}
