//! Which operations this kernel knows.

use std::sync::OnceLock;

use io_uring::{IoUring, Probe};

/// Operations that the kernel knows, a bit each.
#[derive(Clone, Copy)]
pub(super) struct Opcodes(u128);

impl Opcodes {
    /// What the kernel says, which does not depend on the ring: asked until it has answered once. Kernels before 5.6 cannot be
    /// asked; nothing they have is optional here.
    pub(super) fn of_kernel(ring: &IoUring) -> Opcodes {
        static ANSWER: OnceLock<Opcodes> = OnceLock::new();
        if let Some(known) = ANSWER.get() {
            return *known;
        }
        // Two kilobytes, which would be the deepest that a thread that makes a runtime has been.
        let mut probe = Box::new(Probe::new());
        if ring.submitter().register_probe(&mut probe).is_err() {
            return Opcodes(0);
        }
        let known = (0..u128::BITS as u8).filter(|code| probe.is_supported(*code));
        *ANSWER.get_or_init(|| Opcodes(known.fold(0, |all, code| all | 1 << code)))
    }

    pub(super) fn has(self, code: u8) -> bool {
        1_u128.checked_shl(code.into()).is_some_and(|bit| self.0 & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_bit_and_there_is_none_beyond() {
        let some = Opcodes(1 << 3 | 1 << 127);
        let known: Vec<u8> = (0..=u8::MAX).filter(|code| some.has(*code)).collect();
        assert_eq!(known, [3, 127]);
    }
}
