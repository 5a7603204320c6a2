//! Files and directories with owned buffers, named as in `std`.
//!
//! | what | how |
//! |---|---|
//! | [`read`], [`read_into`], [`read_to_string`] | a file in memory on the spot; else the ring or one job |
//! | [`File`]'s transfers | tried at once, then the ring or the blocking pool |
//! | status, names, syncs, lengths | the ring, or the blocking pool where it does not know them |
//! | [`write()`], [`copy`], [`read_dir`], `*_all`, [`canonicalize`], permissions | one job on the blocking pool |
//!
//! Nothing here blocks the thread for a disk. What takes a path copies it before it waits. All of it needs a runtime:
//! outside of one it fails with an error.

mod call;
mod dir;
mod file;
mod job;
mod metadata;
mod names;
mod options;
mod transfer;
mod whole;

pub use dir::{DirEntry, ReadDir, read_dir};
pub use file::File;
pub use metadata::{FileType, Metadata};
pub use names::{
    canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read_link, remove_dir,
    remove_dir_all, remove_file, rename, set_permissions, symlink, symlink_metadata, try_exists,
};
pub use options::OpenOptions;
pub use whole::{read, read_into, read_to_string, write};
