//! A file's status, in C's form.

use core::mem::{offset_of, size_of};

use ouzel::op::raw::{self, FileStat, StatRoom};

/// `struct ouzel_stat`. The system writes its own form into it, which is turned into ours when the operation is taken.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ouzel_stat {
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Preferred size of a transfer.
    pub block_size: u32,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// Names.
    pub links: u64,
    /// Number within the file system.
    pub ino: u64,
    /// The file system's device.
    pub dev: u64,
    /// The device it is.
    pub rdev: u64,
    /// Last read, in seconds.
    pub atime: i64,
    /// Last write.
    pub mtime: i64,
    /// Last change of its status.
    pub ctime: i64,
    /// Made.
    pub btime: i64,
    /// Nanoseconds on top.
    pub atime_ns: u32,
    /// Nanoseconds on top.
    pub mtime_ns: u32,
    /// Nanoseconds on top.
    pub ctime_ns: u32,
    /// Nanoseconds on top.
    pub btime_ns: u32,
    /// Whether the file system knows when it was made.
    pub has_btime: u32,
    /// Zero.
    pub reserved: [u32; 35],
}

const _: () = {
    assert!(size_of::<ouzel_stat>() == size_of::<StatRoom>() && align_of::<StatRoom>() <= 8);
    assert!(offset_of!(ouzel_stat, size) == 16);
};

/// Turns what the system has written into C's form.
///
/// # Safety
/// It points to what an operation that has succeeded was lent for a status.
pub(crate) unsafe fn convert(at: *mut ouzel_stat) {
    // SAFETY: the host's room, filled by the system; the host may not have aligned it.
    let room = unsafe { at.cast::<StatRoom>().read_unaligned() };
    let s: FileStat = raw::file_stat(&room);
    let made = s.created.unwrap_or_default();
    let told = ouzel_stat {
        mode: s.mode,
        uid: s.uid,
        gid: s.gid,
        block_size: s.block_size,
        size: s.size,
        blocks: s.blocks,
        links: s.links,
        ino: s.ino,
        dev: s.dev,
        rdev: s.rdev,
        atime: s.accessed.secs,
        mtime: s.modified.secs,
        ctime: s.changed.secs,
        btime: made.secs,
        atime_ns: s.accessed.nanos,
        mtime_ns: s.modified.nanos,
        ctime_ns: s.changed.nanos,
        btime_ns: made.nanos,
        has_btime: s.created.is_some().into(),
        reserved: [0; 35],
    };
    // SAFETY: as above.
    unsafe { at.write_unaligned(told) };
}
