//! Notices that this process is a forked child, in which its parent's rings must not be touched.
//!
//! A page the kernel empties in a child (`MADV_WIPEONFORK`) holds the process's generation. A driver
//! remembers the generation it was made in; in a child the page reads zero, and a child that makes
//! drivers of its own draws the next number. The check is one load.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use ouzel_core::driver::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// What a driver answers in a forked child of the process it was made in.
pub const FORKED: Errno = Errno(libc::EOWNERDEAD);

/// Generation of the nearest ancestor that drew one. A plain static: a child inherits it.
static LAST: AtomicU64 = AtomicU64::new(0);

/// [`UNTRIED`], then the wiped word for good; or [`NEVER`] for good, if the kernel cannot wipe (before 4.14). Without a lock: a
/// child would find it as another thread of its parent held it.
static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new((&raw const UNTRIED).cast_mut());
/// Zero, as the wiped word is: nothing has been drawn.
static UNTRIED: AtomicU64 = AtomicU64::new(0);
/// A word that never changes: no fork is ever noticed.
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
        // ORDERING: Relaxed: a number that is seen is the right one, and one that is not is drawn by an exchange, which sees the last.
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
    // SAFETY: a static, or the word of a page that is never unmapped.
    unsafe { &*word }
}

/// Draws this process's generation, unless that has been done; maps the word at the first call.
fn drawn() -> Generation {
    if ptr::eq(word(), &UNTRIED) {
        try_to_map();
    }
    let word = word();
    if ptr::eq(word, &NEVER) {
        return Generation(0);
    }
    // ORDERING: Relaxed, for the number is all there is: of two that draw at a time one is first, and the other's is not used. (A
    // write, and the first access: a page that is read first is mapped twice.)
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    // ORDERING: Relaxed, as above.
    let drawn = word.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
    Generation(drawn.err().unwrap_or(number))
}

/// Settles what the word is.
#[cold]
fn try_to_map() {
    let mapped = wiped_word();
    let (untried, found) = ((&raw const UNTRIED).cast_mut(), mapped.unwrap_or((&raw const NEVER).cast_mut()));
    // ORDERING: Relaxed: the page is the kernel's making, and nothing but its atomic word is looked at.
    let settled = WORD.compare_exchange(untried, found, Ordering::Relaxed, Ordering::Relaxed);
    if let (Err(_), Some(page)) = (settled, mapped) {
        // SAFETY: mapped by this call, and nobody else knows it.
        let _ = unsafe { munmap(page.cast(), rustix::param::page_size()) };
    }
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
    use std::thread;

    #[test]
    fn all_threads_draw_the_same() {
        let drawn = [(); 8].map(|()| thread::spawn(Generation::current)).map(|t| t.join().unwrap());
        assert!(drawn.iter().all(|&d| d == drawn[0] && d.number() != 0 && !d.is_foreign()));
    }

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
