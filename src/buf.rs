//! Buffers that an operation can own: stable in memory while they are moved.
//!
//! A completion driver hands the kernel a pointer and learns later that it is done with it. So the
//! buffer goes into the operation and comes back with the result. What may be handed over is any
//! type whose *bytes* stay where they are when the value moves: heap buffers, statics, slices of them.

use core::ops::{Bound, RangeBounds};

/// A buffer the kernel may read from.
///
/// # Safety
/// While the value is not mutated, [`IoBuf::as_ptr`] returns the same address even after the value
/// itself was moved, and the first [`IoBuf::len`] bytes there are initialised.
pub unsafe trait IoBuf: 'static {
    /// Address of the first byte.
    fn as_ptr(&self) -> *const u8;
    /// Initialised bytes.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes `range` of this buffer, as a buffer; [`Slice::into_inner`] gives the whole back.
    ///
    /// # Panics
    /// If the range does not lie within the capacity.
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        let begin = match range.start_bound() {
            Bound::Included(&n) => n,
            Bound::Excluded(&n) => n + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&n) => n + 1,
            Bound::Excluded(&n) => n,
            Bound::Unbounded => self.len(),
        };
        assert!(begin <= end && end <= self.len(), "slice {begin}..{end} of a buffer of {}", self.len());
        Slice { buf: self, begin, end }
    }
}

/// A buffer the kernel may write to.
///
/// # Safety
/// As [`IoBuf`]; and [`IoBufMut::capacity`] bytes from [`IoBufMut::as_mut_ptr`] are writable.
pub unsafe trait IoBufMut: IoBuf {
    /// Address of the first byte that may be written.
    fn as_mut_ptr(&mut self) -> *mut u8;
    /// Bytes that may be written.
    fn capacity(&self) -> usize;
    /// Tells the buffer that its first `n` bytes now hold data.
    ///
    /// # Safety
    /// They are initialised, and `n` is at most [`IoBufMut::capacity`].
    unsafe fn set_filled(&mut self, n: usize);
}

// SAFETY: a vector's bytes are on the heap and do not move with the vector.
unsafe impl IoBuf for Vec<u8> {
    fn as_ptr(&self) -> *const u8 {
        self.as_slice().as_ptr()
    }
    fn len(&self) -> usize {
        Vec::len(self)
    }
}

// SAFETY: as above; the whole capacity is writable.
unsafe impl IoBufMut for Vec<u8> {
    fn as_mut_ptr(&mut self) -> *mut u8 {
        Vec::as_mut_ptr(self)
    }
    fn capacity(&self) -> usize {
        Vec::capacity(self)
    }
    unsafe fn set_filled(&mut self, n: usize) {
        // SAFETY: the caller vouches that `n` bytes are initialised and within the capacity.
        unsafe { self.set_len(n) }
    }
}

// SAFETY: a boxed slice's bytes are on the heap and do not move with the box.
unsafe impl IoBuf for Box<[u8]> {
    fn as_ptr(&self) -> *const u8 {
        self.as_ref().as_ptr()
    }
    fn len(&self) -> usize {
        self.as_ref().len()
    }
}

// SAFETY: as above; all bytes are initialised, so filling changes nothing.
unsafe impl IoBufMut for Box<[u8]> {
    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut().as_mut_ptr()
    }
    fn capacity(&self) -> usize {
        self.as_ref().len()
    }
    unsafe fn set_filled(&mut self, _: usize) {}
}

// SAFETY: static bytes never move.
unsafe impl IoBuf for &'static [u8] {
    fn as_ptr(&self) -> *const u8 {
        (**self).as_ptr()
    }
    fn len(&self) -> usize {
        (**self).len()
    }
}

// SAFETY: static bytes never move.
unsafe impl IoBuf for &'static str {
    fn as_ptr(&self) -> *const u8 {
        (**self).as_ptr()
    }
    fn len(&self) -> usize {
        (**self).len()
    }
}

// SAFETY: a string's bytes are on the heap and do not move with the string.
unsafe impl IoBuf for String {
    fn as_ptr(&self) -> *const u8 {
        self.as_bytes().as_ptr()
    }
    fn len(&self) -> usize {
        String::len(self)
    }
}

/// Part of a buffer, as a buffer. Made by [`IoBuf::slice`].
#[derive(Debug)]
pub struct Slice<B> {
    buf: B,
    begin: usize,
    end: usize,
}

impl<B> Slice<B> {
    /// The whole buffer again.
    pub fn into_inner(self) -> B {
        self.buf
    }
    /// The whole buffer.
    pub fn get_ref(&self) -> &B {
        &self.buf
    }
}

// SAFETY: the inner buffer keeps its address and `begin..end` lies within its initialised bytes.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    fn as_ptr(&self) -> *const u8 {
        self.buf.as_ptr().wrapping_add(self.begin)
    }
    fn len(&self) -> usize {
        self.end - self.begin
    }
}

// SAFETY: as above; the range was checked against the initialised length, which is writable too.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn as_mut_ptr(&mut self) -> *mut u8 {
        self.buf.as_mut_ptr().wrapping_add(self.begin)
    }
    fn capacity(&self) -> usize {
        self.end - self.begin
    }
    unsafe fn set_filled(&mut self, n: usize) {
        debug_assert!(n <= self.end - self.begin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_gives_the_whole_buffer_back() {
        let s = vec![1u8, 2, 3, 4].slice(1..3);
        assert_eq!(s.len(), 2);
        // SAFETY: the slice is two initialised bytes long.
        assert_eq!(unsafe { *s.as_ptr() }, 2);
        assert_eq!(s.into_inner(), [1, 2, 3, 4]);
    }

    #[test]
    #[should_panic(expected = "slice 2..9")]
    fn a_slice_beyond_the_end_panics() {
        let _ = vec![0u8; 4].slice(2..9);
    }
}
