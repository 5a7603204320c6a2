//! Multishot receives, and what stands in for them.

use std::sync::Arc;

use io_uring::squeue::Entry;
use io_uring::{opcode, types};
use ouzel_core::driver::Errno;
use ouzel_core::op::{Completion, Fd, OpKey, ProvidedMemory};

use super::buffers::{BufferRing, GROUP, Provided};
use super::driver::UringDriver;
use super::op::{self, Follow};
use crate::buffers::BufferPool;
use crate::config::Mask;
use crate::{keys, sys};

impl UringDriver {
    /// Makes the provided buffers unless they are there; their memory.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn provide(&mut self) -> Result<Arc<dyn ProvidedMemory>, Errno> {
        if let Some(provided) = &self.provided {
            return Ok(provided.memory());
        }
        let (count, size) = self.shape;
        let ring = if self.has.has(Mask::RECV_MULTI) {
            self.counters.syscalls += 1;
            BufferRing::new(&self.ring, count, size).ok()
        } else {
            None
        };
        let provided = match ring {
            Some(ring) => Provided::Ring(ring),
            None => Provided::Pool(BufferPool::new(count, size)?),
        };
        Ok(self.provided.insert(provided).memory())
    }

    pub(super) fn submit_recv_multi(&mut self, key: OpKey, fd: Fd) -> Result<(), Errno> {
        if self.provided.is_none() {
            self.provide()?;
        }
        let entry = match self.provided {
            Some(Provided::Ring(_)) => {
                keys::room(&mut self.receiving)?;
                self.receiving.insert(u64::from(key.index()), (key, fd));
                receive(fd)
            }
            _ => {
                keys::room(&mut self.follow)?;
                self.follow.insert(key.0, Follow::Recv(fd));
                op::poll_in(fd)
            }
        };
        self.push(entry.user_data(key.0))
    }

    /// The kernel had no buffer left for `key`. If there is one by now it receives on, and nobody is told.
    #[cold]
    pub(super) fn receive_on(&mut self, key: OpKey) -> bool {
        let Some(Provided::Ring(ring)) = &mut self.provided else { return false };
        let known = self.receiving.get(&u64::from(key.index())).filter(|(of, _)| *of == key).copied();
        match known {
            Some((_, fd)) if ring.has_more() => self.push(receive(fd).user_data(key.0)).is_ok(),
            _ => false,
        }
    }

    /// The stand-in for a multishot receive: there is something to receive, or the end.
    pub(super) fn recv_now(&mut self, fd: Fd) -> Option<Completion> {
        let Some(Provided::Pool(pool)) = &mut self.provided else {
            return Some(Completion::done(-libc::ENOBUFS));
        };
        let Some(id) = pool.take() else { return Some(Completion::done(-libc::ENOBUFS)) };
        let (at, size) = (pool.at(id), pool.size());
        let syscalls = &mut self.counters.syscalls;
        let res = sys::retry(|| {
            *syscalls += 1;
            // SAFETY: the buffer was taken from the pool just now: nobody else has it.
            unsafe { sys::recv(fd, at, size, libc::MSG_DONTWAIT) }
        });
        if res > 0 {
            return Some(Completion::in_buffer(res, id, false));
        }
        pool.put(id);
        (res != -libc::EAGAIN).then_some(Completion::done(res))
    }
}

fn receive(fd: Fd) -> Entry {
    opcode::RecvMulti::new(types::Fd(fd), GROUP).build()
}
