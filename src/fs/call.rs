//! File calls as operations, and what is known without one.

use std::ffi::{CStr, CString};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ouzel_core::coop;
use ouzel_core::op::{FileCall, FileStat, StatRoom};
use rustix::path::Arg;

use crate::current;
use crate::fd::SharedFd;
use crate::op::raw::SubmitReason;
use crate::op::{Op, Request};
use crate::platform::{self, Files};

/// Where relative paths start.
pub(super) fn here() -> RawFd {
    rustix::fs::CWD.as_raw_fd()
}

/// `path` as the kernel reads it.
pub(super) fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))
}

/// Makes a call on a path.
pub(super) async fn on_path(path: &Path, call: impl FnOnce(*const u8) -> FileCall) -> io::Result<()> {
    let build = |path: *mut CString, _| {
        // SAFETY: the payload lies in its slot and nobody else touches it before completion.
        Request::File(call(unsafe { &*path }.as_ptr().cast()))
    };
    Op::new(c_path(path)?, build).await.0.map(drop)
}

/// Makes a call on two paths.
pub(super) async fn on_paths(
    paths: (&Path, &Path),
    call: impl FnOnce(*const u8, *const u8) -> FileCall,
) -> io::Result<()> {
    let build = |paths: *mut (CString, CString), _| {
        // SAFETY: the payload lies in its slot and nobody else touches it before completion.
        let (a, b) = unsafe { &*paths };
        Request::File(call(a.as_ptr().cast(), b.as_ptr().cast()))
    };
    Op::new((c_path(paths.0)?, c_path(paths.1)?), build).await.0.map(drop)
}

/// Makes a call on an open file.
pub(super) async fn on_file(fd: &SharedFd, call: FileCall) -> io::Result<()> {
    Op::new(fd.clone(), move |_, _| Request::File(call)).await.0.map(drop)
}

/// How this thread's driver reads files. Where they are read on the spot nothing ever waits, so this gives way.
pub(super) async fn files() -> io::Result<Files> {
    poll_fn(coop::proceed).await;
    current::with(|c| c.map(|c| c.reactor.files()).ok_or_else(|| SubmitReason::NoRuntime.into()))
}

/// Calls `f` with the path as the kernel reads it: on the stack if it is short. A NUL inside is an error of this call.
pub(super) fn with_c_path<T>(path: &Path, f: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
    let mut result = Err(io::ErrorKind::InvalidInput.into());
    path.into_with_c_str(|path| {
        result = f(path);
        Ok(())
    })?;
    result
}

/// The status of a path; of the link itself, if it is one, unless `follow`.
pub(super) async fn status_of_path(path: &Path, follow: bool) -> io::Result<FileStat> {
    if files().await?.tried {
        match with_c_path(path, |path| platform::stat_cached(path, follow)) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            known => return known,
        }
    }
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    status((c_path(path)?, StatRoom::ZERO), |path| (here(), path.as_ptr().cast()), flags).await
}

/// The status of an open file.
pub(super) async fn status_of_file(fd: &SharedFd) -> io::Result<FileStat> {
    if files().await?.tried {
        match platform::stat_open_cached(fd.as_fd()) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            known => return known,
        }
    }
    status((fd.clone(), StatRoom::ZERO), |fd| (fd.raw(), std::ptr::null()), 0).await
}

async fn status<T: 'static>(
    of: (T, StatRoom),
    name: impl FnOnce(&T) -> (RawFd, *const u8),
    flags: i32,
) -> io::Result<FileStat> {
    let build = |payload: *mut (T, StatRoom), _| {
        // SAFETY: the payload lies in its slot and nobody else touches it before completion.
        let (of, room) = unsafe { &mut *payload };
        let (dir, path) = name(of);
        Request::File(FileCall::Stat { dir, path, flags, out: room })
    };
    let (result, (_, room)) = Op::new(of, build).await;
    result.map(|_| platform::file_stat(&room))
}
