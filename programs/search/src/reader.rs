//! One file searched by one thread that waits for it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::criteria::Criteria;
use crate::instant::Instant;
use crate::scan::{Hit, Progress, Scanner};
use crate::window::Window;

/// What one file has.
#[derive(Debug, Default)]
pub struct Found {
    /// Its matches, in its order.
    pub hits: Vec<Hit>,
    /// When it was last modified.
    pub modified: Instant,
    /// Bytes searched.
    pub bytes: u64,
}

/// What is kept from file to file.
#[derive(Debug, Default)]
pub struct Reader {
    pub(crate) scanner: Scanner,
    pub(crate) window: Window,
}

impl Reader {
    /// Searches the file at `path`.
    ///
    /// # Errors
    /// The system's.
    pub fn search(&mut self, criteria: &Criteria, path: &Path) -> io::Result<Found> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let modified = metadata.modified()?.into();
        let mut progress = Progress::new(criteria, path, modified);
        self.window.begin();
        loop {
            if self.window.is_full() {
                self.window.grow();
            }
            let n = match file.read(self.window.room()) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if self.take(&mut progress, n, metadata.len()) {
                return Ok(Found { hits: progress.hits, modified, bytes: self.window.offset() });
            }
        }
    }

    /// As [`search`](Self::search), with all of the file in memory at once.
    ///
    /// # Errors
    /// The system's.
    pub fn search_whole(&mut self, criteria: &Criteria, path: &Path, buf: &mut Vec<u8>) -> io::Result<Found> {
        let mut file = File::open(path)?;
        let modified = file.metadata()?.modified()?.into();
        let mut progress = Progress::new(criteria, path, modified);
        buf.clear();
        file.read_to_end(buf)?;
        self.scanner.scan(&mut progress, buf, 0, true);
        Ok(Found { hits: progress.hits, modified, bytes: buf.len() as u64 })
    }

    /// Searches what `n` more bytes have made whole; true at the end of the file, which had `size` bytes when it was opened.
    pub(crate) fn take(&mut self, progress: &mut Progress<'_>, n: usize, size: u64) -> bool {
        let asked = self.window.room().len();
        self.window.add(n);
        // A read that stops short at the size has nothing behind it: the call that would say so is saved.
        let end = n == 0 || n < asked && self.window.offset() >= size;
        let (bytes, base) = self.window.bytes();
        let done = self.scanner.scan(progress, bytes, base, end);
        self.window.drop_front(done);
        end
    }
}
