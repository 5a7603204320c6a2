//! Operations on files and names.
//!
//! # Safety
//! Of each of them: see [`submit`](crate::submit).

use core::ffi::{c_char, c_int, c_void};

use libc::iovec;
use ouzel::op::raw::{AT_POSITION, FileCall, Request, Segment};

use crate::error::{Error, Result};
use crate::id::ouzel_op;
use crate::place::ouzel_runtime;
use crate::stat::ouzel_stat;
use crate::submit::{Shape, begin, given, given_if, ouzel_op_opts};

/// `OUZEL_FSYNC_DATA`.
pub const OUZEL_FSYNC_DATA: u32 = 1;
/// `OUZEL_AT_POSITION`.
pub const OUZEL_AT_POSITION: i64 = -1;

const _: () = assert!(size_of::<Segment>() == size_of::<iovec>());

pub(crate) fn position(offset: i64) -> Result<u64> {
    match offset {
        OUZEL_AT_POSITION => Ok(AT_POSITION),
        _ => u64::try_from(offset).map_err(|_| Error::INVALID),
    }
}

/// What `ouzel_fsync` is asked for.
pub(crate) fn fsync(fd: c_int, flags: u32) -> Result<Request> {
    if flags & !OUZEL_FSYNC_DATA != 0 {
        return Err(Error::INVALID);
    }
    Ok(Request::Fsync { fd, data_only: flags & OUZEL_FSYNC_DATA != 0 })
}

/// Reads from a file or pipe. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_read(
    rt: *mut ouzel_runtime,
    fd: c_int,
    buf: *mut c_void,
    len: usize,
    offset: i64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            Ok(Request::Read { fd, buf: given_if(buf, len)?, len, offset: position(offset)? })
        })
    }
}

/// Writes to a file or pipe. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_write(
    rt: *mut ouzel_runtime,
    fd: c_int,
    buf: *const c_void,
    len: usize,
    offset: i64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            Ok(Request::Write { fd, buf: given_if(buf, len)?, len, offset: position(offset)? })
        })
    }
}

/// Reads into several places. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_readv(
    rt: *mut ouzel_runtime,
    fd: c_int,
    iov: *const iovec,
    count: u32,
    offset: i64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            let segments = given_if(iov, count as usize)?.cast_const().cast();
            Ok(Request::ReadV { fd, segments, count, offset: position(offset)? })
        })
    }
}

/// Writes from several places. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_writev(
    rt: *mut ouzel_runtime,
    fd: c_int,
    iov: *const iovec,
    count: u32,
    offset: i64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            let segments = given_if(iov, count as usize)?.cast_const().cast();
            Ok(Request::WriteV { fd, segments, count, offset: position(offset)? })
        })
    }
}

/// Opens a path. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_openat(
    rt: *mut ouzel_runtime,
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::Opens, || Ok(Request::OpenAt { dir, path: given(path)?, flags, mode }))
    }
}

/// Closes a descriptor. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_close(
    rt: *mut ouzel_runtime,
    fd: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::One, || Ok(Request::Close { fd })) }
}

/// Flushes a file. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_fsync(
    rt: *mut ouzel_runtime,
    fd: c_int,
    flags: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::One, || fsync(fd, flags)) }
}

/// Asks for a file's status. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_statx(
    rt: *mut ouzel_runtime,
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    stat: *mut ouzel_stat,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::Stat(stat), || {
            given(stat)?;
            Ok(Request::File(FileCall::Stat { dir, path: path.cast(), flags, out: stat.cast() }))
        })
    }
}

/// Sets blocks aside. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_fallocate(
    rt: *mut ouzel_runtime,
    fd: c_int,
    mode: c_int,
    offset: u64,
    len: u64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || Ok(Request::File(FileCall::Allocate { fd, mode, offset, len })))
    }
}

/// Cuts a file off, or extends it. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_ftruncate(
    rt: *mut ouzel_runtime,
    fd: c_int,
    len: u64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::One, || Ok(Request::File(FileCall::Truncate { fd, len }))) }
}

/// Renames. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_renameat(
    rt: *mut ouzel_runtime,
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
    flags: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            let (from, to) = (given(from)?, given(to)?);
            Ok(Request::File(FileCall::Rename { from_dir, from, to_dir, to, flags }))
        })
    }
}

/// Removes a name. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_unlinkat(
    rt: *mut ouzel_runtime,
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            Ok(Request::File(FileCall::Unlink { dir, path: given(path)?, flags }))
        })
    }
}

/// Makes a directory. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_mkdirat(
    rt: *mut ouzel_runtime,
    dir: c_int,
    path: *const c_char,
    mode: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            Ok(Request::File(FileCall::MakeDir { dir, path: given(path)?, mode }))
        })
    }
}

/// Makes a symbolic link. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_symlinkat(
    rt: *mut ouzel_runtime,
    target: *const c_char,
    dir: c_int,
    path: *const c_char,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            Ok(Request::File(FileCall::Symlink { target: given(target)?, dir, path: given(path)? }))
        })
    }
}

/// Gives a file a further name. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_linkat(
    rt: *mut ouzel_runtime,
    from_dir: c_int,
    from: *const c_char,
    to_dir: c_int,
    to: *const c_char,
    flags: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            let (from, to) = (given(from)?, given(to)?);
            Ok(Request::File(FileCall::Link { from_dir, from, to_dir, to, flags }))
        })
    }
}
