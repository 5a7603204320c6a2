//! What the threads of a search share.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::criteria::Criteria;
use crate::files::Source;
use crate::reader::{Found, Reader};
#[cfg(feature = "peers")]
use crate::window::WINDOW;

/// A file that has matches, or that could not be read: its place among those of the job, and what it has.
pub type Told = (usize, io::Result<Found>);

/// A search.
#[derive(Debug)]
pub struct Job {
    /// What for.
    pub criteria: Criteria,
    /// Where.
    pub files: Vec<Source>,
    done_count: AtomicUsize,
    bytes_count: AtomicU64,
    next_count: AtomicUsize,
}

impl Job {
    /// One that has not begun.
    #[must_use]
    pub fn new(criteria: Criteria, files: Vec<Source>) -> Self {
        let (done_count, next_count) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Job { criteria, files, done_count, bytes_count: AtomicU64::new(0), next_count }
    }

    /// Files that have been searched.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done_count.load(Ordering::Relaxed)
    }

    /// Bytes of those.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes_count.load(Ordering::Relaxed)
    }

    /// Searches a file with a reader of this thread.
    #[cfg(feature = "peers")]
    pub(crate) fn search(&self, file: usize) -> Option<Told> {
        let mut reader = Reader::of_thread(WINDOW);
        let told = self.search_with(&mut reader, file);
        reader.keep();
        told
    }

    pub(crate) fn search_with(&self, reader: &mut Reader, file: usize) -> Option<Told> {
        self.count(file, reader.search(&self.criteria, self.files[file].path()))
    }

    /// The next file that nobody has taken, for engines that take them one by one.
    pub(crate) fn next(&self) -> Option<usize> {
        let next = self.next_count.fetch_add(1, Ordering::Relaxed);
        (next < self.files.len()).then_some(next)
    }

    /// Counts a file that has been searched. Most have nothing to be told.
    pub(crate) fn count(&self, file: usize, found: io::Result<Found>) -> Option<Told> {
        self.done_count.fetch_add(1, Ordering::Relaxed);
        let bytes = found.as_ref().map_or(0, |found| found.bytes);
        self.bytes_count.fetch_add(bytes, Ordering::Relaxed);
        let has_nothing = found.as_ref().is_ok_and(|found| found.hits.is_empty());
        (!has_nothing).then_some((file, found))
    }
}
