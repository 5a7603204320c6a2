//! File calls that fail: a process that writes, reads and compares, with every few calls of one kind failing.
//!
//! After `EINTR` a call is made again, and nobody notices. Any other error comes out of the operation that met it, as itself;
//! what was written without one is there, and what is read without one is right. What the ring does inside
//! the kernel `strace` cannot reach: its files meet the system's own errors in `tests/fs/faults.rs`.

use std::io;
use std::path::{Path, PathBuf};

use ouzel::fs::{self, File};
use ouzel::{Driver, Runtime};
use ouzel_tests::Setup;

/// Call, error, when, and whether an operation is to say so.
pub(crate) type Case = (&'static str, &'static str, &'static str, bool);

/// Where reads and opens are tried on the spot: what fails there is made in the ring or on the pool.
pub(crate) const INLINE: &[Case] = &[
    ("preadv2", "EINTR", "2+3", false),
    ("preadv2", "EAGAIN", "1+2", false),
    ("preadv2", "EOPNOTSUPP", "1+2", false),
    ("openat2", "EINTR", "2+3", false),
    ("openat2", "EAGAIN", "1+2", false),
    ("openat2", "ENFILE", "2+3", true),
    ("statx", "EINTR", "3+3", false),
    ("statx", "EIO", "3+3", true),
];

/// On epoll, besides: its read on the spot is the read.
pub(crate) const EPOLL: &[Case] = &[("preadv2", "EIO", "2+3", true), ("close", "EIO", "30+5", true)];

/// Where files are the blocking pool's.
pub(crate) const POOL: &[Case] = &[
    ("pwrite64", "EINTR", "2+3", false),
    ("pwrite64", "ENOSPC", "2+3", true),
    ("pwrite64", "EIO", "2+3", true),
    ("write", "EINTR", "2+3", false),
    ("write", "ENOSPC", "2+3", true),
    ("fdatasync", "EIO", "1+2", true),
    ("fdatasync", "EINTR", "1+2", false),
    ("rename,renameat,renameat2", "ENOSPC", "1+2", true),
    ("unlink,unlinkat", "EROFS", "1+2", true),
];

/// Where nothing is tried on the spot, besides.
pub(crate) const READS: &[Case] = &[("pread64", "EINTR", "2+3", false), ("pread64", "EIO", "2+3", true)];

/// How many rounds the process makes.
const ROUNDS: usize = 15;

/// The files it uses: other calls of the same name (wake-ups, what a process does at its start) go unharmed.
pub(crate) fn paths(folder: &Path) -> impl Iterator<Item = PathBuf> {
    (0..ROUNDS).flat_map(move |round| ["a", "b", "c"].map(|kind| folder.join(format!("{kind}{round}"))))
}

/// What came of it.
#[derive(Default)]
struct Counts {
    done: u64,
    failed: u64,
    wrong: u64,
    /// The errors' numbers.
    errors: Vec<i32>,
}

impl Counts {
    /// The value, if there is one.
    fn took<T>(&mut self, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => {
                self.done += 1;
                Some(value)
            }
            Err(e) => {
                self.failed += 1;
                let number = e.raw_os_error().unwrap_or(-1);
                if !self.errors.contains(&number) {
                    self.errors.push(number);
                }
                None
            }
        }
    }

    fn compare(&mut self, got: &[u8], wanted: &[u8]) {
        self.wrong += u64::from(got != wanted);
    }
}

/// The traced process.
pub(crate) fn inside(task: &str) {
    let mut words = task.split(' ');
    let (driver, folder) = (words.next().unwrap(), PathBuf::from(words.next().unwrap()));
    let driver: Driver = driver.parse().unwrap();
    drop(Runtime::builder().driver(driver).build_local().unwrap());
    println!("begins");
    let mut counts = Counts::default();
    Setup { driver, workers: 0 }.run(async {
        for round in 0..ROUNDS {
            one_round(&folder, round, &mut counts).await;
        }
    });
    let errors: Vec<_> = counts.errors.iter().map(i32::to_string).collect();
    println!("counted: {} {} {} {}", counts.done, counts.failed, counts.wrong, errors.join(","));
}

async fn one_round(folder: &Path, round: usize, counts: &mut Counts) {
    let (path, other) = (folder.join(format!("a{round}")), folder.join(format!("b{round}")));
    let data: Vec<u8> = (0..10_000 * (1 + round % 3)).map(|i| (i * 7 + round) as u8).collect();
    let mut written = false;
    if let Some(file) = counts.took(File::create(&path).await) {
        let (first, second) = data.split_at(5000);
        let head = counts.took(file.write_all_at(first.to_vec(), 0).await.0);
        let tail = counts.took(file.write_all_at(second.to_vec(), 5000).await.0);
        let synced = counts.took(file.sync_data().await);
        written = head.is_some() && tail.is_some();
        // Nothing that was written is taken back by an error of these.
        let _ = synced;
        counts.took(file.close().await);
    }
    if written {
        if let Some(bytes) = counts.took(fs::read(&path).await) {
            counts.compare(&bytes, &data);
        }
        if let Some(file) = counts.took(File::open(&path).await) {
            let (result, bytes) = file.read_exact_at(vec![0; 3000], 4000).await;
            if counts.took(result).is_some() {
                counts.compare(&bytes, &data[4000..7000]);
            }
            if let Some(status) = counts.took(file.metadata().await) {
                counts.wrong += u64::from(status.len() != data.len() as u64);
            }
        }
    }
    if counts.took(fs::write(&other, data.clone()).await).is_some()
        && let Some(bytes) = counts.took(fs::read(&other).await)
    {
        counts.compare(&bytes, &data);
    }
    let moved = folder.join(format!("c{round}"));
    if other.exists() && counts.took(fs::rename(&other, &moved).await).is_some() {
        counts.took(fs::remove_file(&moved).await);
    }
}
