use core::ptr;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::{UnsafeCell, model};

/// A runtime: what `pin` protects from what its destroyer does after `close`.
struct Target {
    alive: UnsafeCell<bool>,
}

fn wake(table: &AnchorTable<1>, id: AnchorId, want: &Target) -> bool {
    let Some(pin) = table.pin(id) else { return false };
    assert_eq!(pin.target(), ptr::from_ref(want).cast_mut().cast(), "pinned another runtime");
    // SAFETY: pinned, so the target is there.
    let target = unsafe { &*pin.target().cast::<Target>() };
    // SAFETY: pinned, so nobody writes. Loom checks just that.
    assert!(target.alive.with(|p| unsafe { *p }), "pinned a dead runtime");
    true
}

fn destroy(table: &AnchorTable<1>, id: AnchorId, target: &Target) {
    assert!(table.close(id));
    // SAFETY: closed, so nobody reads. Loom checks just that.
    target.alive.with_mut(|p| unsafe { *p = false });
}

#[test]
fn loom_anchor_pin_against_close() {
    model("anchor_pin_against_close", Some(3), || {
        let table = Arc::new(AnchorTable::<1>::new());
        let target = Arc::new(Target { alive: UnsafeCell::new(true) });
        let id = table.open(ptr::from_ref(&*target).cast_mut().cast()).unwrap();
        let wakers: [_; 2] = core::array::from_fn(|_| {
            let (table, target) = (Arc::clone(&table), Arc::clone(&target));
            thread::spawn(move || wake(&table, id, &target))
        });
        destroy(&table, id, &target);
        assert!(!wake(&table, id, &target));
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

#[test]
fn loom_anchor_reused_against_stale_pin() {
    model("anchor_reused_against_stale_pin", Some(3), || {
        let table = Arc::new(AnchorTable::<1>::new());
        let target = Arc::new(Target { alive: UnsafeCell::new(true) });
        let id = table.open(ptr::from_ref(&*target).cast_mut().cast()).unwrap();
        let late = {
            let (table, target) = (Arc::clone(&table), Arc::clone(&target));
            thread::spawn(move || (wake(&table, id, &target), wake(&table, id, &target)))
        };
        destroy(&table, id, &target);
        let next = Arc::new(Target { alive: UnsafeCell::new(true) });
        let second = table.open(ptr::from_ref(&*next).cast_mut().cast()).unwrap();
        assert!(wake(&table, second, &next));
        destroy(&table, second, &next);
        late.join().unwrap();
    });
}
