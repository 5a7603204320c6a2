//! File calls as operations.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ouzel_core::op::{FileCall, FileStat, StatRoom};

use crate::fd::SharedFd;
use crate::op::{Op, Request};
use crate::platform;

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

/// The status of a path.
pub(super) async fn status_of_path(path: &Path, flags: i32) -> io::Result<FileStat> {
    status((c_path(path)?, StatRoom::ZERO), |path| (here(), path.as_ptr().cast()), flags).await
}

/// The status of an open file.
pub(super) async fn status_of_file(fd: &SharedFd) -> io::Result<FileStat> {
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
