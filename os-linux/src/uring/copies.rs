//! Bytes that [`try_send`](super::driver::UringDriver::try_send) has taken, from the copy to the kernel's verdict.
//!
//! A batch is what was taken between two looks at what the kernel has said. A socket has one entry of it at the most, for
//! entries are tried one by one: of two, the first could be short and the second whole.

use ouzel_core::op::{Fd, OpKey, Request};

use crate::keys::KeyMap;
use crate::rests::{Keep, ROOM, Rests};

/// Sends of a batch: what is in it has waited long enough.
const MOST: usize = 256;

/// One entry's: where to, and which part of the batch's bytes.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) fd: Fd,
    pub(super) from: usize,
    pub(super) len: usize,
    pub(super) keep: Keep,
    /// The socket is being closed: what found no room is dropped.
    pub(super) dropped: bool,
}

/// What an operation of the driver's own sends.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) fd: Fd,
    pub(super) bytes: Vec<u8>,
    pub(super) _keep: Keep,
    /// Operations that send on the same socket: they begin when this has ended.
    pub(super) line: Vec<(OpKey, Request)>,
    pub(super) dropped: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Its memory stays where it is, since entries point into it.
    pub(super) bytes: Vec<u8>,
    pub(super) sends: Vec<Copy>,
    /// How many of `sends` are in the ring: all, or all but the last, which may yet grow.
    pub(super) pushed: usize,
    /// How many of them the kernel has seen.
    pub(super) entered: usize,
    /// By descriptor.
    known: Vec<Known>,
    batch: u32,
    pub(super) rests: Rests<Rest>,
    /// The descriptors of the operations that are held.
    pub(super) held: KeyMap<Fd>,
}

/// What is known of a descriptor's number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// The last batch it had a part in; none has the number zero.
    batch: u32,
    /// Why something taken was not sent, until somebody asks; 0: nothing.
    pub(super) failed: i32,
    /// The generation of the number when that failed.
    pub(super) generation: u32,
    /// What is being sent for it by an operation of our own.
    pub(super) rest: Option<OpKey>,
}

impl Copies {
    /// Whether there is none on its way.
    #[inline]
    pub(super) fn is_unused(&self) -> bool {
        self.sends.is_empty() && self.rests.is_empty()
    }

    /// Makes room for what is to be known of `fd`, which is not negative. False: there is no memory.
    pub(super) fn get_to_know(&mut self, fd: Fd) -> bool {
        let (index, len) = (fd as usize, self.known.len());
        if index >= len {
            let all = (index + 1).next_power_of_two().max(64);
            if self.known.try_reserve_exact(all - len).is_err() {
                return false;
            }
            self.known.resize(all, Known::default());
        }
        true
    }

    /// What is known of one that bytes were taken for.
    pub(super) fn known(&mut self, fd: Fd) -> &mut Known {
        &mut self.known[fd as usize]
    }

    /// The rest that is being sent on `fd`.
    pub(super) fn rest(&self, fd: Fd) -> Option<OpKey> {
        self.known.get(usize::try_from(fd).ok()?)?.rest
    }

    /// The last one may grow.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.pushed < self.sends.len()
    }

    #[inline]
    pub(super) fn is_open_for(&self, fd: Fd) -> bool {
        self.is_open() && self.sends.last().is_some_and(|copy| copy.fd == fd)
    }

    /// Whether `fd` has an entry in this batch.
    #[inline]
    pub(super) fn has(&self, fd: Fd) -> bool {
        !self.sends.is_empty() && self.known.get(fd as usize).is_some_and(|known| known.batch == self.batch)
    }

    /// Whether something for `fd` may be the first of its own in this batch.
    #[inline]
    fn is_free(&self, fd: Fd) -> bool {
        let free = |known: &Known| known.batch != self.batch && known.failed == 0 && known.rest.is_none();
        self.known.get(fd as usize).is_some_and(free)
    }

    /// Whether so many bytes more for `fd` can be part of this batch.
    #[inline]
    pub(super) fn has_room(&self, fd: Fd, more: usize) -> bool {
        let fits = self.bytes.len() + more <= self.bytes.capacity();
        fits && (self.is_open_for(fd) || (self.sends.len() < MOST && self.is_free(fd)))
    }

    /// Takes `bytes` behind those of the open one, which is for the same descriptor.
    #[inline]
    pub(super) fn grow(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if let Some(copy) = self.sends.last_mut() {
            copy.len += bytes.len();
        }
    }

    /// Takes `bytes` as the first ones for `fd` in this batch.
    #[inline]
    pub(super) fn begin(&mut self, fd: Fd, bytes: &[u8], keep: Keep) {
        let batch = self.batch;
        self.known(fd).batch = batch;
        let from = self.bytes.len();
        self.sends.push(Copy { fd, from, len: bytes.len(), keep, dropped: false });
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes the memory of a batch at the first use. False: there is none.
    #[cold]
    pub(super) fn make_room(&mut self) -> bool {
        if self.bytes.capacity() == 0 {
            self.batch = 1;
            return self.sends.try_reserve(MOST).is_ok() && self.bytes.try_reserve_exact(ROOM).is_ok();
        }
        true
    }

    /// The kernel has seen all, and all it said was heard: the next batch begins.
    #[inline]
    pub(super) fn end_batch(&mut self) {
        (self.pushed, self.entered) = (0, 0);
        self.sends.clear();
        self.bytes.clear();
        self.batch = self.batch.wrapping_add(1);
        if self.batch == 0 {
            self.known.iter_mut().for_each(|known| known.batch = 0);
            self.batch = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies() -> Copies {
        let mut copies = Copies::default();
        assert!(!copies.has_room(3, 1) && copies.make_room() && copies.get_to_know(MOST as Fd));
        copies
    }

    #[test]
    fn a_socket_has_to_be_known() {
        let mut copies = copies();
        let unknown = 2 * MOST as Fd;
        assert!(copies.has_room(unknown - 1, 1) && !copies.has_room(unknown, 1));
        assert!((copies.rest(-1), copies.rest(unknown)) == (None, None));
        assert!(copies.get_to_know(unknown) && copies.has_room(unknown, 1));
    }

    #[test]
    fn a_socket_has_one_entry_of_a_batch() {
        let mut copies = copies();
        copies.begin(3, b"ab", None);
        assert!(copies.is_open_for(3) && copies.has_room(3, 1) && copies.has_room(4, 1));
        copies.grow(b"c");
        copies.pushed = 1;
        assert!(!copies.has_room(3, 1), "the entry is in the ring");
        copies.begin(70, b"d", None);
        assert!(copies.has(3) && copies.has(70) && !copies.has(4));
        assert_eq!((copies.sends[0].len, copies.sends[1].from, &copies.bytes[..]), (3, 3, &b"abcd"[..]));
        copies.end_batch();
        assert!(!copies.has(3) && copies.has_room(3, 1) && copies.is_unused());
    }

    #[test]
    fn a_batch_has_its_limits_and_its_bytes_stay_where_they_are() {
        let mut copies = copies();
        let at = copies.bytes.as_ptr();
        for fd in 0..MOST as Fd {
            assert!(copies.has_room(fd, 100));
            copies.begin(fd, &[1; 100], None);
            copies.pushed += 1;
        }
        assert!(!copies.has_room(MOST as Fd, 0));
        copies.end_batch();
        copies.begin(0, &[1; ROOM], None);
        assert!(!copies.has_room(0, 1) && copies.has_room(0, 0));
        assert_eq!(copies.bytes.as_ptr(), at);
    }

    #[test]
    fn the_number_of_a_batch_is_not_met_again_too_soon() {
        let mut copies = copies();
        copies.begin(5, b"x", None);
        copies.batch = u32::MAX;
        copies.end_batch();
        copies.begin(6, b"x", None);
        assert!(!copies.has(5) && copies.has(6));
    }
}
