//! Notices that this process is a forked child, in which its parent's rings must not be touched.
//!
//! A page the kernel empties in a child (`MADV_WIPEONFORK`) holds the process's generation. A driver
//! remembers the generation it was made in; in a child the page reads zero, and a child that makes
//! drivers of its own draws the next number. The check is one load.

use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ouzel_core::driver::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// What a driver answers in a forked child of the process it was made in.
pub const FORKED: Errno = Errno(libc::EOWNERDEAD);

/// Generation of the nearest ancestor that drew one. A plain static: a child inherits it.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The wiped word, once there is one. Before, and for good if the kernel cannot wipe (before 4.14), a word that
/// never changes: then no fork is ever noticed.
static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new((&raw const NEVER).cast_mut());
static NEVER: AtomicU64 = AtomicU64::new(0);

/// The process that made something: compare with [`Generation::is_foreign`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

impl Generation {
    /// As a number, to be kept in an atomic.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The generation of [`Generation::number`].
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Generation(number)
    }

    /// This process's. Draws a new one in a child that has none yet.
    #[must_use]
    pub fn current() -> Generation {
        // ORDERING: Relaxed: a number that is seen is the right one, and for one that is not the lock is taken. (Always would not
        // do: a child finds it as another thread of its parent held it.)
        let seen = word().load(Ordering::Relaxed);
        if seen == 0 { drawn() } else { Generation(seen) }
    }

    /// Whether the present process is not the one this was drawn in, but a child of it.
    #[inline]
    #[must_use]
    pub fn is_foreign(self) -> bool {
        // ORDERING: Relaxed, see `current`.
        word().load(Ordering::Relaxed) != self.0
    }
}

/// The process that made something, with its word beside it: the check is two loads, none of them of a static.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    word: &'static AtomicU64,
    made: Generation,
}

impl Origin {
    /// This process. Draws a generation as [`Generation::current`] does.
    #[must_use]
    pub fn here() -> Origin {
        let made = Generation::current();
        Origin { word: word(), made }
    }

    /// Its generation.
    #[must_use]
    pub fn made(&self) -> Generation {
        self.made
    }

    /// Whether the present process is a forked child of it.
    #[inline(always)]
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        // ORDERING: Relaxed, see `Generation::current`.
        self.word.load(Ordering::Relaxed) != self.made.0
    }
}

#[inline]
fn word() -> &'static AtomicU64 {
    // ORDERING: Relaxed: the page is the kernel's making, and nothing but its atomic word is looked at.
    let word = WORD.load(Ordering::Relaxed);
    // SAFETY: `NEVER`, or the word of a page that is never unmapped.
    unsafe { &*word }
}

/// This process's generation, unless it has been drawn; maps the word at the first call.
fn drawn() -> Generation {
    /// Whether the word was tried to be mapped.
    static TRIED: Mutex<bool> = Mutex::new(false);
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    // ORDERING: Relaxed throughout, under the lock; who reads without it may see less and comes here.
    let next = || LAST.fetch_add(1, Ordering::Relaxed) + 1;
    if !mem::replace(&mut *tried, true)
        && let Some(mapped) = wiped_word()
    {
        let number = next();
        // Written before it is ever read: a page that is read first is mapped twice.
        // SAFETY: it was mapped just now, for ever.
        unsafe { &*mapped }.store(number, Ordering::Relaxed);
        // ORDERING: Relaxed, as above.
        WORD.store(mapped, Ordering::Relaxed);
        return Generation(number);
    }
    let word = word();
    if ptr::eq(word, &NEVER) {
        return Generation(0);
    }
    // ORDERING: Relaxed, as above.
    let seen = word.load(Ordering::Relaxed);
    let number = if seen == 0 { next() } else { seen };
    // ORDERING: Relaxed, as above.
    word.store(number, Ordering::Relaxed);
    Generation(number)
}

fn wiped_word() -> Option<*mut AtomicU64> {
    let bytes = rustix::param::page_size();
    let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
    // SAFETY: a fresh mapping at an address of the kernel's choice touches nothing of ours.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), bytes, prot, flags) }.ok()?;
    // SAFETY: the page was mapped just now and holds nothing yet; it is zeroed and aligned.
    unsafe { madvise(page, bytes, Advice::LinuxWipeOnFork) }.ok()?;
    Some(page.cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_foreign_to_its_parent_and_not_to_itself() {
        let mine = Generation::current();
        let origin = Origin::here();
        assert!(!origin.is_foreign());
        assert!(!mine.is_foreign());
        assert_eq!(mine, Generation::current());
        // SAFETY: the child only loads, stores and exits.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let foreign = mine.is_foreign();
            let own = Generation::current();
            let good = foreign && own != mine && !own.is_foreign() && mine.is_foreign();
            let good = good && origin.is_foreign() && !Origin::here().is_foreign();
            // SAFETY: ends the child without running the parent's destructors.
            unsafe { libc::_exit(i32::from(!good)) };
        }
        let mut status = 0;
        // SAFETY: `status` is writable and outlives the call.
        let got = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!((got, status), (pid, 0));
    }
}
