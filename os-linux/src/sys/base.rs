//! What all calls answer, and how.

/// The longest transfer the kernel makes in one call.
pub(crate) const MAX_BYTES: usize = 0x7fff_f000;

/// This thread's errno, negated.
#[cold]
pub(crate) fn last_errno() -> i32 {
    -std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

pub(crate) fn answer(ret: isize) -> i32 {
    if ret < 0 { last_errno() } else { ret as i32 }
}

/// Calls again while a signal interrupts.
pub(crate) fn retry(mut call: impl FnMut() -> i32) -> i32 {
    loop {
        match call() {
            ret if ret == -libc::EINTR => {}
            ret => return ret,
        }
    }
}
