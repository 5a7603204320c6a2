//! File calls that may block.

use std::ffi::CStr;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::slice;

use ouzel_core::op::{AT_POSITION, Request, Segment};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{self, Errno};

use super::calls;
use super::unix::{EBADF, EINVAL, EIO, bytes, close, count, descriptor, room};

/// See [`crate::file::execute`].
///
/// # Safety
/// As there.
pub(crate) unsafe fn execute(req: &Request) -> i32 {
    let at = |offset: u64| (offset != AT_POSITION).then_some(offset);
    match *req {
        Request::Nop => 0,
        Request::Read { fd, .. }
        | Request::Write { fd, .. }
        | Request::ReadV { fd, .. }
        | Request::WriteV { fd, .. }
        | Request::Fsync { fd, .. }
            if fd < 0 =>
        {
            -EBADF
        }
        Request::Read { fd, buf, len, offset } => or_at_position(at(offset), |offset| {
            // SAFETY: the caller lends the descriptor.
            let fd = unsafe { descriptor(fd) };
            // SAFETY: the caller lends `len` bytes at `buf`.
            let room = unsafe { room(buf, len) };
            match offset {
                Some(offset) => io::pread(fd, room, offset).map(|(got, _)| got.len()),
                None => io::read(fd, room).map(|(got, _)| got.len()),
            }
        }),
        Request::Write { fd, buf, len, offset } => or_at_position(at(offset), |offset| {
            // SAFETY: the caller lends the descriptor.
            let fd = unsafe { descriptor(fd) };
            // SAFETY: the caller lends `len` bytes at `buf`.
            let bytes = unsafe { bytes(buf, len) };
            match offset {
                Some(offset) => io::pwrite(fd, bytes, offset),
                None => io::write(fd, bytes),
            }
        }),
        Request::ReadV { fd, segments, count, offset } => {
            // SAFETY: the caller lends the descriptor.
            let fd = unsafe { descriptor(fd) };
            // SAFETY: the caller lends the segments and what they name.
            let to = unsafe { places_mut(segments, count) };
            or_at_position(at(offset), |offset| match offset {
                Some(offset) => io::preadv(fd, to, offset),
                None => io::readv(fd, to),
            })
        }
        Request::WriteV { fd, segments, count, offset } => {
            // SAFETY: the caller lends the descriptor.
            let fd = unsafe { descriptor(fd) };
            // SAFETY: the caller lends the segments and what they name.
            let from = unsafe { places(segments, count) };
            or_at_position(at(offset), |offset| match offset {
                Some(offset) => io::pwritev(fd, from, offset),
                None => io::writev(fd, from),
            })
        }
        // SAFETY: as the caller's.
        Request::File(ref call) => unsafe { calls::execute(call) },
        Request::OpenAt { dir, path, flags, mode } => {
            // SAFETY: the caller vouches for a NUL-terminated string.
            let path = unsafe { CStr::from_ptr(path.cast()) };
            if dir == -1 {
                return -EBADF;
            }
            // SAFETY: the caller lends the descriptor, or it is `AT_FDCWD`; minus one was refused.
            let dir = unsafe { descriptor(dir) };
            let flags = OFlags::from_bits_retain(flags as _) | OFlags::CLOEXEC;
            let mode = Mode::from_bits_retain(mode as _);
            let opened = io::retry_on_intr(|| openat(dir, path, flags, mode));
            opened.map_or_else(|e| -e.raw_os_error(), std::os::fd::IntoRawFd::into_raw_fd)
        }
        Request::Fsync { fd, data_only } => {
            // std's calls: they know what a flush to the device is called on each system.
            // SAFETY: the descriptor is the caller's and stays so: the file is never dropped.
            let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
            let done = if data_only { file.sync_data() } else { file.sync_all() };
            done.map_or_else(|e| -e.raw_os_error().unwrap_or(EIO), |()| 0)
        }
        // SAFETY: the caller gives the descriptor up.
        Request::Close { fd } => unsafe { close(fd) },
        _ => -EINVAL,
    }
}

/// A pipe has no offsets: the one given is ignored.
fn or_at_position(offset: Option<u64>, mut call: impl FnMut(Option<u64>) -> io::Result<usize>) -> i32 {
    let mut done = io::retry_on_intr(|| call(offset));
    if offset.is_some() && matches!(done, Err(Errno::SPIPE)) {
        done = io::retry_on_intr(|| call(None));
    }
    count(done)
}

/// # Safety
/// `segments` are `count` places, writable by nobody else as long as the result is used.
unsafe fn places_mut<'a>(segments: *const Segment, count: u32) -> &'a mut [IoSliceMut<'a>] {
    // SAFETY: std lays an `IoSliceMut` out as an `iovec`, and so is a segment. Whether the bytes are
    // initialised does not matter to a call that only writes there.
    unsafe { slice::from_raw_parts_mut(segments.cast_mut().cast(), count as usize) }
}

/// # Safety
/// `segments` are `count` places, readable as long as the result is used.
unsafe fn places<'a>(segments: *const Segment, count: u32) -> &'a [IoSlice<'a>] {
    // SAFETY: std lays an `IoSlice` out as an `iovec`, and so is a segment.
    unsafe { slice::from_raw_parts(segments.cast(), count as usize) }
}
