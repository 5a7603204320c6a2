//! What a server does to its own process: another user, the background, a file with its number, one CPU to a thread.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::error::because;

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Becomes `name`: root alone can become another.
pub(super) fn become_user(name: &str) -> io::Result<()> {
    let not_found = || io::Error::new(io::ErrorKind::NotFound, "there is no such user");
    let c_name = CString::new(name).map_err(|_| not_found())?;
    // SAFETY: the name ends in zero; no other thread looks users up now.
    let user = unsafe { libc::getpwnam(c_name.as_ptr()) };
    if user.is_null() {
        return Err(not_found());
    }
    // SAFETY: it is not null, and what it points to stays until the next look-up.
    let user = unsafe { &*user };
    let (uid, gid) = (user.pw_uid, user.pw_gid);
    let own = rustix::process::geteuid();
    if !own.is_root() {
        let is_own = own.as_raw() == uid;
        return if is_own { Ok(()) } else { Err(io::Error::other("only root can become another user")) };
    }
    // SAFETY: the name ends in zero.
    check(unsafe { libc::initgroups(c_name.as_ptr(), gid) })?;
    // SAFETY: numbers alone.
    check(unsafe { libc::setgid(gid) })?;
    // SAFETY: as above.
    check(unsafe { libc::setuid(uid) })
}

/// A file for the process's number: made while the process may still write there, filled when the number is known.
pub(super) struct PidFile(File, String);

impl PidFile {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let what = format!("-P {}", path.display());
        let file = File::create(path).map_err(because(&what))?;
        Ok(PidFile(file, what))
    }

    pub(super) fn write(self) -> io::Result<()> {
        let PidFile(mut file, what) = self;
        file.write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(because(what))
    }
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
