//! Models of the remote word against the owner's shutdown.

use super::{End, World, world};
use crate::sync::model;

/// Wake and drop against closing the stack, handing over, and the last free.
#[test]
fn loom_local_remote_wake_against_shutdown() {
    model("local_remote_wake_against_shutdown", None, || {
        let foreign: fn(&World) = |w| {
            w.wake_by_ref();
            w.drop_ref();
        };
        world((2, 0), &[foreign], End::Closed, |w| {
            w.drain();
            w.shutdown();
            // A handle on the owner's thread that is dropped after its executor.
            w.drop_own();
        });
    });
}

/// The cell lingers, or is merged, when the stack closes: a late push, or the last drop, frees it.
#[test]
fn loom_local_lingering_cell_against_shutdown() {
    model("local_lingering_cell_against_shutdown", None, || {
        let foreign: fn(&World) = |w| {
            w.clone_ref();
            w.drop_ref();
            w.wake_by_val();
        };
        world((1, 1), &[foreign], End::Closed, |w| {
            w.complete();
            w.shutdown();
        });
    });
}

/// Two threads give back at shutdown what the owner lent them.
#[test]
fn loom_local_two_drops_against_shutdown() {
    model("local_two_drops_against_shutdown", Some(3), || {
        world((3, 0), &[World::drop_ref, World::wake_by_val], End::Closed, |w| {
            w.complete();
            w.shutdown();
        });
    });
}
