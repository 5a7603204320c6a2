//! Results fetched without waiting for them.

use core::task::{Context, Poll, Waker};
use std::format;
use std::sync::Arc;
use std::task::Wake;

use super::{AfterComplete, Completion, Flavour, OpSlab, Request};
use crate::park::ParkWord;
use crate::sync::{AtomicUsize, Ordering};
use crate::testing::Bed;

#[test]
fn a_result_is_there_to_be_taken_once_it_is() {
    for flavour in [Flavour::Local, Flavour::Shared] {
        let slab = OpSlab::new(Arc::new(ParkWord::new()), Arc::new(Bed::default()), flavour);
        let (mut handle, _) = slab.submit("payload", |_, _| Request::Nop).unwrap();
        assert!(handle.try_take().is_none());
        assert!(format!("{handle:?}").contains("done: false"));
        // SAFETY: no driver ever hears of this operation.
        let after = unsafe { slab.complete(handle.key(), Completion::done(7)) };
        assert!(matches!(after, AfterComplete::Delivered));
        assert!(format!("{handle:?}").contains("done: true"));
        let (completion, payload) = handle.try_take().unwrap();
        assert_eq!((completion.res, payload), (7, "payload"));
        assert!(handle.try_take().is_none(), "taken already");
        assert!(slab.is_quiet());
    }
}

#[test]
fn a_stream_of_results_is_fetched_one_by_one_and_ends() {
    for flavour in [Flavour::Local, Flavour::Shared] {
        let slab = OpSlab::new(Arc::new(ParkWord::new()), Arc::new(Bed::default()), flavour);
        let (mut handle, _) =
            slab.submit((), |_, _| Request::RecvMulti { fd: 3 }).unwrap_or_else(|e| panic!("{e:?}"));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(handle.try_next().is_none());
        assert!(handle.poll_next(&mut cx).is_pending());
        for (res, more) in [(4, true), (5, true), (-125, false)] {
            let completion = Completion { res, flags: if more { Completion::MORE } else { 0 } };
            // SAFETY: no driver ever hears of this operation.
            let _ = unsafe { slab.complete(handle.key(), completion) };
        }
        assert_eq!(handle.try_next().unwrap().res, 4);
        let Poll::Ready(Some(second)) = handle.poll_next(&mut cx) else { panic!("it is there") };
        assert!(second.res == 5 && second.more());
        let last = handle.try_next().unwrap();
        assert!(last.res == -125 && !last.more());
        assert!(handle.try_next().is_none());
        assert!(matches!(handle.poll_next(&mut cx), Poll::Ready(None)));
        assert!(slab.is_quiet());
    }
}

#[test]
fn a_stream_is_waited_for_unless_there_is_a_next_one() {
    for flavour in [Flavour::Local, Flavour::Shared] {
        let slab = OpSlab::new(Arc::new(ParkWord::new()), Arc::new(Bed::default()), flavour);
        let (mut handle, _) =
            slab.submit((), |_, _| Request::RecvMulti { fd: 3 }).unwrap_or_else(|e| panic!("{e:?}"));
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let mut cx = Context::from_waker(&waker);
        let complete = |key, completion| {
            // SAFETY: no driver ever hears of this operation.
            let after = unsafe { slab.complete(key, completion) };
            assert!(matches!(after, AfterComplete::Delivered));
        };
        let rung = || bell.0.load(Ordering::Relaxed);
        assert_eq!(handle.poll_step(&mut cx), Poll::Pending);
        complete(handle.key(), Completion::step(4));
        complete(handle.key(), Completion::step(5));
        assert_eq!(rung(), 1);
        assert_eq!(
            handle.poll_step(&mut cx),
            Poll::Ready(Some((Completion::step(4), false))),
            "one is there"
        );
        assert_eq!(handle.poll_step(&mut cx), Poll::Ready(Some((Completion::step(5), true))));
        complete(handle.key(), Completion::step(6));
        assert_eq!(rung(), 2);
        complete(handle.key(), Completion::done(-125));
        assert_eq!(
            handle.poll_step(&mut cx),
            Poll::Ready(Some((Completion::step(6), false))),
            "the end is there"
        );
        assert_eq!(handle.poll_step(&mut cx), Poll::Ready(Some((Completion::done(-125), false))));
        assert_eq!(handle.poll_step(&mut cx), Poll::Ready(None));
        assert_eq!(rung(), 2);
        drop(waker);
        assert_eq!(Arc::strong_count(&bell), 1);
    }
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_destructor_takes_what_it_may_and_leaves_the_rest() {
    for flavour in [Flavour::Local, Flavour::Shared] {
        let slab = OpSlab::new(Arc::new(ParkWord::new()), Arc::new(Bed::default()), flavour);
        let (mut handle, _) =
            slab.submit((), |_, _| Request::AcceptMulti { fd: 3 }).unwrap_or_else(|e| panic!("{e:?}"));
        for fd in 10..13 {
            // SAFETY: no driver ever hears of it.
            let _ = unsafe { slab.complete(handle.key(), Completion::step(fd)) };
        }
        assert_eq!(handle.next_if_here(), Some(Completion::step(10)));
        let (handle, elsewhere) = std::thread::spawn(move || {
            let next = handle.next_if_here();
            (handle, next)
        })
        .join()
        .unwrap();
        let shared = slab.flavour() == Flavour::Shared;
        assert_eq!(elsewhere, shared.then_some(Completion::step(11)));
        // SAFETY: as above.
        let _ = unsafe { slab.complete(handle.key(), Completion::done(-125)) };
        std::thread::spawn(move || drop(handle)).join().unwrap();
        slab.take_cancels(|_| {});
        let mut left = std::vec::Vec::new();
        slab.take_unclaimed(|_, c| left.push(c.res));
        assert_eq!(left, if shared { &[12][..] } else { &[11, 12][..] });
    }
}
