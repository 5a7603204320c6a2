//! Cells on their way back, under every schedule. They hold no task.

use alloc::sync::Arc;
use core::ptr::NonNull;

use loom::thread;

use super::{Slab, free};
use crate::sync::{AtomicUsize, Ordering, model, spin_loop};
use crate::task::chunk::class_of;
use crate::task::header::Header;
use crate::task::testing::Rig;

/// A cell that is out, as something to send.
struct Out(NonNull<Header>);

// SAFETY: whoever has it, has the cell.
unsafe impl Send for Out {}

fn take(slab: &Slab) -> Out {
    let cell = slab.alloc(const { class_of(size_of::<Header>()) }).unwrap();
    // SAFETY: fresh from the slab: nobody else touches it.
    let header = unsafe { cell.as_ref() };
    header.stage.with_mut(|_| {});
    header.vtable.with_mut(|_| {});
    header.state.spawn(false);
    Out(cell)
}

impl Out {
    fn give(self) {
        // SAFETY: the cell is out.
        let header = unsafe { self.0.as_ref() };
        header.stage.with_mut(|_| {});
        header.state.free_sole();
        // SAFETY: its only reference went on the line above.
        unsafe { free(self.0) };
    }
}

#[test]
fn loom_slab_remote_free_against_local_alloc() {
    model("loom_slab_remote_free_against_local_alloc", Some(3), || {
        let rig = Rig::new();
        // SAFETY: the guard goes before the slab.
        let entered = unsafe { rig.slab.enter() };
        let cells = [[take(&rig.slab), take(&rig.slab)], [take(&rig.slab), take(&rig.slab)]];
        let back = Arc::new(AtomicUsize::new(0));
        let threads = cells.map(|two| {
            let back = Arc::clone(&back);
            thread::spawn(move || {
                two.into_iter().for_each(Out::give);
                back.fetch_add(1, Ordering::Relaxed);
            })
        });
        // Relaxed, so that it orders nothing: it leads loom to the schedules in which there is something to take.
        while back.load(Ordering::Relaxed) == 0 {
            spin_loop();
        }
        let more = [take(&rig.slab), take(&rig.slab), take(&rig.slab)];
        let [a, b, c] = &more;
        assert!(a.0 != b.0 && b.0 != c.0 && a.0 != c.0, "one cell was handed out twice");
        more.into_iter().for_each(Out::give);
        for freeing in threads {
            freeing.join().unwrap();
        }
        rig.assert_empty();
        drop(entered);
    });
}

#[test]
fn loom_slab_close_against_remote_free() {
    model("loom_slab_close_against_remote_free", Some(3), || {
        let rig = Rig::new();
        let (a, b) = (take(&rig.slab), take(&rig.slab));
        let sched = Arc::downgrade(&rig.queue);
        let Rig { queue, owned, slab } = rig;
        drop((queue, owned));
        let threads = [a, b].map(|cell| thread::spawn(move || cell.give()));
        drop(slab);
        for freeing in threads {
            freeing.join().unwrap();
        }
        assert!(sched.upgrade().is_none(), "every cell is back, and the slab still there");
    });
}

#[test]
fn loom_slab_remote_free_against_trim() {
    model("loom_slab_remote_free_against_trim", Some(3), || {
        let rig = Rig::new();
        // SAFETY: the guard goes before the slab.
        let entered = unsafe { rig.slab.enter() };
        // Three chunks of two cells each; of two of them one cell comes back here and one from elsewhere.
        let [a, b, c] = core::array::from_fn(|_| [take(&rig.slab), take(&rig.slab)]);
        let ([a, a2], [b, b2]) = (a, b);
        a.give();
        b.give();
        let threads = [[a2, b2], c].map(|two| thread::spawn(move || two.into_iter().for_each(Out::give)));
        rig.slab.trim();
        let more = [take(&rig.slab), take(&rig.slab)];
        rig.slab.trim();
        let [a, b] = &more;
        assert!(a.0 != b.0, "one cell was handed out twice");
        more.into_iter().for_each(Out::give);
        for freeing in threads {
            freeing.join().unwrap();
        }
        rig.slab.trim();
        rig.assert_empty();
        drop(entered);
    });
}
