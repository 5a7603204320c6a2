//! Calls on sockets that need no operation.

use ouzel_core::driver::Errno;
use ouzel_core::op::{Fd, Flavour};

use super::ReactorCell;
use crate::platform::Keeper;

impl ReactorCell {
    /// Whether a call on a socket is to be tried now, by the caller, before it is made an operation; if so it is counted.
    pub(crate) fn tries_sockets(&self) -> bool {
        let tries = self.tries_sockets && !self.origin.is_another_process();
        self.tries.set(self.tries.get() + u64::from(tries));
        tries
    }

    /// The call would have had to wait: for room if it is `writing`, else for something to read.
    pub(crate) fn tried_in_vain(&self, fd: Fd, writing: bool) {
        if let Ok(mut driver) = self.driver.try_borrow_mut() {
            driver.tried_in_vain(fd, writing);
        }
    }

    /// Sends a copy of `bytes` soon, without an operation. False: it is not taken, an operation is the way. What `keep`
    /// makes keeps the descriptor open meanwhile.
    #[inline]
    pub(crate) fn try_send(
        &self,
        fd: Fd,
        bytes: &[u8],
        keep: impl FnOnce() -> Option<Keeper>,
    ) -> Result<bool, Errno> {
        // Where tasks move, what one sends next may go by another driver.
        if self.slab.flavour() != Flavour::Local {
            return Ok(false);
        }
        match self.driver.try_borrow_mut() {
            Ok(mut driver) => driver.try_send(fd, bytes, keep),
            Err(_) => Ok(false),
        }
    }

    /// Sends what was taken so far: there may be no further look at the driver.
    pub(super) fn send_taken(&self) {
        self.driver.borrow_mut().send_taken();
    }
}
