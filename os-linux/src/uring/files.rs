//! File calls as submission queue entries, and which of them this kernel takes.
//!
//! The kernel hands all of them to threads of its own at once. What it does not know, and everything where
//! [`Mask::FILE_CALLS`] forbids them, goes to the blocking pool, as with the other drivers.

use io_uring::opcode;
use io_uring::squeue::Entry;
use io_uring::types::Fd;
use ouzel_core::op::FileCall;

use super::opcodes::Opcodes;
use crate::config::Mask;
use crate::file::{STAT_MASK, stat_of};

/// Calls by the kernel they came with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Status, allocation: 5.6.
    v5_6: bool,
    /// Rename, unlink: 5.11.
    v5_11: bool,
    /// Directories and links: 5.15.
    v5_15: bool,
    /// Truncation: 6.9.
    v6_9: bool,
}

impl Known {
    pub(super) fn new(opcodes: Opcodes, mask: Mask) -> Known {
        if mask.has(Mask::FILE_CALLS) {
            return Known::default();
        }
        Known {
            v5_6: opcodes.has(opcode::Statx::CODE),
            v5_11: opcodes.has(opcode::UnlinkAt::CODE),
            v5_15: opcodes.has(opcode::MkDirAt::CODE),
            v6_9: opcodes.has(opcode::Ftruncate::CODE),
        }
    }

    pub(super) fn has(self, call: &FileCall) -> bool {
        match call {
            FileCall::Stat { .. } | FileCall::Allocate { .. } => self.v5_6,
            FileCall::Rename { .. } | FileCall::Unlink { .. } => self.v5_11,
            FileCall::MakeDir { .. } | FileCall::Symlink { .. } | FileCall::Link { .. } => self.v5_15,
            FileCall::Truncate { .. } => self.v6_9,
            _ => false,
        }
    }

    /// Whether there is any.
    pub(super) fn any(self) -> bool {
        self.v5_6
    }
}

/// The entry for `call`; none for what is newer than this adapter.
pub(super) fn entry(call: &FileCall) -> Option<Entry> {
    Some(match *call {
        FileCall::Stat { dir, path, flags, out } => {
            let (path, flags) = stat_of(path, flags);
            opcode::Statx::new(Fd(dir), path, out.cast()).flags(flags).mask(STAT_MASK).build()
        }
        FileCall::Allocate { fd, mode, offset, len } => {
            opcode::Fallocate::new(Fd(fd), len).offset(offset).mode(mode).build()
        }
        FileCall::Truncate { fd, len } => opcode::Ftruncate::new(Fd(fd), len).build(),
        FileCall::Rename { from_dir, from, to_dir, to, flags } => {
            opcode::RenameAt::new(Fd(from_dir), from.cast(), Fd(to_dir), to.cast()).flags(flags).build()
        }
        FileCall::Unlink { dir, path, flags } => {
            opcode::UnlinkAt::new(Fd(dir), path.cast()).flags(flags).build()
        }
        FileCall::MakeDir { dir, path, mode } => {
            opcode::MkDirAt::new(Fd(dir), path.cast()).mode(mode).build()
        }
        FileCall::Symlink { target, dir, path } => {
            opcode::SymlinkAt::new(Fd(dir), target.cast(), path.cast()).build()
        }
        FileCall::Link { from_dir, from, to_dir, to, flags } => {
            opcode::LinkAt::new(Fd(from_dir), from.cast(), Fd(to_dir), to.cast()).flags(flags).build()
        }
        _ => return None,
    })
}
