//! What is known about a file without reading it.

use std::fmt;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ouzel_core::op::{FileStat, FileTime};

/// A file's status at the time it was asked for. Methods are named as in `std`, those of its Unix extension
/// included.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// let exe = std::env::current_exe()?;
/// let metadata = ouzel::fs::metadata(&exe).await?;
/// assert!(metadata.is_file() && metadata.len() > 0);
/// assert!(metadata.modified()? <= std::time::SystemTime::now());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone)]
pub struct Metadata(FileStat);

/// What kind of file: a part of its [`Metadata`], or what a directory says about an entry.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// let null = ouzel::fs::metadata("/dev/null").await?.file_type();
/// assert!(null.is_char_device() && !null.is_file());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileType(u32);

/// The bits of a mode that tell the kind. Numbers of old, the same on all systems.
const KIND: u32 = 0o170_000;
const DIR: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const BLOCK: u32 = 0o060_000;
const CHAR: u32 = 0o020_000;
const FIFO: u32 = 0o010_000;
const SOCKET: u32 = 0o140_000;

impl FileType {
    pub(super) fn of_mode(mode: u32) -> Self {
        FileType(mode & KIND)
    }

    pub(super) fn of_std(t: std::fs::FileType) -> Self {
        let kinds = [
            (t.is_file(), FILE),
            (t.is_dir(), DIR),
            (t.is_symlink(), LINK),
            (t.is_fifo(), FIFO),
            (t.is_socket(), SOCKET),
            (t.is_char_device(), CHAR),
            (t.is_block_device(), BLOCK),
        ];
        FileType(kinds.into_iter().find(|(is, _)| *is).map_or(0, |(_, kind)| kind))
    }

    /// A directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.0 == DIR
    }
    /// A regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.0 == FILE
    }
    /// A symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.0 == LINK
    }
    /// A block device.
    #[must_use]
    pub fn is_block_device(&self) -> bool {
        self.0 == BLOCK
    }
    /// A character device.
    #[must_use]
    pub fn is_char_device(&self) -> bool {
        self.0 == CHAR
    }
    /// A named pipe.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.0 == FIFO
    }
    /// A Unix socket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.0 == SOCKET
    }
}

impl fmt::Debug for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            DIR => "FileType(directory)",
            FILE => "FileType(file)",
            LINK => "FileType(symlink)",
            BLOCK => "FileType(block device)",
            CHAR => "FileType(character device)",
            FIFO => "FileType(fifo)",
            SOCKET => "FileType(socket)",
            _ => "FileType(unknown)",
        })
    }
}

impl Metadata {
    pub(super) fn new(stat: FileStat) -> Self {
        Metadata(stat)
    }

    /// What kind of file.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        FileType::of_mode(self.0.mode)
    }
    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }
    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.file_type().is_file()
    }
    /// Whether it is a symbolic link; only [`symlink_metadata`](super::symlink_metadata) says so.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }
    /// Bytes.
    #[expect(clippy::len_without_is_empty, reason = "named as in std")]
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.size
    }
    /// Who may do what.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        Permissions::from_mode(self.0.mode)
    }
    /// Last write.
    ///
    /// # Errors
    /// `InvalidData` for a time that [`SystemTime`] cannot hold.
    pub fn modified(&self) -> io::Result<SystemTime> {
        system_time(self.0.modified)
    }
    /// Last read, as far as the file system keeps account.
    ///
    /// # Errors
    /// As [`modified`](Self::modified).
    pub fn accessed(&self) -> io::Result<SystemTime> {
        system_time(self.0.accessed)
    }
    /// When the file was made.
    ///
    /// # Errors
    /// `Unsupported` where the file system does not know; else as [`modified`](Self::modified).
    pub fn created(&self) -> io::Result<SystemTime> {
        self.0.created.map_or(Err(io::ErrorKind::Unsupported.into()), system_time)
    }
    /// Number of the file system's device.
    #[must_use]
    pub fn dev(&self) -> u64 {
        self.0.dev
    }
    /// Number of the file within its file system.
    #[must_use]
    pub fn ino(&self) -> u64 {
        self.0.ino
    }
    /// Type and permission bits.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.0.mode
    }
    /// Names it has.
    #[must_use]
    pub fn nlink(&self) -> u64 {
        self.0.links
    }
    /// Owner.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.0.uid
    }
    /// Group.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.0.gid
    }
    /// The device it is, if it is one.
    #[must_use]
    pub fn rdev(&self) -> u64 {
        self.0.rdev
    }
    /// Preferred size of a transfer in bytes.
    #[must_use]
    pub fn blksize(&self) -> u64 {
        u64::from(self.0.block_size)
    }
    /// Blocks of 512 bytes it takes on the disk.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.0.blocks
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metadata").field(&self.0).finish()
    }
}

fn system_time(t: FileTime) -> io::Result<SystemTime> {
    let secs = Duration::from_secs(t.secs.unsigned_abs());
    let whole = if t.secs >= 0 { UNIX_EPOCH.checked_add(secs) } else { UNIX_EPOCH.checked_sub(secs) };
    whole
        .and_then(|whole| whole.checked_add(Duration::from_nanos(u64::from(t.nanos))))
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_are_kept() {
        let t = system_time(FileTime { secs: -2, nanos: 500_000_000 }).unwrap();
        assert_eq!(UNIX_EPOCH.duration_since(t).unwrap(), Duration::from_millis(1500));
    }
}
