//! How the end of a child is noticed.

use std::io;
use std::process::{Child, ExitStatus};

use super::orphans;
use crate::fd::SharedFd;
use crate::op::{Op, Request};
use crate::platform;
use crate::signal::unix::{SignalKind, signal};

/// A process whose end this one has to take note of.
#[derive(Debug)]
pub(super) struct Process {
    /// Taken when this is dropped.
    child: Option<Child>,
    /// Readable when the process has ended.
    exit: Option<SharedFd>,
    status: Option<ExitStatus>,
    kill_on_drop: bool,
}

impl Process {
    pub(super) fn new(child: Child, kill_on_drop: bool) -> Self {
        orphans::reap();
        let exit = platform::exit_descriptor(child.id()).map(SharedFd::new);
        Process { child: Some(child), exit, status: None, kill_on_drop }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("taken only when dropped")
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().filter(|_| self.status.is_none()).map(Child::id)
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child().try_wait()?;
        }
        Ok(self.status)
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let Some(exit) = self.exit.clone() else { return self.wait_by_signal().await };
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            let fd = exit.raw();
            Op::new(exit.clone(), move |_, _| Request::Poll { fd, writing: false }).await.0?;
        }
    }

    /// For systems without such descriptors.
    async fn wait_by_signal(&mut self) -> io::Result<ExitStatus> {
        // Before the first look: an end after it is heard.
        let mut ends = signal(SignalKind::child())?;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            ends.recv().await;
        }
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        if self.status.is_some() { Ok(()) } else { self.child().kill() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_some() {
            return;
        }
        if self.kill_on_drop {
            // It may have ended, or be another user's: then there is nothing to be done.
            let _ = self.kill();
        }
        if let (Ok(None), Some(child)) = (self.try_wait(), self.child.take()) {
            orphans::adopt(child);
        }
    }
}
