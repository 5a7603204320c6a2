//! The system calls behind [`FileCall`].

use ouzel_core::op::{FileCall, StatRoom};

use crate::sys::{self, answer};

/// What a status is asked for: what [`ouzel_core::op::FileStat`] holds.
pub(crate) const STAT_MASK: u32 = libc::STATX_BASIC_STATS | libc::STATX_BTIME;

const _: () = {
    assert!(size_of::<libc::statx>() == size_of::<StatRoom>());
    assert!(align_of::<libc::statx>() <= align_of::<StatRoom>());
};

/// The path and flags the kernel wants: a null path means the descriptor itself.
pub(crate) fn stat_of(path: *const u8, flags: i32) -> (*const libc::c_char, i32) {
    if path.is_null() { (c"".as_ptr(), flags | libc::AT_EMPTY_PATH) } else { (path.cast(), flags) }
}

/// Makes the call on this thread, and answers like a completion. Blocks. What it points at is valid until
/// it returns: the contract of `Request`.
pub(super) fn execute(call: &FileCall) -> i32 {
    sys::retry(|| once(call))
}

fn once(call: &FileCall) -> i32 {
    answer(match *call {
        FileCall::Stat { dir, path, flags, out } => {
            let (path, flags) = stat_of(path, flags);
            // SAFETY: `path` is NUL-terminated, `out` has room for the answer.
            unsafe { libc::statx(dir, path, flags, STAT_MASK, out.cast()) }
        }
        FileCall::Allocate { fd, mode, offset, len } => {
            let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else {
                return -libc::EFBIG;
            };
            // SAFETY: no memory is passed.
            unsafe { libc::fallocate64(fd, mode, offset, len) }
        }
        FileCall::Truncate { fd, len } => {
            let Ok(len) = i64::try_from(len) else { return -libc::EFBIG };
            // SAFETY: no memory is passed.
            unsafe { libc::ftruncate64(fd, len) }
        }
        FileCall::Rename { from_dir, from, to_dir, to, flags } => {
            // SAFETY: both paths are NUL-terminated.
            (unsafe { libc::syscall(libc::SYS_renameat2, from_dir, from, to_dir, to, flags) }) as i32
        }
        // SAFETY: the path is NUL-terminated.
        FileCall::Unlink { dir, path, flags } => unsafe { libc::unlinkat(dir, path.cast(), flags) },
        // SAFETY: the path is NUL-terminated.
        FileCall::MakeDir { dir, path, mode } => unsafe { libc::mkdirat(dir, path.cast(), mode) },
        FileCall::Symlink { target, dir, path } => {
            // SAFETY: both are NUL-terminated.
            unsafe { libc::symlinkat(target.cast(), dir, path.cast()) }
        }
        FileCall::Link { from_dir, from, to_dir, to, flags } => {
            // SAFETY: both paths are NUL-terminated.
            unsafe { libc::linkat(from_dir, from.cast(), to_dir, to.cast(), flags) }
        }
        // Newer than this adapter.
        _ => return -libc::EINVAL,
    } as isize)
}
