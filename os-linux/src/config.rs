//! How a driver is made, and which kernel features it must do without.
//!
//! A driver takes what the kernel has, minus what the [`Mask`] forbids. The mask is how the
//! degraded paths are tested on a kernel that has everything, and a way out where a feature misbehaves.

use std::fmt;
use std::str::FromStr;

/// What a driver is made with. Start from `default()`.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// Entries of the submission ring; the completion ring has four times as many.
    pub entries: u32,
    /// Provided buffers for `RecvMulti`, a power of two up to 32768. Memory is taken at the first
    /// `RecvMulti`, and touched as buffers are used.
    pub buffers: u32,
    /// Bytes of each. 16 KiB: a bulk stream costs one completion per 16 KiB, and a small message
    /// touches one page of it.
    pub buffer_size: u32,
    /// Features not to be used.
    pub mask: Mask,
}

impl Default for DriverConfig {
    fn default() -> Self {
        DriverConfig { entries: 256, buffers: 256, buffer_size: 16 * 1024, mask: Mask::NONE }
    }
}

/// A set of kernel features a driver must not use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mask(pub u32);

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        impl Mask {
            $($(#[$doc])* pub const $name: Mask = Mask(1 << $bit);)*

            /// Every feature with the name it has in [`Mask::from_str`] and in descriptions.
            pub const NAMES: &'static [(Mask, &'static str)] = &[$((Mask::$name, $text)),*];
        }
    };
}

features! {
    /// `IORING_SETUP_SINGLE_ISSUER` (6.0).
    SINGLE_ISSUER = 0, "single_issuer";
    /// `IORING_SETUP_DEFER_TASKRUN` (6.1).
    DEFER_TASKRUN = 1, "defer_taskrun";
    /// `IORING_SETUP_COOP_TASKRUN` and `TASKRUN_FLAG` (5.19).
    COOP_TASKRUN = 2, "coop_taskrun";
    /// `IORING_SETUP_SUBMIT_ALL` (5.18).
    SUBMIT_ALL = 3, "submit_all";
    /// `IORING_SETUP_NO_SQARRAY` (6.6).
    NO_SQARRAY = 4, "no_sqarray";
    /// A timeout as an argument of `io_uring_enter` (5.11).
    EXT_ARG = 5, "ext_arg";
    /// That timeout as a point in time (6.12).
    ABS_TIMER = 6, "abs_timer";
    /// Unpark by a futex wait in the ring (6.7).
    FUTEX_WAIT = 7, "futex_wait";
    /// Multishot receive into a registered ring of buffers (6.0).
    RECV_MULTI = 8, "recv_multi";
    /// No completion for an operation that succeeds (5.17).
    CQE_SKIP = 9, "cqe_skip";
    /// Cancel of everything in the ring (5.19).
    CANCEL_ANY = 10, "cancel_any";
    /// The ring retries a short send itself (6.0).
    SEND_WAITALL = 11, "send_waitall";
    /// The ring's descriptor registered with the ring (5.18).
    RING_FD = 12, "ring_fd";
    /// A wait for events is not counted as a wait for a disk (6.15).
    NO_IOWAIT = 13, "no_iowait";
    /// Files are tried without blocking first: `RWF_NOWAIT`, `RESOLVE_CACHED`.
    INLINE_FILES = 14, "inline_files";
    /// `epoll_pwait2` (5.11).
    PWAIT2 = 15, "pwait2";
    /// io_uring as a whole: making the driver fails with `ENOSYS`.
    URING = 16, "uring";
    /// A wait for several completions that is content with one after a while (6.12).
    MIN_WAIT = 17, "min_wait";
    /// Status, rename, unlink and the like in the ring (5.6 to 6.9) instead of on the blocking pool.
    FILE_CALLS = 18, "file_calls";
    /// Multishot accept (5.19).
    ACCEPT_MULTI = 19, "accept_multi";
    /// An operation's limit as an entry linked to its own (5.5).
    LINK_TIMEOUT = 20, "link_timeout";
    /// Sends out of the caller's memory (6.0).
    SEND_ZC = 21, "send_zc";
    /// Splicing from and to files in the ring (5.7) instead of on the blocking pool.
    SPLICE = 22, "splice";
    /// A short read from TCP leaves nothing behind; epoll's, which then waits for an event before it tries again.
    SHORT_READS = 23, "short_reads";
}

impl Mask {
    /// Forbids nothing.
    pub const NONE: Mask = Mask(0);

    /// Whether all of `feature` is forbidden.
    #[must_use]
    pub const fn has(self, feature: Mask) -> bool {
        self.0 & feature.0 == feature.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }
}

impl FromStr for Mask {
    type Err = UnknownFeature;

    /// A number (`0x80`, `128`) or names from [`Mask::NAMES`] with commas between.
    fn from_str(s: &str) -> Result<Mask, UnknownFeature> {
        let number = match s.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => s.parse(),
        };
        if let Ok(bits) = number {
            return Ok(Mask(bits));
        }
        s.split(',').map(str::trim).filter(|name| !name.is_empty()).try_fold(Mask::NONE, |mask, name| {
            let known = Mask::NAMES.iter().find(|(_, n)| *n == name);
            known.map(|(f, _)| mask.and(*f)).ok_or_else(|| UnknownFeature(name.into()))
        })
    }
}

/// A word in a mask that names no feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFeature(pub String);

impl fmt::Display for UnknownFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown feature '{}' in a driver mask", self.0)
    }
}

impl std::error::Error for UnknownFeature {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_from_names_or_a_number() {
        assert_eq!("futex_wait, cqe_skip".parse(), Ok(Mask::FUTEX_WAIT.and(Mask::CQE_SKIP)));
        assert_eq!("0x80".parse(), Ok(Mask::FUTEX_WAIT));
        assert_eq!("".parse(), Ok(Mask::NONE));
        assert_eq!("nonsense".parse::<Mask>(), Err(UnknownFeature("nonsense".into())));
    }
}
