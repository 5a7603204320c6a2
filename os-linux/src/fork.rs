//! Notices that this process is a forked child, in which its parent's rings must not be touched.
//!
//! A page the kernel empties in a child (`MADV_WIPEONFORK`) holds the process's generation. A driver
//! remembers the generation it was made in; in a child the page reads zero, and a child that makes
//! drivers of its own draws the next number. The check is one load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ouzel_core::driver::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// What a driver answers in a forked child of the process it was made in.
pub const FORKED: Errno = Errno(libc::EOWNERDEAD);

/// Generation of the nearest ancestor that drew one. A plain static: a child inherits it.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The wiped word, or none if the kernel cannot wipe (before 4.14): then no fork is ever noticed.
static WORD: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();

/// The process that made something: compare with [`Generation::is_foreign`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

impl Generation {
    /// This process's. Draws a new one in a child that has none yet.
    #[must_use]
    pub fn current() -> Generation {
        let Some(word) = word() else { return Generation(0) };
        // ORDERING: Relaxed throughout: a fork is a point in one thread's program order, and the
        // child has no other thread when it happens.
        let seen = word.load(Ordering::Relaxed);
        if seen != 0 {
            return Generation(seen);
        }
        let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        match word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Generation(next),
            Err(other) => Generation(other),
        }
    }

    /// Whether the present process is not the one this was drawn in, but a child of it.
    #[inline]
    #[must_use]
    pub fn is_foreign(self) -> bool {
        match WORD.get() {
            // ORDERING: Relaxed, see `current`.
            Some(Some(word)) => word.load(Ordering::Relaxed) != self.0,
            _ => false,
        }
    }
}

/// Whether something made at `made` is used in a forked child.
#[inline]
#[must_use]
pub fn in_forked_child(made: Generation) -> bool {
    made.is_foreign()
}

fn word() -> Option<&'static AtomicU64> {
    *WORD.get_or_init(|| {
        let bytes = rustix::param::page_size();
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
        let page = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, prot, flags) }.ok()?;
        // SAFETY: the page was mapped just now and holds nothing yet.
        unsafe { madvise(page, bytes, Advice::LinuxWipeOnFork) }.ok()?;
        // SAFETY: the page is zeroed, aligned, and never unmapped.
        Some(unsafe { AtomicU64::from_ptr(page.cast()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_foreign_to_its_parent_and_not_to_itself() {
        let mine = Generation::current();
        assert!(!in_forked_child(mine));
        assert_eq!(mine, Generation::current());
        // SAFETY: the child only loads, stores and exits.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let foreign = in_forked_child(mine);
            let own = Generation::current();
            let good = foreign && own != mine && !in_forked_child(own) && in_forked_child(mine);
            // SAFETY: ends the child without running the parent's destructors.
            unsafe { libc::_exit(i32::from(!good)) };
        }
        let mut status = 0;
        // SAFETY: `status` is writable and outlives the call.
        let got = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!((got, status), (pid, 0));
    }
}
