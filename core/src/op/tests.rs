use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::task::{Context, Poll, Waker};
use std::rc::Rc;
use std::task::Wake;

use super::*;
use crate::config::MULTI_RING;
use crate::driver::{Deadline, Nanos, Unpark};
use crate::park::ParkWord;
use crate::sync::{AtomicUsize, Ordering};
use crate::timer::Wheel;

const BOTH: [Flavour; 2] = [Flavour::Shared, Flavour::Local];
/// Completions that fit the ring of a multishot operation.
const FULL: u16 = MULTI_RING as u16;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Unpark for Bell {
    fn unpark(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn slab(flavour: Flavour) -> OpSlab {
    OpSlab::new(Arc::new(ParkWord::new()), Arc::new(Bell::default()), flavour)
}

/// A payload that counts how often it was dropped, of any size.
struct Counted<const PAD: usize>(Arc<AtomicUsize>, [u64; PAD]);

impl<const PAD: usize> Drop for Counted<PAD> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted<const PAD: usize>() -> (Counted<PAD>, Arc<AtomicUsize>) {
    let drops = Arc::new(AtomicUsize::new(0));
    (Counted(Arc::clone(&drops), [0; PAD]), drops)
}

fn submit<P: 'static>(slab: &OpSlab, payload: P, request: Request) -> OpHandle<P> {
    slab.submit(payload, |_, _| request).unwrap_or_else(|e| panic!("{e:?}")).0
}

fn complete(slab: &OpSlab, key: OpKey, res: i32) -> AfterComplete {
    // SAFETY: no driver ever hears of these operations.
    unsafe { slab.complete(key, Completion::done(res)) }
}

fn poll<P>(handle: &mut OpHandle<P>) -> Poll<(Completion, P)> {
    handle.poll(&mut Context::from_waker(Waker::noop()))
}

fn cancels(slab: &OpSlab) -> Vec<OpKey> {
    let mut keys = Vec::new();
    slab.take_cancels(|key| keys.push(key));
    keys
}

#[test]
fn a_result_comes_back_with_its_payload() {
    for flavour in BOTH {
        let slab = slab(flavour);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let mut at = core::ptr::null();
        let (mut handle, _) = slab
            .submit([1_u8, 2, 3], |payload, _| {
                at = payload;
                Request::Nop
            })
            .unwrap();
        assert!(handle.poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(handle.poll(&mut Context::from_waker(&waker)).is_pending());
        // SAFETY: the payload lies in the slot.
        assert_eq!(unsafe { *at }, [1, 2, 3]);
        assert!(matches!(complete(&slab, handle.key(), 3), AfterComplete::Delivered));
        assert_eq!(bell.rung(), 1);
        let Poll::Ready((completion, payload)) = poll(&mut handle) else { panic!("not ready") };
        assert_eq!((completion.res, payload), (3, [1, 2, 3]));
        drop(waker);
        assert_eq!(Arc::strong_count(&bell), 1, "the slot keeps a waker");
        assert!(slab.is_quiet());
    }
}

fn payload_dropped_once<const PAD: usize>(flavour: Flavour) {
    let slab = slab(flavour);
    // Taken.
    let (payload, drops) = counted::<PAD>();
    let mut handle = submit(&slab, payload, Request::Nop);
    let _ = complete(&slab, handle.key(), 0);
    let result = poll(&mut handle);
    drop(handle);
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    drop(result);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    // Dropped after the end.
    let (payload, drops) = counted::<PAD>();
    let handle = submit(&slab, payload, Request::Nop);
    let _ = complete(&slab, handle.key(), 0);
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    drop(handle);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    // Orphaned: lives until the completion.
    let (payload, drops) = counted::<PAD>();
    let handle = submit(&slab, payload, Request::Nop);
    let key = handle.key();
    drop(handle);
    assert_eq!(cancels(&slab), [key]);
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    assert!(matches!(complete(&slab, key, -125), AfterComplete::Orphaned(Request::Nop)));
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    // Withdrawn.
    let (payload, drops) = counted::<PAD>();
    let handle = submit(&slab, payload, Request::Nop);
    // SAFETY: no driver knows it.
    let payload = unsafe { handle.withdraw() };
    assert_eq!((drops.load(Ordering::Relaxed), slab.live()), (0, 0));
    drop(payload);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    // Dropped on another thread, before and after the end.
    let (payload, drops) = counted::<PAD>();
    let early = submit(&slab, payload, Request::Nop);
    let key = early.key();
    std::thread::spawn(move || drop(early)).join().unwrap();
    assert_eq!(cancels(&slab), [key]);
    let _ = complete(&slab, key, -125);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    let (payload, drops) = counted::<PAD>();
    let late = submit(&slab, payload, Request::Nop);
    let _ = complete(&slab, late.key(), 0);
    std::thread::spawn(move || drop(late)).join().unwrap();
    assert_eq!(cancels(&slab), []);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    // Held past the end of the slab.
    let (payload, drops) = counted::<PAD>();
    let mut held = submit(&slab, payload, Request::Nop);
    let _ = complete(&slab, held.key(), 9);
    let (payload, never_fetched) = counted::<PAD>();
    let dropped = submit(&slab, payload, Request::Nop);
    let (payload, elsewhere) = counted::<PAD>();
    let moved = submit(&slab, payload, Request::Nop);
    let _ = complete(&slab, dropped.key(), 0);
    let _ = complete(&slab, moved.key(), 0);
    slab.close();
    let Poll::Ready((completion, payload)) = poll(&mut held) else { panic!("lost") };
    assert_eq!(completion.res, 9);
    assert_eq!(drops.load(Ordering::Relaxed), 0);
    drop(payload);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    std::thread::spawn(move || drop(moved)).join().unwrap();
    assert_eq!(elsewhere.load(Ordering::Relaxed), 1);
    drop(dropped);
    assert_eq!(never_fetched.load(Ordering::Relaxed), 1);
}

#[test]
fn a_payload_is_dropped_exactly_once_on_every_path() {
    for flavour in BOTH {
        payload_dropped_once::<0>(flavour); // inline
        payload_dropped_once::<32>(flavour); // boxed
    }
}

#[test]
fn a_big_or_overaligned_payload_keeps_its_address() {
    #[repr(align(64))]
    struct Wide(u8);
    let slab = slab(Flavour::Shared);
    let mut at = core::ptr::null_mut();
    let (mut handle, _) = slab
        .submit(Wide(5), |payload, _| {
            at = payload;
            Request::Nop
        })
        .unwrap();
    assert!(at.is_aligned());
    // SAFETY: as a driver would write to it.
    unsafe { (*at).0 = 6 };
    let _ = complete(&slab, handle.key(), 0);
    let Poll::Ready((_, wide)) = poll(&mut handle) else { panic!("not ready") };
    assert_eq!(wide.0, 6);
}

#[test]
fn a_panic_while_building_the_request_leaves_nothing_behind() {
    let slab = slab(Flavour::Shared);
    let (payload, drops) = counted::<0>();
    let result = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        let _ = slab.submit(payload, |_, _| panic!("no request"));
    }));
    assert!(result.is_err());
    assert_eq!((drops.load(Ordering::Relaxed), slab.live()), (1, 0));
    assert!(slab.is_quiet());
}

#[test]
fn a_stale_key_is_recognised() {
    let slab = slab(Flavour::Shared);
    let mut first = submit(&slab, (), Request::Nop);
    let stale = first.key();
    let _ = complete(&slab, stale, 0);
    assert!(matches!(complete(&slab, stale, 1), AfterComplete::Stale), "twice");
    assert!(poll(&mut first).is_ready());
    let second = submit(&slab, (), Request::Nop);
    assert_eq!(second.key().index(), stale.index(), "the slot is used again");
    assert!(matches!(complete(&slab, stale, 2), AfterComplete::Stale));
    assert!(matches!(complete(&slab, OpKey(0), 0), AfterComplete::Stale));
    assert!(matches!(complete(&slab, OpKey(u64::MAX), 0), AfterComplete::Stale));
    assert!(slab.request(stale).is_none());
    assert!(slab.request(second.key()).is_some());
    let key = second.key();
    drop(second);
    let _ = complete(&slab, key, 0);
}

#[test]
fn cancel_is_passed_on_once_and_the_result_still_comes() {
    for flavour in BOTH {
        let slab = slab(flavour);
        let mut handle = submit(&slab, (), Request::Nop);
        handle.cancel();
        handle.cancel();
        assert_eq!(cancels(&slab), [handle.key()]);
        assert_eq!(cancels(&slab), []);
        let _ = complete(&slab, handle.key(), 5);
        assert!(matches!(poll(&mut handle), Poll::Ready((c, ())) if c.res == 5));
        // Cancelled, and over before the owner looked.
        let mut handle = submit(&slab, (), Request::Nop);
        handle.cancel();
        let _ = complete(&slab, handle.key(), 6);
        assert!(poll(&mut handle).is_ready());
        let next = submit(&slab, (), Request::Nop);
        assert_eq!(cancels(&slab), [], "the slot's next operation was cancelled");
        let key = next.key();
        drop(next);
        assert_eq!(cancels(&slab), [key], "on the list once more");
        let _ = complete(&slab, key, 0);
    }
}

#[test]
fn another_thread_wakes_the_owner_to_cancel() {
    let (park, bell) = (Arc::new(ParkWord::new()), Arc::new(Bell::default()));
    let slab = OpSlab::new(Arc::clone(&park), Arc::clone(&bell) as Arc<dyn Unpark>, Flavour::Shared);
    let mut handle = submit(&slab, (), Request::Nop);
    let key = handle.key();
    assert!(park.begin());
    std::thread::spawn(move || {
        handle.cancel();
        drop(handle);
    })
    .join()
    .unwrap();
    assert!(park.end());
    assert_eq!(bell.rung(), 1);
    assert!(!slab.is_quiet());
    assert_eq!(cancels(&slab), [key]);
    let _ = complete(&slab, key, -125);
    assert!(slab.is_quiet());
}

#[test]
fn a_handle_may_be_dropped_and_a_submission_made_inside_a_wake() {
    std::thread_local!(static INSIDE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) });
    struct Inside;
    impl Wake for Inside {
        fn wake(self: Arc<Self>) {
            let f = INSIDE.with_borrow_mut(Option::take);
            f.expect("woken once")();
        }
    }
    for flavour in BOTH {
        let slab = Rc::new(slab(flavour));
        let mut first = submit(&slab, (), Request::Nop);
        let other = submit(&slab, (), Request::Nop);
        let (key, other_key) = (first.key(), other.key());
        let waker = Waker::from(Arc::new(Inside));
        assert!(first.poll(&mut Context::from_waker(&waker)).is_pending());
        let third = Rc::new(Cell::new(None));
        INSIDE.set(Some(Box::new({
            let (slab, third) = (Rc::clone(&slab), Rc::clone(&third));
            move || {
                drop(other);
                drop(first);
                third.set(Some(submit(&slab, (), Request::Nop)));
            }
        })));
        let _ = complete(&slab, key, 0);
        assert_eq!(cancels(&slab), [other_key]);
        let _ = complete(&slab, other_key, -125);
        let third = third.take().unwrap();
        assert_eq!(third.key().index(), key.index());
        let _ = complete(&slab, third.key(), 0);
    }
}

#[test]
fn many_operations_and_frees_from_another_thread() {
    for flavour in BOTH {
        let slab = slab(flavour);
        for round in 0..3 {
            let handles: Vec<_> = (0..200).map(|n| submit(&slab, n, Request::Nop)).collect();
            assert!(handles.iter().all(|h| h.key().index() < 200), "round {round}: slots come back");
            for handle in &handles {
                let _ = complete(&slab, handle.key(), 1);
            }
            std::thread::spawn(move || drop(handles)).join().unwrap();
            assert_eq!(cancels(&slab), []);
        }
    }
}

#[test]
fn multishot_keeps_order_past_full_and_ends_once() {
    for flavour in BOTH {
        let slab = slab(flavour);
        let mut handle = submit(&slab, (), Request::RecvMulti { fd: 3 });
        let key = handle.key();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(handle.poll_next(cx).is_pending());
        for id in 0..FULL + 12 {
            // SAFETY: no driver ever hears of it.
            let _ = unsafe { slab.complete(key, Completion::in_buffer(1, id, true)) };
        }
        assert_eq!(cancels(&slab), [key], "cancelled when the ring was full");
        let mut seen = Vec::new();
        for _ in 0..3 {
            let Poll::Ready(Some(c)) = handle.poll_next(cx) else { panic!("lost") };
            seen.push(c.buffer().unwrap());
        }
        // There is room in the ring again, but order counts.
        // SAFETY: no driver ever hears of it.
        let _ = unsafe { slab.complete(key, Completion::in_buffer(1, FULL + 12, true)) };
        let _ = complete(&slab, key, -125);
        while let Poll::Ready(Some(c)) = handle.poll_next(cx) {
            match c.buffer() {
                Some(id) => seen.push(id),
                None => assert_eq!(c.res, -125),
            }
        }
        assert_eq!(seen, (0..=FULL + 12).collect::<Vec<_>>());
        assert_eq!(handle.poll_next(cx), Poll::Ready(None));
        assert!(handle.is_done());
    }
}

#[test]
fn completions_that_nobody_fetched_are_handed_back() {
    for flavour in BOTH {
        let slab = slab(flavour);
        let unclaimed = |slab: &OpSlab| {
            let mut all = Vec::new();
            slab.take_unclaimed(|_, c| all.push(c));
            all
        };
        let handle = submit(&slab, (), Request::RecvMulti { fd: 3 });
        let key = handle.key();
        for id in 0..FULL + 4 {
            // SAFETY: no driver ever hears of it.
            let _ = unsafe { slab.complete(key, Completion::in_buffer(1, id, true)) };
        }
        // SAFETY: as above.
        let _ = unsafe { slab.complete(key, Completion::in_buffer(1, FULL + 4, false)) };
        std::thread::spawn(move || drop(handle)).join().unwrap();
        cancels(&slab);
        let ids: Vec<_> = unclaimed(&slab).iter().map(|c| c.buffer().unwrap()).collect();
        assert_eq!(ids, (0..=FULL + 4).collect::<Vec<_>>());
        // After it is gone, each is the caller's at once.
        let handle = submit(&slab, (), Request::RecvMulti { fd: 3 });
        let key = handle.key();
        drop(handle);
        cancels(&slab);
        // SAFETY: as above.
        let after = unsafe { slab.complete(key, Completion::in_buffer(1, 1, true)) };
        assert!(matches!(after, AfterComplete::Orphaned(Request::RecvMulti { fd: 3 })));
        assert!(matches!(complete(&slab, key, -125), AfterComplete::Orphaned(_)));
        assert_eq!(unclaimed(&slab), []);
        // Connections that were accepted for nobody, the last of them included.
        let handle = submit(&slab, (), Request::AcceptMulti { fd: 3 });
        for fd in 10..60 {
            // SAFETY: as above.
            let _ = unsafe { slab.complete(handle.key(), Completion::step(fd)) };
        }
        cancels(&slab);
        let _ = complete(&slab, handle.key(), 60);
        drop(handle);
        let fds: Vec<_> = unclaimed(&slab).iter().map(|c| c.res).collect();
        assert_eq!(fds, (10..=60).collect::<Vec<_>>());
        // A descriptor that was never looked at; a byte count is nothing to give back.
        let null = core::ptr::null_mut();
        let accept = Request::Accept { fd: 3, addr: null, addr_len: null.cast() };
        for (request, res, n) in [(accept, 7, 1), (accept, -9, 0), (Request::Nop, 7, 0)] {
            let handle = submit(&slab, (), request);
            let _ = complete(&slab, handle.key(), res);
            drop(handle);
            assert_eq!(unclaimed(&slab).len(), n);
        }
    }
}

#[test]
fn shutdown_cancels_refuses_and_closes() {
    for flavour in BOTH {
        let slab = slab(flavour);
        let mut waiting = submit(&slab, 1_u8, Request::Nop);
        let done = submit(&slab, 2_u8, Request::Nop);
        let _ = complete(&slab, done.key(), 0);
        let mut keys = Vec::new();
        slab.cancel_all(|key| {
            keys.push(key);
            let _ = complete(&slab, key, -125);
        });
        assert_eq!(keys, [waiting.key()]);
        let refused = slab.submit(3_u8, |_, _| Request::Nop).unwrap_err();
        assert_eq!((refused.payload, refused.reason), (3, RejectReason::Closing));
        assert!(slab.is_quiet());
        slab.close();
        assert!(matches!(poll(&mut waiting), Poll::Ready((c, 1)) if c.res == -125));
    }
}

#[test]
fn an_unquiet_slab_leaves_payloads_alone() {
    for flavour in BOTH {
        let slab = slab(flavour);
        let (payload, drops) = counted::<0>();
        let mut handle = submit(&slab, payload, Request::Nop);
        drop(slab);
        assert!(poll(&mut handle).is_pending());
        handle.cancel();
        drop(handle);
        assert_eq!(drops.load(Ordering::Relaxed), 0, "the kernel may still write to it");
    }
}

#[cfg(feature = "std")] // without, no thread is known to be another
#[test]
fn a_local_operation_is_not_polled_elsewhere() {
    let slab = slab(Flavour::Local);
    let mut handle = submit(&slab, (), Request::Nop);
    let key = handle.key();
    assert!(std::thread::spawn(move || poll(&mut handle)).join().is_err());
    assert_eq!(cancels(&slab), [key], "its drop still arrives");
    let _ = complete(&slab, key, -125);
    assert!(slab.is_quiet());
}

#[test]
fn timers_live_in_the_slots() {
    let slab = slab(Flavour::Local);
    let mut wheel = Wheel::new(Nanos(0));
    let deadline = Deadline(Nanos(1_000_000));
    let mut sleep = submit(&slab, (), Request::Timeout { deadline });
    let dropped = submit(&slab, (), Request::Timeout { deadline });
    assert!(wheel.insert(&slab, sleep.key(), deadline));
    assert!(wheel.insert(&slab, dropped.key(), deadline));
    drop(dropped);
    slab.take_cancels(|key| {
        assert!(wheel.remove(&slab, key));
        let _ = complete(&slab, key, -125);
    });
    while let Some(key) = wheel.pop_expired(&slab, Nanos(2_000_000)) {
        assert_eq!(key, sleep.key());
        let _ = complete(&slab, key, 0);
    }
    assert!(poll(&mut sleep).is_ready());
    assert!(wheel.is_empty() && slab.is_quiet());
}

#[test]
fn room_made_beforehand_is_used() {
    let slab = slab(Flavour::Shared);
    let n = 3 * crate::config::OP_CHUNK_SLOTS + 1;
    assert!(slab.reserve(n) && slab.reserve(1));
    let handles: Vec<_> = (0..2 * n).map(|_| submit(&slab, (), Request::Nop)).collect();
    for (i, handle) in handles.iter().enumerate() {
        assert_eq!(handle.key().index() as usize, i);
        let _ = complete(&slab, handle.key(), 0);
    }
}
