//! Descriptors of processes.

use std::os::fd::OwnedFd;

use ouzel_core::driver::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A descriptor, close-on-exec, that is readable when the child `id` has ended. The caller has not taken note of its end yet, so that
/// the number is still the child's.
///
/// # Errors
/// The system's: `ENOSYS` before Linux 5.3, `EPERM` where a filter forbids it, `EMFILE`.
pub fn exit_descriptor(id: u32) -> Result<OwnedFd, Errno> {
    let pid = Pid::from_raw(id.cast_signed()).ok_or(Errno(libc::EINVAL))?;
    pidfd_open(pid, PidfdFlags::empty()).map_err(|e| Errno(e.raw_os_error()))
}
