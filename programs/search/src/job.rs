//! What the threads of a search share.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::criteria::Criteria;
use crate::files::Source;
use crate::reader::{Found, Reader};
#[cfg(feature = "peers")]
use crate::window::WINDOW;

/// A search.
#[derive(Debug)]
pub struct Job {
    /// What for.
    pub criteria: Criteria,
    /// Where.
    pub files: Vec<Source>,
    done_count: AtomicUsize,
    next_count: AtomicUsize,
}

impl Job {
    /// One that has not begun.
    #[must_use]
    pub fn new(criteria: Criteria, files: Vec<Source>) -> Self {
        let (done_count, next_count) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Job { criteria, files, done_count, next_count }
    }

    /// Files that have been searched.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done_count.load(Ordering::Relaxed)
    }

    /// Searches a file with a reader of this thread.
    #[cfg(feature = "peers")]
    pub(crate) fn search(&self, file: usize) -> io::Result<Found> {
        let mut reader = Reader::of_thread(WINDOW);
        let found = self.search_with(&mut reader, file);
        reader.keep();
        found
    }

    pub(crate) fn search_with(&self, reader: &mut Reader, file: usize) -> io::Result<Found> {
        let found = reader.search(&self.criteria, self.files[file].path());
        self.count_one();
        found
    }

    /// The next file that nobody has taken, for engines that take them one by one.
    pub(crate) fn next(&self) -> Option<usize> {
        let next = self.next_count.fetch_add(1, Ordering::Relaxed);
        (next < self.files.len()).then_some(next)
    }

    pub(crate) fn count_one(&self) {
        self.done_count.fetch_add(1, Ordering::Relaxed);
    }
}
