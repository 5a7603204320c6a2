//! The calls behind `FileCall`, by what every Unix has.
//!
//! What no call does on every system is refused with `EOPNOTSUPP`. Setting blocks aside: NetBSD and OpenBSD have no
//! call, and writing zeros instead could overwrite what others write meanwhile. Renames with flags: Linux and Apple have
//! calls, with flags of their own. The status of a path that starts at an open directory does not tell when the file was made.

use std::ffi::CStr;
use std::fs::{self, File, Metadata};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use ouzel_core::op::{Fd, FileCall, FileStat, FileTime};
use rustix::fs::{self as sys, AtFlags, CWD, Mode};
use rustix::io;

use super::common::pack;
use super::unix::{EBADF, EIO, EOPNOTSUPP, descriptor};

/// Makes the call and answers like a completion. Blocks.
///
/// # Safety
/// What the call points at is valid, paths are NUL-terminated.
pub(super) unsafe fn execute(call: &FileCall) -> i32 {
    // SAFETY: the caller's.
    let text = |path: *const u8| unsafe { CStr::from_ptr(path.cast()) };
    // SAFETY: the caller lends the descriptor, or it is `AT_FDCWD`; negative others were refused.
    let at = |dir: Fd| unsafe { descriptor(dir) };
    let bad = |dir: Fd| dir < 0 && dir != CWD.as_raw_fd();
    match *call {
        FileCall::Stat { dir, path, flags, out } => {
            let status = match path.is_null() {
                true if dir < 0 => return -EBADF,
                true => status_of_file(dir),
                false => status_of_path(dir, text(path), flags),
            };
            // SAFETY: the caller lends the room.
            answer(status.map(|status| unsafe { out.write(pack(&status)) }))
        }
        FileCall::Truncate { fd, .. } if fd < 0 => -EBADF,
        FileCall::Truncate { fd, len } => of(|| sys::ftruncate(at(fd), len)),
        FileCall::Rename { from_dir: a, to_dir: b, .. } | FileCall::Link { from_dir: a, to_dir: b, .. }
            if bad(a) || bad(b) =>
        {
            -EBADF
        }
        FileCall::Rename { from_dir, from, to_dir, to, flags: 0 } => {
            of(|| sys::renameat(at(from_dir), text(from), at(to_dir), text(to)))
        }
        FileCall::Link { from_dir, from, to_dir, to, flags } => {
            let flags = AtFlags::from_bits_retain(flags as _);
            of(|| sys::linkat(at(from_dir), text(from), at(to_dir), text(to), flags))
        }
        FileCall::Unlink { dir, .. } | FileCall::MakeDir { dir, .. } | FileCall::Symlink { dir, .. }
            if bad(dir) =>
        {
            -EBADF
        }
        FileCall::Unlink { dir, path, flags } => {
            of(|| sys::unlinkat(at(dir), text(path), AtFlags::from_bits_retain(flags as _)))
        }
        FileCall::MakeDir { dir, path, mode } => {
            of(|| sys::mkdirat(at(dir), text(path), Mode::from_bits_retain(mode as _)))
        }
        FileCall::Symlink { target, dir, path } => of(|| sys::symlinkat(text(target), at(dir), text(path))),
        _ => -EOPNOTSUPP,
    }
}

fn of(call: impl FnMut() -> io::Result<()>) -> i32 {
    io::retry_on_intr(call).map_or_else(|e| -e.raw_os_error(), |()| 0)
}

fn answer(done: std::io::Result<()>) -> i32 {
    done.map_or_else(|e| -e.raw_os_error().unwrap_or(EIO), |()| 0)
}

fn status_of_file(fd: Fd) -> std::io::Result<FileStat> {
    // SAFETY: the descriptor is the caller's and stays so: the file is never dropped.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    file.metadata().map(|m| status(&m))
}

fn status_of_path(dir: Fd, path: &CStr, flags: i32) -> std::io::Result<FileStat> {
    let (c_path, path) = (path, Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())));
    let flags = AtFlags::from_bits_retain(flags as _);
    if dir != CWD.as_raw_fd() && !path.is_absolute() {
        if dir < 0 {
            return Err(io::Errno::BADF.into());
        }
        // SAFETY: the caller lends the descriptor.
        return Ok(status_at(unsafe { descriptor(dir) }, c_path, flags)?);
    }
    let here = flags.contains(AtFlags::SYMLINK_NOFOLLOW);
    let found = if here { fs::symlink_metadata(path) } else { fs::metadata(path) };
    found.map(|m| status(&m))
}

/// The status of a path that begins at an open directory, for which std has no call.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_lossless,
    reason = "these numbers are of other types on other systems"
)]
fn status_at(dir: BorrowedFd<'_>, path: &CStr, flags: AtFlags) -> io::Result<FileStat> {
    let s = io::retry_on_intr(|| sys::statat(dir, path, flags))?;
    let time = |secs, nanos| FileTime { secs, nanos };
    Ok(FileStat {
        mode: s.st_mode as u32,
        uid: s.st_uid,
        gid: s.st_gid,
        block_size: s.st_blksize as u32,
        size: s.st_size as u64,
        blocks: s.st_blocks as u64,
        links: s.st_nlink as u64,
        ino: s.st_ino as u64,
        dev: s.st_dev as u64,
        rdev: s.st_rdev as u64,
        accessed: time(s.st_atime as i64, s.st_atime_nsec as u32),
        modified: time(s.st_mtime as i64, s.st_mtime_nsec as u32),
        changed: time(s.st_ctime as i64, s.st_ctime_nsec as u32),
        created: None,
    })
}

fn status(m: &Metadata) -> FileStat {
    let time = |secs, nanos| FileTime { secs, nanos: nanos as u32 };
    let created = m.created().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    FileStat {
        mode: m.mode(),
        uid: m.uid(),
        gid: m.gid(),
        block_size: m.blksize() as u32,
        size: m.size(),
        blocks: m.blocks(),
        links: m.nlink(),
        ino: m.ino(),
        dev: m.dev(),
        rdev: m.rdev(),
        accessed: time(m.atime(), m.atime_nsec()),
        modified: time(m.mtime(), m.mtime_nsec()),
        changed: time(m.ctime(), m.ctime_nsec()),
        created: created.map(|t| FileTime { secs: t.as_secs() as i64, nanos: t.subsec_nanos() }),
    }
}
