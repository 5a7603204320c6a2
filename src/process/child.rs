//! A process that runs, or has run.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll};

use super::exit::Process;
use super::pipe::{ChildStderr, ChildStdin, ChildStdout, read_to_end};

/// A process begun by [`Command::spawn`](super::Command::spawn).
///
/// Dropping it leaves the process running, or kills it if that was asked for; its end is taken note of in any case.
///
/// ```
/// use ouzel::process::{Command, Stdio};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
///     child.stdin.take().unwrap().write_all("meow").await.0?;
///     let output = child.wait_with_output().await?;
///     assert_eq!(output.stdout, b"meow");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Child {
    /// What the process reads, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// What it writes, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// What it says about errors, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    process: Process,
}

impl Child {
    pub(super) fn new(mut child: std::process::Child, kill_on_drop: bool) -> io::Result<Self> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // Before anything can fail: whatever happens, its end is taken note of.
        let process = Process::new(child, kill_on_drop);
        Ok(Child {
            stdin: pipes.0.map(ChildStdin::new).transpose()?,
            stdout: pipes.1.map(ChildStdout::new).transpose()?,
            stderr: pipes.2.map(ChildStderr::new).transpose()?,
            process,
        })
    }

    /// Its number in the system, until its end has been told: then the number may be another's.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits for its end. Closes [`Child::stdin`] first, or a process that reads to the end of it would never end.
    ///
    /// Dropping the future changes nothing. After the end every call returns the same at once.
    ///
    /// # Errors
    /// `ECHILD` if somebody else has taken note of the end (or the process ignores `SIGCHLD`).
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.process.wait().await
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Kills it (`SIGKILL`), without waiting for that. Does nothing once its end has been told.
    ///
    /// # Errors
    /// The system's: a process that has become another user's.
    pub fn start_kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Kills it, and waits for its end.
    ///
    /// # Errors
    /// As [`Child::start_kill`] and [`Child::wait`].
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Waits for its end and reads both of its outputs meanwhile, in whatever order they fill. Closes [`Child::stdin`] first.
    ///
    /// Also waits until nobody holds the other ends of the pipes any more: a process that it has begun may.
    ///
    /// # Errors
    /// As [`Child::wait`]; the system's for reading a pipe.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let mut ends = pin!(self.process.wait());
        let mut out = pin!(read_to_end(stdout.as_ref().map(ChildStdout::shared_fd)));
        let mut err = pin!(read_to_end(stderr.as_ref().map(ChildStderr::shared_fd)));
        let mut done = (None, None, None);
        poll_fn(|cx| {
            // All of them, every time: a full pipe must not wait for another's end.
            let over = [
                poll_into(&mut done.0, ends.as_mut(), cx),
                poll_into(&mut done.1, out.as_mut(), cx),
                poll_into(&mut done.2, err.as_mut(), cx),
            ];
            if over == [true; 3] { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let (Some(status), Some(stdout), Some(stderr)) = done else { unreachable!("all three are over") };
        Ok(Output { status: status?, stdout: stdout?, stderr: stderr? })
    }
}

/// Polls `future` unless its output is there already; whether it is.
fn poll_into<F: Future>(output: &mut Option<F::Output>, future: Pin<&mut F>, cx: &mut Context<'_>) -> bool {
    if output.is_none()
        && let Poll::Ready(ready) = future.poll(cx)
    {
        *output = Some(ready);
    }
    output.is_some()
}
