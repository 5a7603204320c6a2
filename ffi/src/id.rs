//! Weak ids: sixteen bytes by value that own nothing.
//!
//! ```text
//!   slot: | anchor (32) | index (32) |     generation: | kind (8) | 0 (24) | generation (32) |
//! ```
//! The anchor names the runtime, the index a task's cell or an operation's entry; the kind keeps one sort of
//! id from being taken for another. Any bits may come from the host.

use ouzel::anchor::AnchorId;

use crate::error::{Error, Result};

/// `ouzel_rtid`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ouzel_rtid {
    /// Anchor id in the upper half.
    pub slot: u64,
    /// What kind of id this is.
    pub generation: u64,
}

/// `ouzel_task`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ouzel_task {
    /// Anchor id and index.
    pub slot: u64,
    /// Kind and generation.
    pub generation: u64,
}

/// `ouzel_waker`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ouzel_waker {
    /// Anchor id and index.
    pub slot: u64,
    /// Kind and generation.
    pub generation: u64,
}

/// `ouzel_op`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ouzel_op {
    /// Anchor id and index.
    pub slot: u64,
    /// Kind and generation.
    pub generation: u64,
}

/// `ouzel_group`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ouzel_group {
    /// Anchor id and index.
    pub slot: u64,
    /// Kind and generation.
    pub generation: u64,
}

/// `ouzel_sem`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ouzel_sem {
    /// Anchor id and index.
    pub slot: u64,
    /// Kind and generation.
    pub generation: u64,
}

/// `ouzel_chan`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ouzel_chan {
    /// Anchor id and index.
    pub slot: u64,
    /// Kind and generation.
    pub generation: u64,
}

/// Tells the kinds of ids apart: the topmost byte of their second word.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Runtime = b'R',
    Task = b'T',
    Op = b'O',
    Group = b'G',
    Semaphore = b'S',
    Channel = b'C',
    /// A waker that is a function.
    Foreign = b'F',
}

/// Packs an id.
pub(crate) fn pack(kind: Kind, anchor: AnchorId, index: u32, generation: u32) -> (u64, u64) {
    (u64::from(anchor.0) << 32 | u64::from(index), u64::from(kind as u8) << 56 | u64::from(generation))
}

/// Unpacks an id of this kind.
pub(crate) fn unpack(kind: Kind, slot: u64, generation: u64) -> Result<(AnchorId, u32, u32)> {
    if (generation >> 32) as u32 != u32::from(kind as u8) << 24 {
        return Err(Error::STALE);
    }
    Ok((AnchorId((slot >> 32) as u32), slot as u32, generation as u32))
}
