//! Many small files for tasks to read, and the tasks' common list of what is still to be read.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Latch;

/// Bytes of a file.
pub const FILE_BYTES: usize = 4096;

/// Files in a folder of their own.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    paths: Vec<PathBuf>,
}

impl Files {
    /// Writes `count` files of [`FILE_BYTES`] bytes under the system's temporary folder.
    ///
    /// # Errors
    /// The system's.
    pub fn write(count: usize) -> io::Result<Self> {
        static FOLDERS: AtomicU64 = AtomicU64::new(0);
        let n = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ouzel-bench-{}-{n}", std::process::id()));
        std::fs::create_dir(&folder)?;
        let mut files = Files { folder, paths: Vec::with_capacity(count) };
        for i in 0..count {
            let path = files.folder.join(i.to_string());
            std::fs::write(&path, vec![byte(i); FILE_BYTES])?;
            files.paths.push(path);
        }
        Ok(files)
    }
}

/// What file `i` is full of.
fn byte(i: usize) -> u8 {
    (i % 251) as u8
}

/// Reads still to be done, taken by many tasks, over all files again and again.
#[derive(Debug)]
pub struct Queue {
    files: &'static Files,
    next_count: AtomicU64,
    end_count: AtomicU64,
    right_count: AtomicU64,
    readers: Latch,
}

impl Queue {
    /// No reads yet.
    #[must_use]
    pub fn leak(files: &'static Files) -> &'static Self {
        let [next_count, end_count, right_count] = [0; 3].map(AtomicU64::new);
        let readers = Latch::default();
        Box::leak(Box::new(Queue { files, next_count, end_count, right_count, readers }))
    }

    /// Has `reads` files read by `readers` tasks, which `spawn` starts; returns how many were right.
    pub async fn run(&'static self, reads: u64, readers: u64, spawn: impl Fn(&'static Self)) -> u64 {
        self.end_count.fetch_add(reads, Ordering::Relaxed);
        let before = self.right_count.load(Ordering::Relaxed);
        self.readers.arm(readers);
        for _ in 0..readers {
            spawn(self);
        }
        self.readers.wait().await;
        self.next_count.store(self.end_count.load(Ordering::Relaxed), Ordering::Relaxed);
        self.right_count.load(Ordering::Relaxed) - before
    }

    /// Removes the files; nobody reads any more.
    pub fn remove_files(&self) {
        // What is left behind in the temporary folder is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.files.folder);
    }

    /// A reader: reads the next file with `read` until there is none left. Run as a task by the engine.
    #[cfg(feature = "peers")]
    pub(crate) async fn read_all<F, R>(&'static self, read: F)
    where
        F: Fn(&'static Path) -> R,
        R: Future<Output = io::Result<Vec<u8>>>,
    {
        let read = &read;
        self.read_all_into(|path, _| async move {
            match read(path).await {
                Ok(bytes) => (Ok(bytes.len()), bytes),
                Err(e) => (Err(e), Vec::new()),
            }
        })
        .await;
    }

    /// The same for engines that read into a buffer given to them: one for all of a reader's files.
    pub(crate) async fn read_all_into<F, R>(&'static self, read: F)
    where
        F: Fn(&'static Path, Vec<u8>) -> R,
        R: Future<Output = (io::Result<usize>, Vec<u8>)>,
    {
        let mut buf = Vec::new();
        while let Some(i) = self.next() {
            let (result, bytes) = read(&self.files.paths[i], buf).await;
            if let Ok(n) = result {
                self.judge(i, &bytes[..n]);
            }
            buf = bytes;
        }
        self.readers.hit();
    }
    /// The same on this thread alone, with nothing around the calls: `read` is given a buffer with room for a file.
    #[cfg(feature = "peers")]
    pub(crate) fn read_all_by(&self, mut read: impl FnMut(&Path, &mut [u8]) -> io::Result<usize>) {
        let mut buf = vec![0; FILE_BYTES];
        while let Some(i) = self.next() {
            if let Ok(n) = read(&self.files.paths[i], &mut buf) {
                self.judge(i, &buf[..n]);
            }
        }
        self.readers.hit();
    }

    /// The next file that nobody has taken.
    fn next(&self) -> Option<usize> {
        let n = self.next_count.fetch_add(1, Ordering::Relaxed);
        (n < self.end_count.load(Ordering::Relaxed)).then(|| n as usize % self.files.paths.len())
    }

    /// Counts file `i` as right if that is what it holds.
    fn judge(&self, i: usize, bytes: &[u8]) {
        if bytes.len() == FILE_BYTES && bytes[0] == byte(i) && bytes[FILE_BYTES - 1] == byte(i) {
            self.right_count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
