//! Signals, turned into a flag and a byte in a pipe: all that a handler may do, and no more.
//!
//! ```text
//!   handler, any thread:  set the signal's flag, write a byte ──pipe──▶  Receiver::wait: read, then take the flags
//! ```
//!
//! The flag comes before the byte, and is taken after it: a signal whose byte finds the pipe full is seen with the
//! bytes that are in it. Signals of one kind that come faster than they are taken become one.
//!
//! A handler that was there before is called as well, last. A default action is not taken any more.
//!
//! The flag and the byte belong to the process that opened the pipe: not to a forked child, for the pipe is the parent's.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};
use std::{mem, ptr};

use ouzel_core::driver::Errno;
use ouzel_core::sync::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Numbers above all signals there are.
const SIGNALS: usize = 128;
/// No pipe yet.
const NONE: u32 = u32::MAX;

/// Signals that came since they were last taken.
static CAME: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// Handlers that were there before, by signal: addresses, 0 for none.
static BEFORE: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(0) }; SIGNALS];
/// Whether those take three arguments.
static TAKES_INFO: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
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

type Plain = extern "C" fn(libc::c_int);
type WithInfo = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let saved = errno::errno();
    let index = usize::try_from(signal).unwrap_or(SIGNALS);
    // ORDERING: Relaxed, here and below: set before the first handler was installed, and never again.
    let pipe = PIPE.load(Ordering::Relaxed);
    if pipe != NONE && PROCESS.load(Ordering::Relaxed) == this_process() {
        if let Some(came) = CAME.get(index) {
            // ORDERING: Relaxed: the pipe's write and read, which are the kernel's, bring it to the receiver.
            came.store(true, Ordering::Relaxed);
        }
        // SAFETY: the process's own descriptor, which is never closed.
        let pipe = unsafe { BorrowedFd::borrow_raw(pipe.cast_signed()) };
        // Full: the receiver has bytes to read all the same.
        let _ = rustix::io::write(pipe, &[0]);
    }
    errno::set_errno(saved);
    call_before(index, signal, info, context);
}

/// Calls the handler that was there before.
fn call_before(index: usize, signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let (Some(before), Some(takes_info)) = (BEFORE.get(index), TAKES_INFO.get(index)) else { return };
    // ORDERING: Relaxed: written before our handler was installed, by whose kernel call it is seen.
    let address = before.load(Ordering::Relaxed);
    if address == 0 {
        return;
    }
    let handler = ptr::with_exposed_provenance::<()>(address);
    // ORDERING: as above.
    if takes_info.load(Ordering::Relaxed) {
        // SAFETY: the kernel gave this address as a handler with three arguments.
        let handler = unsafe { mem::transmute::<*const (), WithInfo>(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: the kernel gave this address as a handler with one argument.
        let handler = unsafe { mem::transmute::<*const (), Plain>(handler) };
        handler(signal);
    }
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

/// Catches `signal` from now on, in the whole process. To be called once for each signal.
///
/// # Errors
/// `EINVAL` for what is no signal, and for those that cannot be caught, or after which a process must not go on; `EPERM` in
/// a forked child.
pub fn catch(signal: i32) -> Result<(), Errno> {
    let index = usize::try_from(signal).ok().filter(|n| (1..SIGNALS).contains(n));
    let Some(index) = index.filter(|_| !FORBIDDEN.contains(&signal)) else { return Err(Errno(libc::EINVAL)) };
    // ORDERING: Relaxed: a number that is compared.
    if PROCESS.load(Ordering::Relaxed) != this_process() {
        return Err(Errno(libc::EPERM));
    }
    let before = sigaction(signal, None)?;
    let ours = handle as WithInfo as *const ();
    let address = before.sa_sigaction;
    if ![libc::SIG_DFL, libc::SIG_IGN, ours.addr()].contains(&address) {
        // ORDERING: Relaxed: the kernel's call below comes after it, and a handler after that.
        TAKES_INFO[index].store(before.sa_flags & libc::SA_SIGINFO != 0, Ordering::Relaxed);
        // ORDERING: as above.
        BEFORE[index].store(address, Ordering::Relaxed);
    }
    // SAFETY: all zeros is a `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = ours.expose_provenance();
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK | libc::SA_SIGINFO;
    sigaction(signal, Some(&action)).map(drop)
}

/// What is done at `signal`, and `new` from now on.
fn sigaction(signal: i32, new: Option<&libc::sigaction>) -> Result<libc::sigaction, Errno> {
    // SAFETY: all zeros is a `sigaction`.
    let mut old: libc::sigaction = unsafe { mem::zeroed() };
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: both are `sigaction`s or null, and the one handler that is ever given calls nothing that a handler may not.
    let failed = unsafe { libc::sigaction(signal, new, &mut old) } != 0;
    if failed { Err(Errno(errno::errno().0)) } else { Ok(old) }
}
