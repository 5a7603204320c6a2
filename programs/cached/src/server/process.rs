//! What a server does to its own process: another user, the background, a file with its number, one CPU to a thread.

use std::ffi::CString;
use std::io;

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Becomes `name`, if this is root.
pub(super) fn become_user(name: &str) -> io::Result<()> {
    // SAFETY: it takes nothing and fails never.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(());
    }
    let not_found = || io::Error::new(io::ErrorKind::NotFound, format!("no user is called {name}"));
    let c_name = CString::new(name).map_err(|_| not_found())?;
    // SAFETY: the name ends in zero; no other thread looks users up now.
    let user = unsafe { libc::getpwnam(c_name.as_ptr()) };
    if user.is_null() {
        return Err(not_found());
    }
    // SAFETY: it is not null, and what it points to stays until the next look-up.
    let user = unsafe { &*user };
    let (uid, gid) = (user.pw_uid, user.pw_gid);
    // SAFETY: the name ends in zero.
    check(unsafe { libc::initgroups(c_name.as_ptr(), gid) })?;
    // SAFETY: numbers alone.
    check(unsafe { libc::setgid(gid) })?;
    // SAFETY: as above.
    check(unsafe { libc::setuid(uid) })
}

/// Goes on in the background. To be called while there is one thread.
pub(super) fn go_to_background() -> io::Result<()> {
    // SAFETY: there is one thread. The folder changes to the root, the streams to nothing.
    check(unsafe { libc::daemon(0, 0) })
}

/// Puts the calling thread on the `n`-th of the CPUs it may use.
pub(super) fn pin(n: usize) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let may = sched_getaffinity(None)?;
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| may.is_set(*cpu)).collect();
    let mut one = CpuSet::new();
    one.set(cpus[n % cpus.len().max(1)]);
    Ok(sched_setaffinity(None, &one)?)
}
