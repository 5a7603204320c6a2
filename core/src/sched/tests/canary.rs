//! A planted race, for `cargo xtask tsan` to report: it would hide behind suppressions that are too wide.

use std::sync::Arc;

use super::rig::{Clock, Rig, block_on};
use crate::sync::{Ordering::Relaxed, UnsafeCell, Unwatched, thread};

struct Shared(UnsafeCell<u64>);

// SAFETY: none; this is the planted fault.
unsafe impl Sync for Shared {}

#[test]
#[ignore = "a planted fault: cargo xtask tsan expects its report"]
fn canary_race() {
    let rig = Rig::start(2, Clock::Stands);
    let raced = Arc::new(Shared(UnsafeCell::new(0)));
    // They meet first, or one might end before the other begins; Relaxed, which orders nothing.
    let arrived = Arc::new(Unwatched::new(0));
    let tasks: std::vec::Vec<_> = (0..2)
        .map(|_| {
            let (raced, arrived) = (Arc::clone(&raced), Arc::clone(&arrived));
            let add = async move {
                arrived.fetch_add(1, Relaxed);
                while arrived.load(Relaxed) < 2 {
                    thread::yield_now();
                }
                for _ in 0..1_000 {
                    raced.0.with_mut(|p| {
                        // SAFETY: none, see above; a `u64` that two threads write is good for a count.
                        let value = unsafe { p.read_volatile() };
                        // SAFETY: as above.
                        unsafe { p.write_volatile(value + 1) };
                    });
                }
            };
            rig.shared().spawn(add).ok().unwrap()
        })
        .collect();
    tasks.into_iter().for_each(|task| block_on(task).unwrap());
    rig.stop();
    assert!(
        raced.0.with(|p| {
            // SAFETY: both tasks have ended.
            unsafe { p.read() }
        }) > 0
    );
}
