//! Makes the ring with all the kernel offers and the mask allows, and remembers what that is.
//!
//! Set-up flags have no probe: the kernel answers `EINVAL` to one it does not know, so the newest is
//! dropped and the rest tried again. What came with a kernel version but has neither flag nor opcode is
//! taken from an opcode of the same version.
//!
//! A ring for one issuer starts out disabled: whoever enables it is the issuer, be it another thread than the one that made it.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode};
use ouzel_core::driver::Errno;

use super::files::Known;
use super::opcodes::Opcodes;
use crate::config::{DriverConfig, Mask};
use crate::sys;

/// The set-up flags, newest first: the order in which they are given up.
const FLAGS: [Mask; 5] =
    [Mask::NO_SQARRAY, Mask::DEFER_TASKRUN, Mask::SINGLE_ISSUER, Mask::COOP_TASKRUN, Mask::SUBMIT_ALL];

/// A ring, and what it can do.
pub(super) struct Probed {
    pub(super) ring: IoUring,
    /// Features in use, as a set.
    pub(super) has: Mask,
    /// File calls the ring makes.
    pub(super) file_calls: Known,
}

/// Makes the ring.
pub(super) fn probe(config: &DriverConfig) -> Result<Probed, Errno> {
    if config.mask.has(Mask::URING) {
        return Err(Errno(libc::ENOSYS));
    }
    let (ring, mut has) = set_up(config)?;
    let opcodes = Opcodes::of_kernel(&ring);
    // Without these there is no driver worth having: better epoll.
    if !ring.params().is_feature_nodrop() || !opcodes.has(opcode::Send::CODE) {
        return Err(Errno(libc::EOPNOTSUPP));
    }
    let v6_0 = opcodes.has(opcode::SendZc::CODE);
    let v5_19 = opcodes.has(opcode::Socket::CODE);
    let file_calls = Known::new(opcodes, config.mask);
    let params = ring.params();
    let offered = [
        (Mask::EXT_ARG, params.is_feature_ext_arg()),
        (Mask::ABS_TIMER, params.is_feature_ext_arg() && params.is_feature_min_timeout()),
        (Mask::FUTEX_WAIT, opcodes.has(opcode::FutexWait::CODE)),
        (Mask::RECV_MULTI, v6_0),
        (Mask::ACCEPT_MULTI, v5_19),
        (Mask::CQE_SKIP, params.is_feature_skip_cqe_on_success()),
        (Mask::CANCEL_ANY, v5_19),
        // Of 5.18, which no opcode tells.
        (Mask::RING_FD, v5_19),
        (Mask::SEND_WAITALL, v6_0),
        (Mask::NO_IOWAIT, params.is_feature_no_iowait()),
        (Mask::MIN_WAIT, params.is_feature_ext_arg() && params.is_feature_min_timeout()),
        (Mask::INLINE_FILES, true),
        (Mask::FILE_CALLS, file_calls.any()),
        (Mask::SEND_ZC, v6_0),
        (Mask::SPLICE, opcodes.has(opcode::Splice::CODE)),
        // Of both entries, or neither is worth anything.
        (Mask::LINK_TIMEOUT, params.sq_entries() > 1 && opcodes.has(opcode::LinkTimeout::CODE)),
    ];
    for (feature, there) in offered {
        if there && !config.mask.has(feature) {
            has = has.and(feature);
        }
    }
    if !has.has(Mask::EXT_ARG) {
        has = Mask(has.0 & !Mask::ABS_TIMER.0);
    }
    Ok(Probed { ring, has, file_calls })
}

/// Makes the calling thread the one issuer of the ring, and puts the ring into the thread's table if `has` says so and there
/// is room: its number there.
pub(super) fn bind(ring: &IoUring, has: Mask) -> Result<Option<i32>, Errno> {
    if has.has(Mask::SINGLE_ISSUER) {
        ring.submitter().register_enable_rings().map_err(errno)?;
    }
    Ok(if has.has(Mask::RING_FD) { register_fd(ring) } else { None })
}

fn errno(e: io::Error) -> Errno {
    Errno(e.raw_os_error().unwrap_or(libc::EIO))
}

fn set_up(config: &DriverConfig) -> Result<(IoUring, Mask), Errno> {
    let mut given_up = config.mask;
    loop {
        // The kernel wants the one with the other.
        if given_up.has(Mask::SINGLE_ISSUER) {
            given_up = given_up.and(Mask::DEFER_TASKRUN);
        }
        let flags = FLAGS.into_iter().filter(|f| !given_up.has(*f));
        let mut builder = IoUring::builder();
        let entries = config.entries.clamp(1, 1 << 15).next_power_of_two();
        // Not in the address space of a child: it would write into our queues.
        builder.dontfork().setup_clamp().setup_cqsize(entries * 4);
        for flag in flags.clone() {
            match flag {
                Mask::NO_SQARRAY => builder.setup_no_sqarray(),
                Mask::DEFER_TASKRUN => builder.setup_defer_taskrun(),
                Mask::SINGLE_ISSUER => builder.setup_single_issuer().setup_r_disabled(),
                Mask::COOP_TASKRUN => builder.setup_coop_taskrun().setup_taskrun_flag(),
                _ => builder.setup_submit_all(),
            };
        }
        match builder.build(entries) {
            Ok(ring) => return Ok((ring, flags.fold(Mask::NONE, Mask::and))),
            Err(e) => match flags.clone().next() {
                Some(newest) if e.raw_os_error() == Some(libc::EINVAL) => given_up = given_up.and(newest),
                _ => return Err(errno(e)),
            },
        }
    }
}

const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;

/// The kernel's `struct io_uring_rsrc_update`.
#[repr(C)]
struct RingUpdate {
    offset: u32,
    resv: u32,
    data: u64,
}

/// Saves the look-up of the descriptor, and its reference count, in every `io_uring_enter`.
fn register_fd(ring: &IoUring) -> Option<i32> {
    let fd = ring.as_raw_fd();
    let mut update = RingUpdate { offset: u32::MAX, resv: 0, data: fd as u64 };
    // SAFETY: `update` is the one element that the call reads and writes.
    let ret = unsafe { sys::uring_register(fd, REGISTER_RING_FDS, (&raw mut update).cast(), 1) };
    (ret == 1).then_some(update.offset as i32)
}

/// A registered ring lives until its thread ends, unless it is taken out of the table.
pub(super) fn unregister_fd(ring: &IoUring, index: i32) {
    let mut update = RingUpdate { offset: index as u32, resv: 0, data: 0 };
    // SAFETY: `update` is the one element that the call reads.
    unsafe { sys::uring_register(ring.as_raw_fd(), UNREGISTER_RING_FDS, (&raw mut update).cast(), 1) };
}
