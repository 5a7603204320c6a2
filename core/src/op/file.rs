//! File calls that no readiness announces, and what a file's status looks like.
//!
//! A ring may serve them; every other driver answers [`Submitted::Blocking`](super::Submitted::Blocking), and a
//! thread that may block makes the call. Paths are NUL-terminated; `dir` is the directory a relative one starts
//! from, or `AT_FDCWD`.

/// A file descriptor or socket handle, as the adapter's operating system numbers them.
pub type Fd = i32;

/// One call. Integers named `flags` and `mode` are the operating system's own.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FileCall {
    /// Asks for a file's status; completes with 0.
    Stat {
        /// Directory; with a null `path` the file itself.
        dir: Fd,
        /// Path, or null.
        path: *const u8,
        /// `AT_SYMLINK_NOFOLLOW` or 0.
        flags: i32,
        /// Where it goes, in the adapter's own form: the adapter turns it into a [`FileStat`].
        out: *mut StatRoom,
    },
    /// Sets blocks aside for a range of a file, so that writes to it need none; completes with 0.
    Allocate {
        /// File.
        fd: Fd,
        /// `FALLOC_*`, 0 for plain allocation.
        mode: i32,
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// Cuts a file off, or extends it with zeros; completes with 0.
    Truncate {
        /// File, open for writing.
        fd: Fd,
        /// Its new length in bytes.
        len: u64,
    },
    /// Renames, in one step; completes with 0.
    Rename {
        /// Directory of `from`.
        from_dir: Fd,
        /// The old path.
        from: *const u8,
        /// Directory of `to`.
        to_dir: Fd,
        /// The new path.
        to: *const u8,
        /// `RENAME_*` or 0, which replaces what is there.
        flags: u32,
    },
    /// Removes a name; completes with 0.
    Unlink {
        /// Directory.
        dir: Fd,
        /// Path.
        path: *const u8,
        /// `AT_REMOVEDIR` for an empty directory, else 0.
        flags: i32,
    },
    /// Makes a directory; completes with 0.
    MakeDir {
        /// Directory.
        dir: Fd,
        /// Path.
        path: *const u8,
        /// Permission bits, less the process's mask.
        mode: u32,
    },
    /// Makes a symbolic link; completes with 0.
    Symlink {
        /// What it says: any text.
        target: *const u8,
        /// Directory of the link.
        dir: Fd,
        /// Path of the link.
        path: *const u8,
    },
    /// Gives a file a further name; completes with 0.
    Link {
        /// Directory of `from`.
        from_dir: Fd,
        /// The file.
        from: *const u8,
        /// Directory of `to`.
        to_dir: Fd,
        /// The further name.
        to: *const u8,
        /// `AT_SYMLINK_FOLLOW` or 0.
        flags: i32,
    },
}

/// Part of memory for a vectored read or write: laid out as POSIX's `struct iovec`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Segment {
    /// First byte. A write only reads there.
    pub base: *mut u8,
    /// Bytes.
    pub len: usize,
}

/// Room for a file's status as an operating system writes it.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct StatRoom(pub [u64; 32]);

impl StatRoom {
    /// Empty room.
    pub const ZERO: StatRoom = StatRoom([0; 32]);
}

/// A point in time as files know it: before 1970 if `secs` is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileTime {
    /// Whole seconds since 1970, rounded down.
    pub secs: i64,
    /// Nanoseconds on top.
    pub nanos: u32,
}

/// A file's status, on every system. Numbers are the system's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileStat {
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Preferred size of a transfer in bytes.
    pub block_size: u32,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes it takes.
    pub blocks: u64,
    /// Names it has.
    pub links: u64,
    /// Number within its file system.
    pub ino: u64,
    /// The file system's device.
    pub dev: u64,
    /// The device it is, if it is one.
    pub rdev: u64,
    /// Last read.
    pub accessed: FileTime,
    /// Last write.
    pub modified: FileTime,
    /// Last change of what is in here.
    pub changed: FileTime,
    /// Made, where the file system knows.
    pub created: Option<FileTime>,
}

const _: () =
    assert!(size_of::<FileStat>() <= size_of::<StatRoom>(), "an adapter may leave one in the other");
