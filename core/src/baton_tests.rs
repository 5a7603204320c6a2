//! The models of the benches' baton, which is no part of this crate: loom is here.

#[expect(unreachable_pub, reason = "it is public where it belongs")]
#[path = "../../benches/src/work/baton.rs"]
mod baton;

use core::future::poll_fn;
use core::task::{Context, Waker};
use std::sync::Arc;

use crate::sync::{UnsafeCell, model};
use baton::Baton;
use loom::future::block_on;
use loom::thread;

/// A baton, and what its holder may write.
struct Game {
    batons: [Baton; 2],
    score: UnsafeCell<u32>,
}

// SAFETY: whoever has a baton writes the score.
unsafe impl Send for Game {}
// SAFETY: as above.
unsafe impl Sync for Game {}

impl Game {
    fn new() -> Arc<Self> {
        Arc::new(Game { batons: [Baton::default(), Baton::default()], score: UnsafeCell::new(0) })
    }

    /// Adds one to what was `before`.
    fn play(&self, before: u32) {
        self.score.with_mut(|s| {
            // SAFETY: the caller has a baton.
            assert_eq!(unsafe { *s }, before, "what the other wrote is seen");
            // SAFETY: as above.
            unsafe { *s = before + 1 };
        });
    }
}

#[test]
fn loom_baton_goes_to_and_fro() {
    model("baton_goes_to_and_fro", Some(3), || {
        let game = Game::new();
        let other = Arc::clone(&game);
        let back = thread::spawn(move || {
            for turn in 0..2 {
                block_on(other.batons[0].take());
                other.play(2 * turn + 1);
                other.batons[1].give();
            }
        });
        for turn in 0..2 {
            game.play(2 * turn);
            game.batons[0].give();
            block_on(game.batons[1].take());
        }
        back.join().unwrap();
        game.play(4);
    });
}

#[test]
fn loom_baton_comes_while_its_taker_is_polled_twice() {
    model("baton_comes_while_its_taker_is_polled_twice", None, || {
        let game = Game::new();
        let other = Arc::clone(&game);
        let giver = thread::spawn(move || {
            other.play(0);
            other.batons[0].give();
        });
        let mut cx = Context::from_waker(Waker::noop());
        if game.batons[0].poll_take(&mut cx).is_pending() {
            // The waker of the first poll is not that of these.
            block_on(poll_fn(|cx| game.batons[0].poll_take(cx)));
        }
        game.play(1);
        giver.join().unwrap();
    });
}
