//! A file opened, read and asked for its status without blocking, while the kernel has it in memory.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use ouzel_core::op::{FileStat, StatRoom};

use super::calls::STAT_MASK;
use super::stat::file_stat;
use crate::sys;

/// Opens a path for reading if the kernel's caches know it, in non-blocking mode. One system call.
///
/// # Errors
/// `WouldBlock` if they do not, or the kernel cannot tell; the system's otherwise.
pub fn open_cached(path: &CStr) -> io::Result<OwnedFd> {
    open(path, libc::O_RDONLY)
}

/// The status of a path, or with `follow` of what it leads to, from memory. Three system calls, four where the file
/// system has no device of its own.
///
/// # Errors
/// `WouldBlock` if the kernel's caches do not know it, or it is a file system whose truth lies elsewhere; the system's
/// otherwise.
pub fn stat_cached(path: &CStr, follow: bool) -> io::Result<FileStat> {
    let link = if follow { 0 } else { libc::O_NOFOLLOW };
    stat_open_cached(open(path, libc::O_PATH | link)?.as_fd())
}

/// The status of an open file, from memory. One system call, two where the file system has no device of its own.
///
/// # Errors
/// As [`stat_cached`].
pub fn stat_open_cached(fd: BorrowedFd<'_>) -> io::Result<FileStat> {
    let mut room = StatRoom::ZERO;
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let out = (&raw mut room).cast();
    result(sys::retry(|| {
        // SAFETY: the path is empty, and the room as large as the answer.
        sys::answer(unsafe { libc::statx(fd.as_raw_fd(), c"".as_ptr(), flags, STAT_MASK, out) } as isize)
    }))?;
    let stat = file_stat(&room);
    // File systems on a disk have its number; the number of others says nothing.
    let on_disk = libc::major(stat.dev) != 0;
    if on_disk || is_in_memory(fd)? { Ok(stat) } else { Err(io::ErrorKind::WouldBlock.into()) }
}

/// Whether what this file system remembers of a file is all there is to know.
fn is_in_memory(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let kind = rustix::fs::fstatfs(fd)?.f_type;
    Ok([libc::TMPFS_MAGIC, libc::BTRFS_SUPER_MAGIC, libc::OVERLAYFS_SUPER_MAGIC].contains(&kind))
}

fn open(path: &CStr, flags: i32) -> io::Result<OwnedFd> {
    let path = path.as_ptr().cast();
    // SAFETY: a C string is NUL-terminated.
    let fd = result(unsafe { sys::openat_cached_nonblocking(libc::AT_FDCWD, path, flags) })?;
    // SAFETY: the call made it just now.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Reads from byte `offset` what lies in memory.
///
/// # Errors
/// `WouldBlock` if nothing does, `Unsupported` if this kind of file cannot tell; the system's otherwise.
pub fn read_cached(fd: BorrowedFd<'_>, room: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
    let to = sys::segment(room.as_ptr().cast(), room.len());
    // SAFETY: `to` is the whole of `room`, which is ours to write.
    result(sys::retry(|| unsafe { sys::readv_nowait(fd.as_raw_fd(), &raw const to, 1, offset) }))
}

/// Takes `fd`, which was opened just now for reading and no more, out of non-blocking mode, where other ways of reading would
/// take "not in memory" for an error. One system call.
pub fn begin_to_wait(fd: BorrowedFd<'_>) {
    // It has no other flag that could be taken away.
    sys::set_status_flags(fd.as_raw_fd(), 0);
}

fn result(ret: i32) -> io::Result<usize> {
    usize::try_from(ret).map_err(|_| io::Error::from_raw_os_error(-ret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_status_from_memory_is_the_true_one() {
        let dir = std::env::temp_dir();
        let (file, link) =
            ["file", "link"].map(|n| dir.join(format!("ouzel-cached-{}-{n}", std::process::id()))).into();
        std::fs::write(&file, "text").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let c = |path: &std::path::Path| std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
        let (of_file, of_link) =
            (std::fs::metadata(&file).unwrap(), std::fs::symlink_metadata(&link).unwrap());
        for (path, follow, expected) in
            [(&file, true, &of_file), (&link, true, &of_file), (&link, false, &of_link)]
        {
            // A look-up that others disturb is given up at once, so not every try is good.
            let good = (0..100).filter_map(|_| stat_cached(&c(path), follow).ok()).inspect(|got| {
                assert_eq!((got.ino, got.mode, got.size), (expected.ino(), expected.mode(), expected.size()));
            });
            let on_disk = libc::major(expected.dev()) != 0;
            // Who follows a new link notes the time in it, which is not done from memory alone.
            assert!(good.count() > 0 || !on_disk || (follow && path == &link), "never in memory");
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::remove_file(&link).unwrap();
        let kind = |path: &CStr| stat_cached(path, true).unwrap_err().kind();
        assert!([io::ErrorKind::NotFound, io::ErrorKind::WouldBlock].contains(&kind(&c(&file))));
        assert_eq!(kind(c"/proc/self/status"), io::ErrorKind::WouldBlock, "no disk, and not one of ours");
    }
}
