//! A descriptor shared by its owner and the operations in flight on it.
//!
//! An operation keeps the descriptor open until the kernel has answered: were it closed earlier, its
//! number could be given to a new socket, and a late retry would steal that socket's bytes.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use crate::platform::{self, Keeper};

/// See the module. Cloning is one reference count.
#[derive(Clone, Debug)]
pub(crate) struct SharedFd(Arc<Closer>);

#[derive(Debug)]
struct Closer(Option<OwnedFd>);

impl SharedFd {
    /// Takes over `fd`, which was not used with this process's drivers before.
    pub(crate) fn new(fd: OwnedFd) -> Self {
        platform::fd_changed(fd.as_raw_fd());
        SharedFd(Arc::new(Closer(Some(fd))))
    }

    /// The number operations are submitted with.
    pub(crate) fn raw(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }

    /// What keeps it open, for whoever need not know what it is.
    pub(crate) fn keeper(&self) -> Keeper {
        self.0.clone()
    }

    /// Whether both share one descriptor.
    pub(crate) fn is_same(&self, other: &SharedFd) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The descriptor alone, if no operation is in flight on it.
    pub(crate) fn try_into_owned(self) -> Result<OwnedFd, Self> {
        match Arc::try_unwrap(self.0) {
            Ok(mut closer) => {
                let fd = closer.0.take().expect("taken only here");
                platform::fd_changed(fd.as_raw_fd());
                Ok(fd)
            }
            Err(shared) => Err(SharedFd(shared)),
        }
    }
}

impl AsFd for SharedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_ref().expect("taken only with the last reference").as_fd()
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        if let Some(fd) = self.0.take() {
            platform::fd_changed(fd.as_raw_fd());
            // Whatever the close reports: the number is free all the same.
            drop(fd);
        }
    }
}
