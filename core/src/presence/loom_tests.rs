use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::sync::model;

/// Two things, each put in by a thread of its own.
#[derive(Default)]
struct Place {
    here: Presence,
    /// Their names are out.
    named: [AtomicUsize; 2],
    /// They are elsewhere.
    elsewhere: [AtomicUsize; 2],
}

impl Place {
    fn pass_through(&self, i: usize) {
        self.here.arrive();
        self.named[i].store(1, Ordering::Release);
        self.elsewhere[i].store(1, Ordering::Relaxed);
        self.here.leave();
    }

    /// Whoever has a name finds what it names: here, or elsewhere.
    fn look(&self, i: usize) {
        if self.named[i].load(Ordering::Acquire) == 1 && self.here.is_empty() {
            assert_eq!(self.elsewhere[i].load(Ordering::Relaxed), 1, "neither here nor elsewhere");
        }
    }
}

#[test]
fn loom_presence_none_here_is_elsewhere() {
    model("presence_none_here_is_elsewhere", Some(3), || {
        let place = Arc::new(Place::default());
        let keepers = [0, 1].map(|i| {
            let place = Arc::clone(&place);
            thread::spawn(move || place.pass_through(i))
        });
        place.look(0);
        place.look(1);
        for keeper in keepers {
            keeper.join().unwrap();
        }
        assert!(place.here.is_empty());
        place.look(0);
        place.look(1);
    });
}
