//! Planted faults for `cargo xtask asan` to report: what it does not see here it would not see elsewhere.

use std::hint::black_box;

use ouzel::{Driver, spawn};
use ouzel_tests::Setup;

/// Runs on a worker, where the faults that matter would be.
fn on_worker(fault: impl FnOnce() + Send + 'static) {
    let setup = Setup { driver: Driver::Auto, workers: 1 };
    setup.run(async { spawn(async { fault() }).await.unwrap() });
}

#[test]
#[ignore = "a planted fault: cargo xtask asan expects its report"]
fn canary_use_after_free() {
    on_worker(|| {
        let freed = Box::into_raw(Box::new(7u64));
        // SAFETY: it came from a box.
        drop(unsafe { Box::from_raw(freed) });
        // SAFETY: none; this is the planted fault.
        let value = unsafe { black_box(freed).read_volatile() };
        println!("read {value} after it was freed");
    });
}

#[test]
#[ignore = "a planted fault: cargo xtask asan expects its report"]
fn canary_leak() {
    on_worker(|| std::mem::forget(black_box(Box::new([1u8; 4096]))));
}
