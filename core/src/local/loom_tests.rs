//! Models of the remote word on a cell of a few words: the code of `refs` and `remote`, no task.
//!
//! A model ends when the owner has shut down; then the cell must have been freed exactly once, and every
//! access to it ordered before that (loom checks the cell `data` for it).

use core::ptr::{self, NonNull};

mod end;
mod executor;
mod trim;

use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use super::refs::{self, Biased};
use super::remote::{self, Foreign, Linked};
use crate::driver::Unpark;
use crate::park::ParkWord;
use crate::queue::intake::{self, Stack};
use crate::sync::{AtomicBool, AtomicU32, Ordering, UnsafeCell, model};

/// A task cell reduced to its references; `own` and `lingering` are the owner's.
struct Node {
    word: AtomicU32,
    own: UnsafeCell<u32>,
    lingering: UnsafeCell<bool>,
    over: UnsafeCell<bool>,
    link: UnsafeCell<*mut Node>,
    /// Written by the free, and by wakers before they wake.
    data: UnsafeCell<u32>,
    freed: AtomicU32,
}

// SAFETY: loom checks every access to the cells.
unsafe impl Sync for Node {}
// SAFETY: as above.
unsafe impl Send for Node {}

// SAFETY: `link` is written and read through these two alone.
unsafe impl intake::Node for Node {
    unsafe fn set_link(this: NonNull<Self>, next: *mut Self) {
        // SAFETY: the world outlives the models' threads.
        let node = unsafe { this.as_ref() };
        // SAFETY: loom checks that nobody else looks.
        node.link.with_mut(|p| unsafe { *p = next });
    }
    unsafe fn link(this: NonNull<Self>) -> *mut Self {
        // SAFETY: as above.
        let node = unsafe { this.as_ref() };
        // SAFETY: as above.
        node.link.with(|p| unsafe { *p })
    }
}

// SAFETY: the nodes of a world lie on its stack, and on no other list.
unsafe impl Linked for Node {
    fn word(&self) -> &AtomicU32 {
        &self.word
    }
}

// SAFETY: as the trait asks.
unsafe impl Biased for Node {
    fn own(&self) -> u32 {
        // SAFETY: loom checks that only the owner looks.
        self.own.with(|p| unsafe { *p })
    }
    fn set_own(&self, own: u32, lingering: bool) {
        // SAFETY: as above.
        self.own.with_mut(|p| unsafe { *p = own });
        // SAFETY: as above.
        self.lingering.with_mut(|p| unsafe { *p = lingering });
    }
    fn lingering(&self) -> bool {
        // SAFETY: as above.
        self.lingering.with(|p| unsafe { *p })
    }
    fn is_over(&self) -> bool {
        // SAFETY: as above.
        self.over.with(|p| unsafe { *p })
    }
}

struct Sleeper(loom::sync::Mutex<bool>, loom::sync::Condvar);

impl Unpark for Sleeper {
    fn unpark(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

struct World {
    node: Node,
    stack: Stack<Node>,
    park: ParkWord,
    sleeper: Sleeper,
    /// What a waker writes before it wakes, and the poll reads.
    message: UnsafeCell<u32>,
    /// Two events that a task waits for, without an order of their own.
    events: [AtomicBool; 2],
    ended: AtomicBool,
}

// SAFETY: loom checks every access to the cells.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

impl World {
    fn new(own: u32) -> Arc<World> {
        Arc::new(World {
            node: Node {
                word: AtomicU32::new(0),
                own: UnsafeCell::new(own),
                lingering: UnsafeCell::new(false),
                over: UnsafeCell::new(false),
                link: UnsafeCell::new(ptr::null_mut()),
                data: UnsafeCell::new(0),
                freed: AtomicU32::new(0),
            },
            stack: Stack::new(),
            park: ParkWord::new(),
            sleeper: Sleeper(loom::sync::Mutex::new(false), loom::sync::Condvar::new()),
            message: UnsafeCell::new(0),
            events: [AtomicBool::new(false), AtomicBool::new(false)],
            ended: AtomicBool::new(false),
        })
    }

    fn node(&self) -> NonNull<Node> {
        NonNull::from(&self.node)
    }

    /// Touches the cell as a holder of a reference may.
    fn touch(&self) {
        self.node.data.with(|_| ());
    }

    fn free(&self) {
        self.node.data.with_mut(|_| ());
        assert_eq!(self.node.freed.fetch_add(1, Ordering::Relaxed), 0, "freed twice");
    }

    // ---- foreign threads: as `shared` does it

    fn after(&self, after: Foreign) {
        // SAFETY: the callers have just got `after` for this node's word.
        if unsafe { remote::finish(after, self.node(), &self.stack, || self.park.unpark(&self.sleeper)) } {
            self.free();
        }
    }

    /// The reference is gone, but a cell that is to be pushed must still be there.
    fn after_counted(&self, after: Foreign) {
        if after == Foreign::Push {
            self.touch();
        }
        self.after(after);
    }

    fn drop_ref(&self) {
        self.touch();
        self.after_counted(remote::drop_ref(&self.node.word));
    }

    fn wake_by_ref(&self) {
        self.touch();
        self.after(remote::wake_by_ref(&self.node.word));
    }

    fn wake_by_val(&self) {
        self.touch();
        self.after_counted(remote::wake_by_val(&self.node.word));
    }

    fn weak_wake(&self) {
        self.after(remote::wake_by_ref(&self.node.word));
    }

    fn clone_ref(&self) {
        self.touch();
        remote::add_ref(&self.node.word);
    }

    // ---- the owner

    fn drop_own(&self) {
        self.touch();
        // SAFETY: the models call this on the owner's thread, for a reference it has.
        if unsafe { refs::drop_own(self.node()) } {
            self.free();
        }
    }

    /// The task completes: its reference of itself goes.
    fn complete(&self) {
        // SAFETY: loom checks that only the owner looks.
        self.node.over.with_mut(|p| unsafe { *p = true });
        self.drop_own();
    }

    /// Pops everything; whether a wake was among it.
    fn drain(&self) -> bool {
        let mut woken = false;
        for node in self.stack.take_all() {
            // SAFETY: just popped, on the owner's thread.
            if unsafe { refs::popped(node, |_| woken = true) } {
                self.free();
            }
        }
        woken
    }

    /// Sleeps until woken, then drains; as the executor's loop does.
    fn drain_until_woken(&self) {
        while !self.drain() {
            if self.park.begin() {
                let mut woken = self.sleeper.0.lock().unwrap();
                while !*woken {
                    woken = self.sleeper.1.wait(woken).unwrap();
                }
                *woken = false;
            }
            self.park.end();
        }
    }

    fn shutdown(&self) {
        // SAFETY: as in `complete`: what is not over is cancelled. (Its reference is then a handle's, say.)
        self.node.over.with_mut(|p| unsafe { *p = true });
        for node in self.stack.close() {
            // SAFETY: just popped, on the owner's thread.
            if unsafe { refs::popped(node, |_| ()) } {
                self.free();
            }
        }
        // SAFETY: the owner's thread; closed and drained above.
        if unsafe { refs::hand_over(self.node()) } {
            self.free();
        }
        // ORDERING: Relaxed, read after the threads were joined.
        self.ended.store(true, Ordering::Relaxed);
    }

    fn check(&self) {
        assert!(self.ended.load(Ordering::Relaxed));
        assert_eq!(self.node.freed.load(Ordering::Relaxed), 1, "the cell leaked");
        assert_eq!(self.node.word.load(Ordering::Relaxed), 0, "the next user finds a dirty word");
    }
}

/// How a model ends once the other threads have.
enum End {
    /// The owner looks at its stack once more, and the cell must be gone without a shutdown.
    Drain,
    /// The owner has shut down already, beside the others.
    Closed,
}

/// Runs `owner` here and the others on threads of their own, then checks that the cell is gone. Of the
/// references the first number is counted by the owner, the second in the word.
fn world((own, lent): (u32, u32), foreign: &[fn(&World)], end: End, owner: fn(&World)) {
    let world = World::new(own);
    for _ in 0..lent {
        world.clone_ref();
    }
    let threads: Vec<_> = foreign
        .iter()
        .map(|&f| {
            let world = Arc::clone(&world);
            thread::spawn(move || f(&world))
        })
        .collect();
    owner(&world);
    for t in threads {
        t.join().unwrap();
    }
    if let End::Drain = end {
        world.drain();
        // ORDERING: Relaxed: the threads have been joined.
        assert_eq!(world.node.freed.load(Ordering::Relaxed), 1, "only a shutdown would free the cell");
        world.shutdown();
    }
    world.check();
}

fn write_message(w: &World) {
    // SAFETY: loom checks the access.
    w.message.with_mut(|p| unsafe { *p = 1 });
}

fn read_message(w: &World) {
    // SAFETY: loom checks the access.
    assert_eq!(w.message.with(|p| unsafe { *p }), 1, "the wake did not bring what came before it");
}

/// The owner as the executor's loop is: it sleeps until the wake comes, polls, and the task completes.
fn poll_then_complete(w: &World) {
    w.drain_until_woken();
    read_message(w);
    w.complete();
    w.drain();
}

/// The task waits for its waker, which is elsewhere; then it completes.
#[test]
fn loom_local_remote_wake_by_value_then_completion() {
    model("local_remote_wake_by_value_then_completion", None, || {
        let foreign: fn(&World) = |w| {
            w.clone_ref();
            write_message(w);
            w.wake_by_val();
            w.drop_ref();
        };
        world((2, 0), &[foreign], End::Drain, poll_then_complete);
    });
}

/// Wake by reference, then the drop: the owner may look in between, and must look again after.
#[test]
fn loom_local_remote_wake_by_ref_then_drop() {
    model("local_remote_wake_by_ref_then_drop", None, || {
        let foreign: fn(&World) = |w| {
            write_message(w);
            w.wake_by_ref();
            w.drop_ref();
        };
        world((2, 0), &[foreign], End::Drain, poll_then_complete);
    });
}

/// The task completes while it is woken: own count to zero against WAKE, QUEUED and the last drop.
#[test]
fn loom_local_remote_wake_against_completion() {
    model("local_remote_wake_against_completion", None, || {
        let foreign: fn(&World) = |w| {
            w.wake_by_ref();
            w.clone_ref();
            w.drop_ref();
            w.drop_ref();
        };
        world((1, 1), &[foreign], End::Drain, |w| {
            w.drain();
            w.complete();
            w.drain();
        });
    });
}

/// Wakers cloned here, dropped there: own 1, delta below zero, and the owner must look.
#[test]
fn loom_local_waker_moved_out_and_dropped() {
    model("local_waker_moved_out_and_dropped", Some(3), || {
        world((3, 0), &[World::drop_ref, World::drop_ref], End::Drain, |w| {
            w.drain();
            w.complete();
            w.drain();
        });
    });
}

/// A foreign clone outlives the last local reference, which another thread drops.
#[test]
fn loom_local_foreign_clone_outlives_the_last_local_ref() {
    model("local_foreign_clone_outlives_the_last_local_ref", Some(3), || {
        let foreign: fn(&World) = |w| {
            w.clone_ref();
            w.drop_ref();
            w.drop_ref();
        };
        world((3, 0), &[foreign, World::drop_ref], End::Drain, |w| {
            w.complete();
            w.drain();
        });
    });
}

/// Two clones counted in the word, dropped by two threads, each of which may be the last.
#[test]
fn loom_local_two_foreign_drops_against_the_merge() {
    model("local_two_foreign_drops_against_the_merge", Some(3), || {
        world((1, 2), &[World::drop_ref, World::drop_ref], End::Drain, |w| {
            w.complete();
            w.drain();
        });
    });
}

/// The word is back at zero when the owner's count gets there: it frees after a plain load.
#[test]
fn loom_local_last_own_drop_after_the_foreign_ones() {
    model("local_last_own_drop_after_the_foreign_ones", None, || {
        let foreign: fn(&World) = |w| {
            w.clone_ref();
            w.clone_ref();
            w.drop_ref();
            w.drop_ref();
            w.drop_ref();
        };
        world((1, 1), &[foreign], End::Drain, |w| {
            w.complete();
            w.drain();
        });
    });
}

/// A drop sets QUEUED, a wake finds it set and leaves the rest to the dropper. The wake must arrive,
/// also when the dropper's push comes late.
#[test]
fn loom_local_two_foreign_wakers_against_drain() {
    model("local_two_foreign_wakers_against_drain", Some(3), || {
        let waker: fn(&World) = |w| {
            write_message(w);
            w.wake_by_val();
        };
        world((3, 0), &[World::drop_ref, waker], End::Drain, poll_then_complete);
    });
}

/// Two wakers of one task: what the second wrote before its wake is seen by the poll after it, also
/// where the word was WAKE and QUEUED already.
#[test]
fn loom_local_second_wake_is_seen_too() {
    model("local_second_wake_is_seen_too", Some(2), || {
        let first: fn(&World) = |w| {
            w.events[0].store(true, Ordering::Relaxed);
            w.wake_by_ref();
            w.drop_ref();
        };
        let second: fn(&World) = |w| {
            w.events[1].store(true, Ordering::Relaxed);
            w.weak_wake();
        };
        world((2, 0), &[first, second], End::Drain, |w| {
            // The task polls again and again until both events have happened, and sleeps in between.
            while !w.events.iter().all(|e| e.load(Ordering::Relaxed)) {
                w.drain_until_woken();
            }
            w.complete();
            w.drain();
        });
    });
}

/// A waker cloned elsewhere is dropped here, which leaves no own count to a task that is not over: its next
/// wake must still arrive.
#[test]
fn loom_local_foreign_clone_dropped_by_the_owner() {
    model("local_foreign_clone_dropped_by_the_owner", None, || {
        let foreign: fn(&World) = |w| {
            w.clone_ref();
            write_message(w);
            w.wake_by_val();
            w.drop_ref();
        };
        world((1, 2), &[foreign], End::Drain, |w| {
            w.drop_own();
            poll_then_complete(w);
        });
    });
}

/// A weak id queues the cell while it is freed, and again when it is free: nothing is freed twice, and
/// the next user's word is clean once the stack has been drained.
#[test]
fn loom_local_weak_wake_against_free() {
    model("local_weak_wake_against_free", None, || {
        let foreign: fn(&World) = |w| {
            w.weak_wake();
            w.drop_ref();
            w.weak_wake();
        };
        world((1, 1), &[foreign], End::Drain, |w| {
            w.drain();
            w.complete();
            w.drain();
        });
    });
}
