//! A full memory barrier in every running thread of the process, paid by the caller alone.
//!
//! `membarrier(2)` with `PRIVATE_EXPEDITED` (Linux 4.14) interrupts the processors that run this process. With
//! it one side of a Dekker-like protocol needs no fence of its own.

const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

fn membarrier(command: libc::c_int) -> libc::c_long {
    // SAFETY: the call takes two plain numbers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0) }
}

/// The barrier, if the kernel has it and lets us use it. Registers the process; may be called often.
#[must_use]
pub fn heavy_barrier() -> Option<fn()> {
    // Registered and tried: a seccomp filter may allow one and not the other.
    if membarrier(REGISTER_PRIVATE_EXPEDITED) != 0 || membarrier(PRIVATE_EXPEDITED) != 0 {
        return None;
    }
    Some(|| {
        let failed = membarrier(PRIVATE_EXPEDITED) != 0;
        // It worked at the start, and nothing but a new filter can make it fail: then no barrier holds.
        assert!(!failed, "membarrier stopped working while threads rely on it");
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_barrier_can_be_had_and_called() {
        if let Some(barrier) = super::heavy_barrier() {
            barrier();
        }
    }
}
