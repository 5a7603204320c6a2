//! Splices between a pipe and a stream: a wait for readiness in the ring, and the call itself on the spot.
//!
//! The ring's own splice goes to a kernel thread in every case, which for a stream would sleep there. With a file
//! at one end that is what is wanted: it may have to wait for a disk.

use io_uring::squeue::Entry;
use ouzel_core::driver::Errno;
use ouzel_core::op::{OpKey, Request};

use super::driver::UringDriver;
use super::op::{self, Follow};
use crate::{keys, sys};

impl UringDriver {
    /// Tries a splice that has no file. None: it would have to wait.
    pub(super) fn splice_now(&mut self, req: &Request) -> Option<i32> {
        let syscalls = &mut self.counters.syscalls;
        let res = sys::retry(|| {
            *syscalls += 1;
            sys::splice_now(req)
        });
        (res != -libc::EAGAIN).then_some(res)
    }

    pub(super) fn await_splice(&mut self, key: OpKey, req: &Request) -> Result<(), Errno> {
        keys::room(&mut self.follow)?;
        self.follow.insert(key.0, Follow::Splice(*req));
        let entry: Entry = op::await_splice(req);
        self.push_operation(key, entry)
    }
}
