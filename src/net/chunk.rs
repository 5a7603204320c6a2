//! Bytes that were received into a buffer of a driver's.

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use crate::buf::IoBuf;
use crate::op::lending::end_loan;
use crate::provided::Provided;

/// Bytes received by a [`RecvStream`](super::RecvStream); dropping it gives the buffer back to its driver.
///
/// May be kept, sent to other threads, and dropped anywhere at any time, also after its stream and its runtime. While
/// many are kept, the driver has fewer buffers, and streams go on with memory of their own. It can be sent as it is:
/// it is an [`IoBuf`].
pub struct Chunk(Kept);

enum Kept {
    Lent(Loan),
    Own(Vec<u8>),
}

struct Loan {
    at: NonNull<u8>,
    len: u32,
    id: u16,
    home: Arc<Provided>,
}

// SAFETY: the bytes are the loan's alone until it is dropped, wherever that is.
unsafe impl Send for Loan {}
// SAFETY: shared, they are only read.
unsafe impl Sync for Loan {}

impl Chunk {
    /// Buffer `id` of `home`, whose first `len` bytes were received.
    ///
    /// # Safety
    /// The driver has just handed the buffer out, with so many bytes in it, and nobody else takes it from there.
    pub(super) unsafe fn lent(home: Arc<Provided>, id: u16, len: u32) -> Self {
        let at = NonNull::new(home.at(id)).expect("memory is not at zero");
        Chunk(Kept::Lent(Loan { at, len, id, home }))
    }

    pub(super) fn own(bytes: Vec<u8>) -> Self {
        Chunk(Kept::Own(bytes))
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        end_loan(&self.home, self.id);
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            // SAFETY: the driver wrote `len` bytes there, the memory lives as long as `home`, and the buffer is ours.
            Kept::Lent(loan) => unsafe { slice::from_raw_parts(loan.at.as_ptr(), loan.len as usize) },
            Kept::Own(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

// SAFETY: the bytes are a driver's or on the heap, and do not move with the chunk.
unsafe impl IoBuf for Chunk {
    fn as_ptr(&self) -> *const u8 {
        (**self).as_ptr()
    }
    fn len(&self) -> usize {
        (**self).len()
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("len", &(**self).len()).finish_non_exhaustive()
    }
}
