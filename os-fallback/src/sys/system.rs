//! File calls that only some systems have: the one place of this crate that asks which system this is.
//!
//! | call | where |
//! |---|---|
//! | set blocks aside | Linux as `fallocate`; FreeBSD, illumos and others without a mode, as `posix_fallocate` |
//! | rename with flags | Linux, macOS, each with `RENAME_*` of its own |
//! | when a file at an open directory was made | Linux, macOS, FreeBSD, NetBSD |
//!
//! macOS sets blocks aside by a call that has to cut the file to its new length, which may be less than the old one; NetBSD, OpenBSD
//! and DragonFly have none. Zeros written instead could overwrite what others write meanwhile.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use ouzel_core::op::FileTime;
use rustix::fs::{AtFlags, Stat};
use rustix::io;

/// What this system refuses, for the driver's description.
pub(crate) const REFUSES: &str = if cfg!(any(target_os = "linux", target_os = "android")) {
    ""
} else if cfg!(target_vendor = "apple") {
    ", but no blocks set aside: this system has no such call"
} else if cfg!(any(target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly")) {
    ", but no blocks set aside and no flags of a rename: this system has no such calls"
} else {
    ", but no flags of a rename: this system has no such call"
};

#[cfg(not(any(
    target_vendor = "apple",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
)))]
pub(super) fn allocate(fd: BorrowedFd<'_>, mode: i32, offset: u64, len: u64) -> io::Result<()> {
    if mode != 0 && cfg!(not(any(target_os = "linux", target_os = "android"))) {
        return Err(io::Errno::OPNOTSUPP);
    }
    rustix::fs::fallocate(fd, rustix::fs::FallocateFlags::from_bits_retain(mode as _), offset, len)
}

#[cfg(any(target_vendor = "apple", target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly"))]
pub(super) fn allocate(_: BorrowedFd<'_>, _: i32, _: u64, _: u64) -> io::Result<()> {
    Err(io::Errno::OPNOTSUPP)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(super) fn rename_with(
    (from_dir, from): (BorrowedFd<'_>, &CStr),
    (to_dir, to): (BorrowedFd<'_>, &CStr),
    flags: u32,
) -> io::Result<()> {
    let flags = rustix::fs::RenameFlags::from_bits_retain(flags);
    rustix::fs::renameat_with(from_dir, from, to_dir, to, flags)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) fn rename_with(_: (BorrowedFd<'_>, &CStr), _: (BorrowedFd<'_>, &CStr), _: u32) -> io::Result<()> {
    Err(io::Errno::OPNOTSUPP)
}

/// When a file was made that `stat` was told of.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn created(dir: BorrowedFd<'_>, path: &CStr, flags: AtFlags, _: &Stat) -> Option<FileTime> {
    let mask = rustix::fs::StatxFlags::BTIME;
    let told = rustix::fs::statx(dir, path, flags, mask).ok().filter(|x| x.stx_mask & mask.bits() != 0)?;
    Some(FileTime { secs: told.stx_btime.tv_sec, nanos: told.stx_btime.tv_nsec })
}

#[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd"))]
pub(super) fn created(_: BorrowedFd<'_>, _: &CStr, _: AtFlags, stat: &Stat) -> Option<FileTime> {
    Some(FileTime { secs: stat.st_birthtime, nanos: stat.st_birthtime_nsec as u32 })
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd"
)))]
pub(super) fn created(_: BorrowedFd<'_>, _: &CStr, _: AtFlags, _: &Stat) -> Option<FileTime> {
    None
}
