//! Many operations in one call: all of them are begun, or none is.

use core::ffi::{c_int, c_void};
use core::mem::size_of;

use ouzel::op::raw::{self, Request};

use crate::error::{Error, OUZEL_OK, Result, code};
use crate::files::{fsync, position};
use crate::guard::guard;
use crate::id::{ouzel_op, ouzel_waker};
use crate::options;
use crate::place::{OnLoop, ouzel_runtime};
use crate::sockets::{accept, send};
use crate::submit::{Shape, check, given_if, ouzel_op_opts, submit};

/// `OUZEL_OP_NOP`.
pub const OUZEL_OP_NOP: u32 = 0;
/// `OUZEL_OP_ACCEPT`.
pub const OUZEL_OP_ACCEPT: u32 = 1;
/// `OUZEL_OP_RECV`.
pub const OUZEL_OP_RECV: u32 = 2;
/// `OUZEL_OP_SEND`.
pub const OUZEL_OP_SEND: u32 = 3;
/// `OUZEL_OP_READ`.
pub const OUZEL_OP_READ: u32 = 4;
/// `OUZEL_OP_WRITE`.
pub const OUZEL_OP_WRITE: u32 = 5;
/// `OUZEL_OP_FSYNC`.
pub const OUZEL_OP_FSYNC: u32 = 6;
/// `OUZEL_OP_SHUTDOWN`.
pub const OUZEL_OP_SHUTDOWN: u32 = 7;
/// `OUZEL_OP_CLOSE`.
pub const OUZEL_OP_CLOSE: u32 = 8;

/// `struct ouzel_op_desc`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ouzel_op_desc {
    /// Bytes of this struct.
    pub size: u32,
    /// `OUZEL_OP_*`.
    pub kind: u32,
    /// The descriptor.
    pub fd: c_int,
    /// As of the function for this kind.
    pub flags: u32,
    /// Lent, for those that have one.
    pub buf: *mut c_void,
    /// Its length.
    pub len: u64,
    /// For `READ` and `WRITE`.
    pub offset: i64,
    /// How its completion is delivered.
    pub opts: *const ouzel_op_opts,
}

// SAFETY: `repr(C)`, `size` first; integers and pointers.
unsafe impl options::Sized32 for ouzel_op_desc {
    const LEAST: usize = size_of::<Self>();
}

impl ouzel_op_desc {
    fn request(&self) -> Result<(Shape, Request)> {
        let ouzel_op_desc { fd, flags, offset, .. } = *self;
        let len = usize::try_from(self.len).map_err(|_| Error::INVALID)?;
        let buf = || given_if(self.buf, len);
        Ok(match self.kind {
            OUZEL_OP_NOP => (Shape::One, Request::Nop),
            OUZEL_OP_ACCEPT => (Shape::Opens, accept(fd)),
            OUZEL_OP_RECV => (Shape::One, Request::Recv { fd, buf: buf()?, len, flags: flags as i32 }),
            OUZEL_OP_SEND => (Shape::One, send(fd, buf()?, len, flags)),
            OUZEL_OP_READ => (Shape::One, Request::Read { fd, buf: buf()?, len, offset: position(offset)? }),
            OUZEL_OP_WRITE => {
                (Shape::One, Request::Write { fd, buf: buf()?, len, offset: position(offset)? })
            }
            OUZEL_OP_FSYNC => (Shape::One, fsync(fd, flags)?),
            OUZEL_OP_SHUTDOWN => (Shape::One, Request::Shutdown { fd, how: flags as i32 }),
            OUZEL_OP_CLOSE => (Shape::One, Request::Close { fd }),
            _ => return Err(Error::INVALID),
        })
    }
}

/// # Safety
/// `descs` points to `n` descriptions of the size they say, with options and buffers as in the header; `out` has room for
/// `n`.
unsafe fn batch(
    rt: *mut ouzel_runtime,
    descs: *const ouzel_op_desc,
    n: usize,
    out: *mut ouzel_op,
) -> Result<i32> {
    let at = OnLoop::of(rt)?;
    at.body.check_open()?;
    if n == 0 {
        return Ok(OUZEL_OK);
    }
    if descs.is_null() || out.is_null() {
        return Err(Error::NULL);
    }
    // SAFETY: the caller's: there is one, and it begins with its size.
    let stride = unsafe { descs.cast::<u32>().read_unaligned() } as usize;
    let desc = |i: usize| {
        let place = descs.cast::<u8>().wrapping_add(i * stride).cast::<ouzel_op_desc>();
        // SAFETY: the caller's.
        let desc = unsafe { options::read(place) }?;
        if desc.size as usize == stride { Ok(desc) } else { Err(Error::SIZE) }
    };
    for i in 0..n {
        let desc = desc(i)?;
        desc.request()?;
        // SAFETY: the caller's.
        unsafe { check(desc.opts) }?;
    }
    let _entered = at.enter();
    if !at.body.ops.reserve(n) {
        return Err(Error::NO_MEMORY);
    }
    raw::reserve(n)?;
    // Nothing can be refused from here on.
    for i in 0..n {
        let desc = desc(i)?;
        let (shape, request) = desc.request()?;
        let out = out.wrapping_add(i);
        // SAFETY: the caller's.
        let begun = unsafe { submit(rt, desc.opts, out, shape, &request) };
        if begun == Err(Error::STALE) {
            // With workers: the task to be woken has ended meanwhile, so nobody is.
            // SAFETY: the caller's; it was read before.
            let mut opts = unsafe { options::read(desc.opts) }?;
            (opts.size, opts.waker) = (size_of::<ouzel_op_opts>() as u32, ouzel_waker::default());
            // SAFETY: the caller's.
            unsafe { submit(rt, &raw const opts, out, shape, &request) }?;
        } else {
            begun?;
        }
    }
    Ok(OUZEL_OK)
}

/// Submits many operations, or none. See `ouzel.h`.
///
/// # Safety
/// `descs` and `out` are null or have `n` entries; what the descriptions point at is as in the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_batch_submit(
    rt: *mut ouzel_runtime,
    descs: *const ouzel_op_desc,
    n: usize,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    guard(|| code(unsafe { batch(rt, descs, n, out) }))
}
