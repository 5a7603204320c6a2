//! Signals, turned into a flag and a byte in a pipe: all that a handler may do, and no more.
//!
//! ```text
//!   handler, any thread:  set the signal's flag, write a byte ──pipe──▶  Receiver::wait: read, then take the flags
//! ```
//!
//! The flag comes before the byte, and is taken after it: a signal whose byte finds the pipe full is seen with the
//! bytes that are in it. Signals of one kind that come faster than they are taken become one.
//!
//! The handler belongs to the process that opened the pipe. In a forked child it does nothing: the pipe is the parent's.

use std::io::{self, PipeReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};
use std::ptr;

use ouzel_core::driver::Errno;
use ouzel_core::sync::{AtomicBool, AtomicU32, Ordering};

/// Numbers above all signals there are.
const SIGNALS: usize = 128;
/// No pipe yet.
const NONE: u32 = u32::MAX;

/// Signals that came since they were last taken.
static CAME: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// The writing end. Stays open as long as the process.
static PIPE: AtomicU32 = AtomicU32::new(NONE);
/// The process that opened it.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// What happens to the process if these are caught is undefined, or they cannot be.
const FORBIDDEN: &[i32] =
    &[libc::SIGKILL, libc::SIGSTOP, libc::SIGILL, libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS];

fn this_process() -> u32 {
    rustix::process::getpid().as_raw_pid().cast_unsigned()
}

extern "C" fn handle(signal: libc::c_int) {
    let saved = errno::errno();
    // ORDERING: Relaxed, here and below: set before the first handler was installed, and never again.
    let pipe = PIPE.load(Ordering::Relaxed);
    if pipe != NONE && PROCESS.load(Ordering::Relaxed) == this_process() {
        if let Some(came) = usize::try_from(signal).ok().and_then(|n| CAME.get(n)) {
            // ORDERING: Relaxed: the pipe's write and read, which are the kernel's, bring it to the receiver.
            came.store(true, Ordering::Relaxed);
        }
        // SAFETY: the process's own descriptor, which is never closed.
        let pipe = unsafe { BorrowedFd::borrow_raw(pipe.cast_signed()) };
        // Full: the receiver has bytes to read all the same.
        let _ = rustix::io::write(pipe, &[0]);
    }
    errno::set_errno(saved);
}

/// The end that is read. One in a process.
#[derive(Debug)]
pub struct Receiver(PipeReader);

/// Opens this process's pipe. To be called once, before [`catch`].
///
/// # Errors
/// The system's, if it has no descriptors left.
pub fn open() -> io::Result<Receiver> {
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(writer.as_fd(), true)?;
    // ORDERING: Relaxed: what installs a handler comes after it.
    PROCESS.store(this_process(), Ordering::Relaxed);
    // ORDERING: as above.
    PIPE.store(writer.into_raw_fd().cast_unsigned(), Ordering::Relaxed);
    Ok(Receiver(reader))
}

impl Receiver {
    /// Blocks until signals have come, and calls `sink` with the number of each.
    ///
    /// # Errors
    /// None that a pipe would give.
    pub fn wait(&mut self, mut sink: impl FnMut(i32)) -> io::Result<()> {
        let mut bytes = [0; 64];
        while let Err(e) = self.0.read(&mut bytes) {
            if e.kind() != io::ErrorKind::Interrupted {
                return Err(e);
            }
        }
        for (signal, came) in CAME.iter().enumerate() {
            // ORDERING: Relaxed; see `handle`.
            if came.load(Ordering::Relaxed) && came.swap(false, Ordering::Relaxed) {
                sink(signal as i32);
            }
        }
        Ok(())
    }
}

/// Catches `signal` from now on, in the whole process, in place of whatever was done with it before.
///
/// # Errors
/// `EINVAL` for what is no signal, and for those that cannot be caught, or after which a process must not go on; `EPERM` in
/// a forked child.
pub fn catch(signal: i32) -> Result<(), Errno> {
    let is_known = usize::try_from(signal).is_ok_and(|n| (1..SIGNALS).contains(&n));
    if !is_known || FORBIDDEN.contains(&signal) {
        return Err(Errno(libc::EINVAL));
    }
    // ORDERING: Relaxed: a number that is compared.
    if PROCESS.load(Ordering::Relaxed) != this_process() {
        return Err(Errno(libc::EPERM));
    }
    // SAFETY: all zeros is a `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handle as extern "C" fn(libc::c_int) as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the handler calls nothing that a handler may not.
    let failed = unsafe { libc::sigaction(signal, &action, ptr::null_mut()) } != 0;
    if failed { Err(Errno(errno::errno().0)) } else { Ok(()) }
}
