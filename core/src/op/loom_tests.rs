//! The owner is the model's first thread; holders run on others, so that every free, cancel and drop
//! takes the way over the stacks. Owner and holder on one thread is what the unit tests do.

mod multishot;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use std::sync::Mutex;
use std::task::Wake;

use loom::future::block_on;
use loom::sync::Notify;
use loom::thread;

use super::*;
use crate::driver::Unpark;
use crate::park::ParkWord;
use crate::sync::{UnsafeCell, model};

struct Bell(Notify);

impl Unpark for Bell {
    fn unpark(&self) {
        self.0.notify();
    }
}

/// A slab and its owner's sleeping place.
struct Owner {
    slab: OpSlab,
    park: Arc<ParkWord>,
    bell: Arc<Bell>,
}

const CANCELLED: i32 = -125;

impl Owner {
    fn new(flavour: Flavour) -> Self {
        let (park, bell) = (Arc::new(ParkWord::new()), Arc::new(Bell(Notify::new())));
        let slab = OpSlab::new(Arc::clone(&park), Arc::clone(&bell) as Arc<dyn Unpark>, flavour);
        Owner { slab, park, bell }
    }

    fn submit<P: 'static>(&self, payload: P, request: Request) -> OpHandle<P> {
        self.slab.submit(payload, |_, _| request).unwrap_or_else(|e| panic!("{e:?}")).0
    }

    fn complete(&self, key: OpKey, c: Completion) -> AfterComplete {
        // SAFETY: no driver ever hears of these operations.
        unsafe { self.slab.complete(key, c) }
    }

    fn done(&self, key: OpKey, res: i32) -> AfterComplete {
        self.complete(key, Completion::done(res))
    }

    fn sleep(&self) {
        if self.park.begin() {
            self.bell.0.wait();
        }
        self.park.end();
    }

    /// An operation on a buffer; where the buffer lies; how often it was dropped.
    fn submit_buffer(&self) -> (OpHandle<Buffer>, *mut Buffer, Arc<Drops>) {
        let drops = Arc::new(Drops::default());
        let buffer = Buffer { bytes: UnsafeCell::new(0), drops: Arc::clone(&drops) };
        let mut place = core::ptr::null_mut();
        let submitted = self.slab.submit(buffer, |at, _| {
            place = at;
            Request::Nop
        });
        (submitted.unwrap_or_else(|e| panic!("{e:?}")).0, place, drops)
    }

    /// Serves cancels until everything is over; sleeps in between, as a worker does.
    fn wind_down(&self) {
        self.wind_down_after(|| ());
    }

    /// The same; calls `last` before an operation completes.
    fn wind_down_after(&self, last: impl Fn()) {
        loop {
            let mut keys = Vec::new();
            self.slab.take_cancels(|key| keys.push(key));
            for key in keys {
                last();
                let _ = self.done(key, CANCELLED);
            }
            if self.slab.is_quiet() {
                return;
            }
            self.sleep();
        }
    }

    /// The bell is free when the slab's memory is.
    fn close(self) -> Arc<Bell> {
        self.slab.close();
        self.bell
    }

    /// Uses the slots again: whoever still touched them would be seen by loom.
    fn use_again(&self) {
        self.slab.take_unclaimed(|_, _| ());
        let handles: [_; 2] = core::array::from_fn(|_| self.submit((), Request::Nop));
        for handle in handles {
            let _ = self.done(handle.key(), 0);
        }
    }
}

/// How often a payload was dropped. Loom does not see it, so it orders nothing.
#[derive(Default)]
struct Drops(Mutex<usize>);

impl Drops {
    fn get(&self) -> usize {
        *self.0.lock().unwrap()
    }
}

/// A payload that the driver writes to, and whose destructor reads what was written.
struct Buffer {
    bytes: UnsafeCell<u8>,
    drops: Arc<Drops>,
}

impl Buffer {
    fn is_filled(&self) -> bool {
        // SAFETY: whoever has the payload has it alone. Loom checks just that.
        self.bytes.with(|p| unsafe { *p }) != 0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        assert!(self.is_filled(), "dropped before the driver was done with it");
        *self.drops.0.lock().unwrap() += 1;
    }
}

/// What a driver does just before it reports the completion.
fn fill(buffer: *mut Buffer) {
    // SAFETY: the payload stays where it is until the completion.
    let bytes = unsafe { &(*buffer).bytes };
    // SAFETY: it is the driver's until then. Loom checks just that.
    bytes.with_mut(|p| unsafe { *p = 1 });
}

fn fetch<P>(mut handle: OpHandle<P>) -> (Completion, P) {
    block_on(poll_fn(|cx| handle.poll(cx)))
}

/// A waker that does nothing but be counted.
struct Silent;

impl Wake for Silent {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn loom_op_complete_against_poll() {
    model("op_complete_against_poll", None, || {
        let owner = Owner::new(Flavour::Shared);
        let (handle, place, drops) = owner.submit_buffer();
        let key = handle.key();
        let holder = thread::spawn(move || fetch(handle));
        fill(place);
        let _ = owner.done(key, 5);
        owner.use_again();
        let (completion, payload) = holder.join().unwrap();
        assert!(completion.res == 5 && payload.is_filled());
        drop(payload);
        assert_eq!(drops.get(), 1);
        owner.use_again();
        owner.slab.close();
    });
}

/// A result that the owner tells only after a sleep, as a driver does of lazy sends.
#[test]
fn loom_op_hurry_against_sleep() {
    model("op_hurry_against_sleep", None, || {
        let owner = Owner::new(Flavour::Shared);
        let mut handle = owner.submit((), Request::Nop);
        let key = handle.key();
        let holder = thread::spawn(move || {
            block_on(poll_fn(|cx| {
                let polled = handle.poll(cx);
                if polled.is_pending() {
                    handle.hurry();
                }
                polled
            }))
        });
        owner.sleep();
        let _ = owner.done(key, 7);
        assert_eq!(holder.join().unwrap().0.res, 7);
        owner.use_again();
        owner.slab.close();
    });
}

#[test]
fn loom_op_complete_against_waker_taken_back() {
    model("op_complete_against_waker_taken_back", None, || {
        let owner = Owner::new(Flavour::Shared);
        let mut handle = owner.submit((), Request::Nop);
        let key = handle.key();
        let silent = Arc::new(Silent);
        let waker = Waker::from(Arc::clone(&silent));
        let holder = thread::spawn(move || {
            let cx = &mut Context::from_waker(&waker);
            while handle.poll(cx).is_pending() && handle.is_done() {}
        });
        let _ = owner.done(key, 0);
        owner.use_again();
        holder.join().unwrap();
        owner.wind_down();
        assert_eq!(Arc::strong_count(&silent), 1, "a free slot keeps a waker");
        owner.slab.close();
    });
}

#[test]
fn loom_op_complete_against_drop() {
    model("op_complete_against_drop", None, || {
        let owner = Owner::new(Flavour::Shared);
        let (mut handle, place, drops) = owner.submit_buffer();
        let key = handle.key();
        let holder = thread::spawn(move || {
            let result = handle.poll(&mut Context::from_waker(Waker::noop()));
            drop(handle);
            drop(result);
        });
        fill(place);
        let _ = owner.done(key, 0);
        owner.use_again();
        holder.join().unwrap();
        owner.wind_down();
        assert_eq!(drops.get(), 1);
        owner.use_again();
        owner.slab.close();
    });
}

#[test]
fn loom_op_cancel_then_take_against_complete() {
    model("op_cancel_then_take_against_complete", None, || {
        let owner = Owner::new(Flavour::Shared);
        let mut handle = owner.submit(7_u64, Request::Nop);
        let key = handle.key();
        let holder = thread::spawn(move || {
            handle.cancel();
            fetch(handle)
        });
        let _ = owner.done(key, 5);
        owner.wind_down();
        owner.use_again();
        let (completion, payload) = holder.join().unwrap();
        assert_eq!((completion.res, payload), (5, 7), "work that was done is never reported cancelled");
        owner.wind_down();
        owner.use_again();
        owner.slab.close();
    });
}

#[test]
fn loom_op_cancel_popped_against_drop() {
    model("op_cancel_popped_against_drop", None, || {
        let owner = Owner::new(Flavour::Shared);
        let (mut handle, place, drops) = owner.submit_buffer();
        // Never completes of itself: a cancel that gets lost is a deadlock.
        let holder = thread::spawn(move || {
            handle.cancel();
            drop(handle);
        });
        owner.wind_down_after(|| fill(place));
        owner.use_again();
        holder.join().unwrap();
        owner.slab.take_unclaimed(|_, _| ());
        assert_eq!(drops.get(), 1);
        owner.slab.close();
    });
}

#[test]
fn loom_op_two_drops_against_close() {
    model("op_two_drops_against_close", Some(2), || {
        let owner = Owner::new(Flavour::Shared);
        let handles: [_; 2] = core::array::from_fn(|_| owner.submit((), Request::Nop));
        let holders = handles.map(|handle| thread::spawn(move || drop(handle)));
        owner.wind_down();
        owner.slab.close();
        for holder in holders {
            holder.join().unwrap();
        }
    });
}

#[test]
fn loom_op_drop_against_complete_and_close() {
    model("op_drop_against_complete_and_close", None, || {
        let owner = Owner::new(Flavour::Shared);
        let (handle, place, drops) = owner.submit_buffer();
        let key = handle.key();
        let holder = thread::spawn(move || drop(handle));
        fill(place);
        let _ = owner.done(key, 0);
        owner.wind_down();
        let bell = owner.close();
        holder.join().unwrap();
        assert_eq!(Arc::strong_count(&bell), 1, "the memory was not freed");
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn loom_op_close_with_held_slots() {
    model("op_close_with_held_slots", Some(2), || {
        let owner = Owner::new(Flavour::Shared);
        let ((taken, place, drops), dropped) = (owner.submit_buffer(), owner.submit((), Request::Nop));
        let key = taken.key();
        let _ = owner.done(dropped.key(), 0);
        let taker = thread::spawn(move || {
            let (completion, payload) = fetch(taken);
            drop(payload);
            completion.res
        });
        let dropper = thread::spawn(move || drop(dropped));
        fill(place);
        let _ = owner.done(key, 3);
        owner.wind_down();
        let bell = owner.close();
        assert_eq!(taker.join().unwrap(), 3);
        dropper.join().unwrap();
        assert_eq!(Arc::strong_count(&bell), 1, "the memory was not freed");
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn loom_op_reuse_against_stale_key() {
    model("op_reuse_against_stale_key", None, || {
        let owner = Owner::new(Flavour::Shared);
        let handle = owner.submit(1_u64, Request::Nop);
        let stale = handle.key();
        let holder = thread::spawn(move || fetch(handle).1);
        let _ = owner.done(stale, 0);
        owner.slab.take_unclaimed(|_, _| ());
        // In some schedules in the slot that the holder has just freed.
        let mut second = owner.submit(2_u64, Request::Nop);
        assert!(matches!(owner.done(stale, 9), AfterComplete::Stale));
        assert!(!second.is_done());
        let _ = owner.done(second.key(), 4);
        let (completion, payload) = second.try_take().unwrap();
        assert_eq!((completion.res, payload), (4, 2));
        assert_eq!(holder.join().unwrap(), 1);
        owner.slab.close();
    });
}

#[test]
fn loom_op_local_dropped_elsewhere_against_close() {
    model("op_local_dropped_elsewhere_against_close", Some(3), || {
        let owner = Owner::new(Flavour::Local);
        let ((done, place, drops), flying) = (owner.submit_buffer(), owner.submit((), Request::Nop));
        let key = done.key();
        let holder = thread::spawn(move || {
            drop(flying);
            drop(done);
        });
        fill(place);
        let _ = owner.done(key, 0);
        owner.wind_down();
        let bell = owner.close();
        holder.join().unwrap();
        assert_eq!(Arc::strong_count(&bell), 1, "the memory was not freed");
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn loom_op_cancel_against_close() {
    model("op_cancel_against_close", Some(3), || {
        let owner = Owner::new(Flavour::Shared);
        let mut handle = owner.submit(7_u64, Request::Nop);
        let key = handle.key();
        let holder = thread::spawn(move || {
            handle.cancel();
            fetch(handle)
        });
        let _ = owner.done(key, 5);
        owner.wind_down();
        let bell = owner.close();
        assert_eq!(holder.join().unwrap().1, 7);
        assert_eq!(Arc::strong_count(&bell), 1, "the memory was not freed");
    });
}
