//! A file's status out of the kernel's form.

use ouzel_core::op::{FileStat, FileTime, StatRoom};

/// What a completed `Stat` left in `room`.
#[must_use]
pub fn file_stat(room: &StatRoom) -> FileStat {
    // SAFETY: the room has the structure's size and no smaller alignment, and any bits make one.
    let x = unsafe { (&raw const *room).cast::<libc::statx>().read() };
    let time = |t: libc::statx_timestamp| FileTime { secs: t.tv_sec, nanos: t.tv_nsec };
    let dev = |major, minor| libc::makedev(major, minor) as u64;
    FileStat {
        mode: u32::from(x.stx_mode),
        uid: x.stx_uid,
        gid: x.stx_gid,
        block_size: x.stx_blksize,
        size: x.stx_size,
        blocks: x.stx_blocks,
        links: u64::from(x.stx_nlink),
        ino: x.stx_ino,
        dev: dev(x.stx_dev_major, x.stx_dev_minor),
        rdev: dev(x.stx_rdev_major, x.stx_rdev_minor),
        accessed: time(x.stx_atime),
        modified: time(x.stx_mtime),
        changed: time(x.stx_ctime),
        created: (x.stx_mask & libc::STATX_BTIME != 0).then(|| time(x.stx_btime)),
    }
}
