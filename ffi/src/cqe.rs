//! Completions, as C sees them.

use ouzel::op::raw::Completion;

use crate::id::ouzel_op;

/// `ouzel_cqe`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ouzel_cqe {
    /// Whose completion this is.
    pub op: ouzel_op,
    /// A count, a descriptor, zero, or `-errno`.
    pub res: i32,
    /// `OUZEL_CQE_*`.
    pub flags: u32,
    /// Which provided buffer.
    pub buf_id: u32,
    /// Bytes in it.
    pub buf_len: u32,
    /// A job's result, or a buffer's address.
    pub extra: u64,
}

/// `OUZEL_CQE_MORE`.
pub const OUZEL_CQE_MORE: u32 = 1;
/// `OUZEL_CQE_BUFFER`.
pub const OUZEL_CQE_BUFFER: u32 = 2;
/// `OUZEL_CQE_CANCELLED`.
pub const OUZEL_CQE_CANCELLED: u32 = 8;
/// `OUZEL_CQE_WAITING`.
pub const OUZEL_CQE_WAITING: u32 = 16;

/// A completion in C's form.
#[inline(always)]
pub(crate) fn told(op: ouzel_op, c: Completion, extra: u64) -> ouzel_cqe {
    let mut cqe = ouzel_cqe { op, res: c.res, flags: 0, buf_id: 0, buf_len: 0, extra };
    if c.flags != 0 {
        cqe.flags = if c.more() { OUZEL_CQE_MORE } else { 0 };
        if let Some(id) = c.buffer() {
            cqe.flags |= OUZEL_CQE_BUFFER;
            cqe.buf_id = id.into();
            cqe.buf_len = u32::try_from(c.res).unwrap_or(0);
        }
    }
    if c.res == -libc::ECANCELED {
        cqe.flags |= OUZEL_CQE_CANCELLED;
    }
    cqe
}
