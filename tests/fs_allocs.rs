//! Files in memory cost no allocation, no other thread and no hop: counted by the global allocator and the system.
//!
//! One test, so that nothing else in this process allocates meanwhile.

use std::path::PathBuf;

use ouzel::{Driver, Runtime};
use ouzel_tests::counting::{Counting, allocations};
use ouzel_tests::{drivers, watchdog};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FILES: usize = 100;
const ROUNDS: usize = 20;
const WORKERS: usize = 2;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Reads all files a few times, and one of them again and again while it is open; returns the allocations.
async fn read_all(paths: &[PathBuf]) -> usize {
    let mut buf = Vec::with_capacity(8192);
    let file = ouzel::fs::File::open(&paths[0]).await.unwrap();
    let before = allocations();
    for _ in 0..ROUNDS {
        for path in paths {
            let (n, back) = ouzel::fs::read_into(path, buf).await;
            assert_eq!(n.unwrap(), 4096);
            buf = back;
        }
        let (n, back) = file.read_at(buf, 96).await;
        assert_eq!(n.unwrap(), 4000);
        buf = back;
    }
    allocations() - before
}

#[test]
fn a_file_in_memory_is_read_without_allocation_or_thread() {
    let folder = std::env::temp_dir().join(format!("ouzel-fs-allocs-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let paths: Vec<_> = (0..FILES).map(|i| folder.join(i.to_string())).collect();
    for path in &paths {
        std::fs::write(path, [7; 4096]).unwrap();
    }
    // The portable driver tries nothing: there a file is a job.
    for driver in drivers().into_iter().filter(|d| *d != Driver::Poll) {
        let paths = paths.clone();
        watchdog(driver.name(), move || {
            let local = Runtime::builder().driver(driver).build_local().unwrap();
            let counted = local.block_on(async {
                read_all(&paths).await;
                read_all(&paths).await
            });
            println!("{driver}, local: {counted} allocations for {} files", FILES * ROUNDS);
            assert_eq!(counted, 0, "{driver}, local");
            drop(local);

            let before = threads();
            let runtime = Runtime::builder().worker_threads(WORKERS).driver(driver).build().unwrap();
            let counted = runtime.block_on(async {
                let task = runtime.spawn(async move {
                    read_all(&paths).await;
                    read_all(&paths).await
                });
                task.await.unwrap()
            });
            let blocking = runtime.metrics().blocking_threads;
            let more = threads() - before;
            println!(
                "{driver}, {WORKERS} workers: {counted} allocations, {more} more threads, {blocking} blocking"
            );
            assert_eq!((counted, blocking), (0, 0), "{driver}, {WORKERS} workers");
            assert!(more <= WORKERS, "{driver}: {more} threads for {WORKERS} workers");
        });
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
