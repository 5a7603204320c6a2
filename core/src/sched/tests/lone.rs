//! A worker without others: its queue grows, and nothing of it goes by way of the injection queue while there is
//! memory to grow in.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ptr;
use std::sync::Arc;
use std::vec::Vec;

use super::end::Guard;
use super::rig::{Clock, Rig, block_on, yield_now};
use crate::config::{CHUNK_BYTES, LARGE_RING, LIFO_SLOTS, LONE_ROOM, REGION_CHUNKS};
use crate::slab::Pages;
use crate::sync::{Lock, Ordering::Relaxed, Unwatched, explore};

/// More than there is room for at first.
const CHILDREN: usize = if cfg!(ouzel_shuttle) { 14 } else { 2_000 };
const _: () = assert!(CHILDREN > 2 * LONE_ROOM + LIFO_SLOTS, "the ring grows more than once");

/// The queue's length when there is no memory for a longer one.
const LONGEST: usize = LARGE_RING / size_of::<usize>() / 2;
/// More than fit in that.
const MANY: usize = LONGEST + LIFO_SLOTS + if cfg!(ouzel_shuttle) { 6 } else { 500 };

#[test]
fn whole_a_lone_worker_runs_a_burst_in_order() {
    explore("a_lone_worker_runs_a_burst_in_order", || {
        let rig = Rig::start(1, Clock::Stands);
        let (shared, order) = (Arc::clone(rig.shared()), Arc::new(Lock::new(Vec::new())));
        let ran = Arc::clone(&order);
        let parent = rig.shared().spawn(async move {
            // Through the ring, which then does not begin at its first slot when it grows.
            yield_now().await;
            let child = |i| {
                let ran = Arc::clone(&ran);
                shared.spawn(async move {
                    ran.lock().push(i);
                    yield_now().await;
                    ran.lock().push(CHILDREN + i);
                })
            };
            let children: Vec<_> = (0..CHILDREN).map(|i| child(i).ok().unwrap()).collect();
            assert!(!shared.has_injected(), "one did not find room");
            for child in children {
                child.await.unwrap();
            }
        });
        block_on(parent.ok().unwrap()).unwrap();
        let metrics = rig.stop();
        assert_eq!(metrics.injected, 1, "the parent alone");
        assert_eq!(metrics.completed, CHILDREN as u64 + 1);
        let order = core::mem::take(&mut *order.lock());
        assert_eq!(order.len(), 2 * CHILDREN, "each ran twice");
        for round in 0..2 {
            // The newest few are in the LIFO slots.
            let queued = round * CHILDREN..(round + 1) * CHILDREN - LIFO_SLOTS;
            let ran: Vec<usize> = order.iter().copied().filter(|i| queued.contains(i)).collect();
            assert!(ran.iter().copied().eq(queued), "round {round}: {ran:?}");
        }
    });
}

#[test]
fn whole_a_lone_worker_leaves_nothing_behind() {
    explore("a_lone_worker_leaves_nothing_behind", || {
        let rig = Rig::start(1, Clock::Stands);
        let (shared, drops) = (Arc::clone(rig.shared()), Arc::new(Unwatched::new(0)));
        let dropped = Arc::clone(&drops);
        let parent = rig.shared().spawn(async move {
            for _ in 0..CHILDREN {
                let guard = Guard::new(&dropped);
                let child = async move {
                    yield_now().await;
                    drop(guard);
                };
                shared.spawn_detached(child).ok().unwrap();
            }
            shared.close();
        });
        block_on(parent.ok().unwrap()).unwrap();
        rig.stop();
        assert_eq!(drops.load(Relaxed), CHILDREN, "each once");
    });
}

/// Memory for tasks, and none for a queue.
fn scarce() -> Pages {
    unsafe fn map(layout: Layout) -> *mut u8 {
        if layout.size() < REGION_CHUNKS * CHUNK_BYTES {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise: the layout is not empty.
        unsafe { alloc_zeroed(layout) }
    }
    // SAFETY: the global allocator's own, and a discard that does nothing.
    unsafe { Pages::new(map, dealloc, |_, _| false) }
}

/// What there is no memory for in the worker's own queue goes by way of the injection queue.
#[test]
fn whole_a_lone_worker_without_memory_for_its_queue_runs_all() {
    explore("a_lone_worker_without_memory_for_its_queue_runs_all", || {
        let rig = Rig::start_on(1, Clock::Stands, scarce());
        let (shared, ran) = (Arc::clone(rig.shared()), Arc::new(Lock::new(std::vec![0u8; MANY])));
        let count = Arc::clone(&ran);
        let parent = rig.shared().spawn(async move {
            let child = |i: usize| {
                let count = Arc::clone(&count);
                shared.spawn(async move {
                    count.lock()[i] += 1;
                    yield_now().await;
                    count.lock()[i] += 1;
                })
            };
            let children: Vec<_> = (0..MANY).map(|i| child(i).ok().unwrap()).collect();
            assert!(shared.has_injected(), "all found room");
            for child in children {
                child.await.unwrap();
            }
        });
        block_on(parent.ok().unwrap()).unwrap();
        assert_eq!(rig.stop().completed, MANY as u64 + 1);
        assert!(ran.lock().iter().all(|times| *times == 2), "each ran twice");
    });
}
