//! A channel's elements: bytes of one size, in a ring.

use core::fmt;
use core::ptr;

use ouzel::sync::raw::Gate;

use crate::error::{Error, Result};

/// A channel of the host's.
pub(crate) type Channel = Gate<Ring>;

/// Elements of one size, oldest first. How many there are the gate counts.
pub(crate) struct Ring {
    bytes: Box<[u8]>,
    size: usize,
    first: usize,
    end: usize,
}

impl Ring {
    pub(crate) fn new(capacity: u32, size: u32) -> Result<Self> {
        if capacity == 0 || size == 0 {
            return Err(Error::INVALID);
        }
        let (size, len) = (size as usize, (size as usize).checked_mul(capacity as usize));
        let len = len.filter(|len| isize::try_from(*len).is_ok()).ok_or(Error::NO_MEMORY)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Error::NO_MEMORY)?;
        bytes.resize(len, 0);
        Ok(Ring { bytes: bytes.into_boxed_slice(), size, first: 0, end: 0 })
    }

    /// Copies an element in. There is room.
    ///
    /// # Safety
    /// `from` is good for a read of an element's size.
    pub(crate) unsafe fn push(&mut self, from: *const u8) {
        let to = &raw mut self.bytes[self.end..self.end + self.size];
        // SAFETY: so many bytes are there to be read, and the ring is nobody else's.
        unsafe { ptr::copy_nonoverlapping(from, to.cast(), self.size) };
        self.end = self.after(self.end);
    }

    /// Copies the oldest out. There is one.
    ///
    /// # Safety
    /// `to` is good for a write of an element's size.
    pub(crate) unsafe fn pop(&mut self, to: *mut u8) {
        let from = &raw const self.bytes[self.first..self.first + self.size];
        // SAFETY: so many bytes may be written, and the ring is nobody else's.
        unsafe { ptr::copy_nonoverlapping(from.cast(), to, self.size) };
        self.first = self.after(self.first);
    }

    fn after(&self, at: usize) -> usize {
        if at + self.size == self.bytes.len() { 0 } else { at + self.size }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("capacity", &(self.bytes.len() / self.size)).finish_non_exhaustive()
    }
}
