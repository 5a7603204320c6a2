//! The driver's state, its making and its end; how it submits is `submit`, how it completes `complete`.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use io_uring::IoUring;
use io_uring::types::Timespec;
use ouzel_core::driver::{Counters, Deadline, Errno, Nanos, Unpark};
use ouzel_core::op::{Completion, Fd, OpKey};
use ouzel_core::park::ParkWord;

use super::buffers::Provided;
use super::copies::Copies;
use super::files::Known;
use super::op::{Follow, Lazy, Limits};
use super::probe::{Probed, bind, probe, unregister_fd};
use super::wake::{Notify, Wake};
use crate::clock;
use crate::config::{DriverConfig, Mask};
use crate::description::{Chosen, Description};
use crate::eventfd::EventUnpark;
use crate::fds::FdTable;
use crate::fork::{FORKED, Generation};
use crate::futex::FutexUnpark;
use crate::gather::Gather;
use crate::keys::{KeyMap, KeySet};

/// One CQE, copied out of the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cqe {
    pub(super) user_data: u64,
    pub(super) res: i32,
    pub(super) flags: u32,
}

/// The io_uring driver of one thread; see [the module](crate::uring).
pub struct UringDriver {
    /// Taken out by `drop`, which leaks it if the kernel still owns memory of operations.
    pub(super) ring: ManuallyDrop<IoUring>,
    /// What `io_uring_enter` is called with: an index if the ring is registered, else the descriptor.
    pub(super) enter_fd: RawFd,
    pub(super) index: Option<i32>,
    pub(super) has: Mask,
    /// Features it may not use.
    mask: Mask,
    /// File calls the ring makes; all others block.
    pub(super) file_calls: Known,
    pub(super) park: Arc<ParkWord>,
    pub(super) wake: Wake,
    /// The unpark entry is in the ring.
    pub(super) armed: bool,
    /// The deadline of the timeout entry in the ring, where `io_uring_enter` takes none.
    pub(super) timer: Option<Deadline>,
    pub(super) timespec: Box<Timespec>,
    /// Lazy sends without a verdict, oldest first; the first has number `lazy_base`.
    pub(super) lazy: VecDeque<Lazy>,
    pub(super) lazy_base: u16,
    /// How many of them the kernel has seen.
    pub(super) entered: usize,
    pub(super) copies: Copies,
    pub(super) follow: KeyMap<Follow>,
    pub(super) limits: Limits,
    /// Keys in flight, where the ring cannot cancel everything by itself.
    pub(super) keys: Option<KeySet>,
    /// Cancels that found no room.
    pub(super) owed_cancels: Vec<OpKey>,
    /// CQEs taken out of the ring to make room, oldest first.
    pub(super) stash: VecDeque<Cqe>,
    pub(super) provided: Option<Provided>,
    pub(super) shape: (u32, u32),
    /// Multishot receives by the number of their slot, until another has it.
    pub(super) receiving: KeyMap<(OpKey, Fd)>,
    pub(super) fds: &'static FdTable,
    pub(super) in_flight: usize,
    pub(super) gather: Gather,
    /// What a host with its own loop polls, once it has asked.
    pub(super) notify: OnceCell<Option<Notify>>,
    /// `shutdown` has begun: nothing is submitted again.
    pub(super) closing: bool,
    pub(super) made: Generation,
    pub(super) counters: Counters,
}

impl fmt::Debug for UringDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UringDriver")
            .field("fd", &self.ring.as_raw_fd())
            .field("in_flight", &self.in_flight)
            .field("armed", &self.armed)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl UringDriver {
    /// A driver for the calling thread, that sleeps only while `park` is PARKED.
    ///
    /// # Errors
    /// `ENOSYS` or `EPERM` where io_uring is missing or forbidden, `EOPNOTSUPP` where it is too old;
    /// `EMFILE`, `ENOMEM`.
    pub fn new(config: &DriverConfig, park: Arc<ParkWord>) -> Result<Box<Self>, Errno> {
        let mut driver = UringDriver::unbound(config, park)?;
        driver.bind()?;
        Ok(driver)
    }

    /// A driver for a thread that is still to be [bound](UringDriver::bind). In memory of its own: a kilobyte that is handed
    /// on three times before it stays.
    ///
    /// # Errors
    /// As [`UringDriver::new`]: all that may be lacking is lacking here.
    pub fn unbound(config: &DriverConfig, park: Arc<ParkWord>) -> Result<Box<Self>, Errno> {
        let Probed { ring, has, file_calls } = probe(config)?;
        let wake = if has.has(Mask::FUTEX_WAIT) {
            Wake::Futex(Arc::new(FutexUnpark::new(park.clone())))
        } else {
            Wake::Event(Arc::new(EventUnpark::new()?), Box::new(0))
        };
        Ok(Box::new(UringDriver {
            enter_fd: ring.as_raw_fd(),
            ring: ManuallyDrop::new(ring),
            index: None,
            has,
            mask: config.mask,
            file_calls,
            park,
            wake,
            armed: false,
            timer: None,
            timespec: Box::new(Timespec::new()),
            lazy: VecDeque::new(),
            lazy_base: 0,
            entered: 0,
            copies: Copies::default(),
            follow: KeyMap::default(),
            limits: Limits::default(),
            keys: (!has.has(Mask::CANCEL_ANY)).then(KeySet::default),
            owed_cancels: Vec::new(),
            stash: VecDeque::new(),
            provided: None,
            shape: (config.buffers, config.buffer_size),
            receiving: KeyMap::default(),
            fds: FdTable::of_process(),
            in_flight: 0,
            gather: Gather::default(),
            notify: OnceCell::new(),
            closing: false,
            made: Generation::current(),
            counters: Counters::default(),
        }))
    }

    /// Makes the calling thread the one that uses the driver, before anything else is done with it.
    ///
    /// # Errors
    /// `EBADFD` if it was bound before; the kernel has no other reason for one: it takes no memory and no descriptor.
    pub fn bind(&mut self) -> Result<(), Errno> {
        if self.index.is_some() {
            return Err(Errno(libc::EBADFD));
        }
        self.index = bind(&self.ring, self.has)?;
        match self.index {
            Some(index) => self.enter_fd = index,
            // The thread's table is full: the descriptor serves as well.
            None => self.has = Mask(self.has.0 & !Mask::RING_FD.0),
        }
        Ok(())
    }

    /// Wakes this driver's owner from any thread. May outlive the driver.
    #[must_use]
    pub fn unparker(&self) -> Arc<dyn Unpark> {
        match &self.wake {
            Wake::Futex(wake) => wake.clone(),
            Wake::Event(wake, _) => wake.clone(),
        }
    }

    /// Cancels all operations, waits until the kernel has let go of each, and refuses further ones.
    ///
    /// Blocks for as long as a disk takes to answer; what waits for a peer ends at once.
    ///
    /// # Errors
    /// What `io_uring_enter` says; [`FORKED`] in a forked child.
    pub fn shutdown(&mut self, sink: &mut dyn FnMut(OpKey, Completion)) -> Result<usize, Errno> {
        if self.made.is_foreign() {
            return Err(FORKED);
        }
        self.push_copy();
        self.closing = true;
        self.drop_rests();
        self.follow.values_mut().for_each(Follow::end);
        self.receiving.clear();
        self.lazy.iter_mut().for_each(|lazy| lazy.cancelled = true);
        let (mut count, mut looks) = (0, 0);
        while self.in_flight > 0 || self.armed {
            self.cancel_everything()?;
            if looks > 0 {
                self.reset_unacknowledged();
            }
            looks += 1;
            // An operation that was on its way to a kernel thread may miss the first cancel.
            let again = Deadline(self.now() + std::time::Duration::from_millis(20));
            self.enter_waiting(Some(again))?;
            count += self.take_completions(sink)?;
        }
        Ok(count)
    }

    /// Whether files are tried without blocking before anything else.
    #[must_use]
    pub fn tries_files(&self) -> bool {
        self.has.has(Mask::INLINE_FILES)
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Nanos {
        clock::now()
    }

    /// The first byte of provided buffer `id`.
    ///
    /// # Panics
    /// If no completion has named such a buffer.
    #[must_use]
    pub fn buffer(&self, id: u16) -> *mut u8 {
        self.provided.as_ref().expect("a completion named the buffer").at(id)
    }

    /// Gives a provided buffer back.
    pub fn recycle(&mut self, id: u16) {
        if let Some(provided) = &mut self.provided {
            provided.recycle(id);
        }
    }

    /// Operations without their last completion.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight + self.copies.sends.len()
    }

    /// What the driver has done since it was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters { syscalls: self.counters.syscalls + self.wake.calls(), ..self.counters }
    }

    /// `"uring"`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        "uring"
    }

    /// What was chosen, and why.
    #[must_use]
    pub fn description(&self) -> Description {
        let futex = matches!(self.wake, Wake::Futex(_));
        Description(Chosen::Uring { has: self.has, mask: self.mask, futex })
    }
}

impl UringDriver {
    /// The kernel may yet write to operations' buffers and to ours: nothing of that is given back.
    fn leak(&mut self) {
        std::mem::forget(self.provided.take());
        std::mem::forget(std::mem::take(&mut self.copies));
        if let Wake::Event(_, place) = &mut self.wake {
            std::mem::forget(std::mem::take(place));
        }
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        if self.made.is_foreign() {
            // The rings are not mapped here; all there is to close are descriptors, and exit does that.
            return;
        }
        let own_count = self.copies.rests.len();
        if self.in_flight > own_count {
            if cfg!(debug_assertions) && !std::thread::panicking() {
                let n = self.in_flight - own_count;
                let _ = writeln!(std::io::stderr(), "io_uring driver dropped with {n} operations in flight");
                std::process::abort();
            }
            return self.leak();
        }
        // The driver's own go first: the standing unpark, which as a read points into `self.wake`, and the rests of copies. Fails
        // on a thread that does not own the ring.
        if (self.armed || own_count > 0) && self.shutdown(&mut |_, _| {}).is_err() {
            return self.leak();
        }
        if let Some(index) = self.index {
            unregister_fd(&self.ring, index);
        }
        // SAFETY: dropped here only, and not used again.
        unsafe { ManuallyDrop::drop(&mut self.ring) };
    }
}
