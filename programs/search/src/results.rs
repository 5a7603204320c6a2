//! All hits of all files, in their one order.

use std::cmp::Reverse;
use std::fs::File;
use std::io;

use crate::files::{Source, Unreadable};
use crate::job::{Job, Told};
use crate::reader::Found;
use crate::scan::{Hit, count_lines};

/// A hit and its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The file, by its place among those searched.
    pub file: u32,
    /// Where in it.
    pub hit: Hit,
}

/// What a search has found.
#[derive(Debug)]
pub struct Results {
    /// What could not be.
    pub unreadable: Vec<Unreadable>,
    /// Matches, before any limit.
    pub count: usize,
    /// Files with matches, before any limit.
    pub files_with_matches: usize,
    /// Bytes searched.
    pub bytes: u64,
    /// Matches in order, up to the limit.
    pub matches: Vec<Match>,
}

impl Results {
    /// Puts together what `job` has found: newest first, or with `oldest` in the reverse order, and the
    /// first `limit` of that.
    ///
    /// At the same time the file that was modified last comes first, then the order is that of paths' bytes and of lines.
    #[must_use]
    pub fn new(job: &Job, mut told: Vec<Told>, limit: Option<usize>, oldest: bool) -> Self {
        let files = &job.files;
        let mut results = Results {
            unreadable: Vec::new(),
            count: 0,
            files_with_matches: 0,
            bytes: job.bytes(),
            matches: Vec::new(),
        };
        told.sort_unstable_by_key(|(file, _)| *file);
        let mut with_hits = Vec::new();
        for (file, result) in told {
            match result {
                Ok(found) => {
                    results.count += found.hits.len();
                    with_hits.push((file, found));
                }
                Err(error) => {
                    let path = files[file].path().to_path_buf();
                    results.unreadable.push(Unreadable { path, error });
                }
            }
        }
        results.files_with_matches = with_hits.len();
        let modified_last = |a: &(usize, Found), b: &(usize, Found)| {
            b.1.modified.cmp(&a.1.modified).then_with(|| files[a.0].order(&files[b.0]))
        };
        with_hits.sort_by(modified_last);
        // Files are numbered by their rank as long as that is what counts.
        let hits = with_hits.iter().enumerate().flat_map(|(rank, (_, found))| {
            found.hits.iter().map(move |hit| Match { file: rank as u32, hit: *hit })
        });
        let mut matches: Vec<Match> = hits.collect();
        let key = |m: &Match| (Reverse(m.hit.time), m.file, m.hit.offset);
        first(&mut matches, limit.unwrap_or(usize::MAX), |a, b| {
            let order = key(a).cmp(&key(b));
            if oldest { order.reverse() } else { order }
        });
        for m in &mut matches {
            m.file = with_hits[m.file as usize].0 as u32;
        }
        results.matches = matches;
        results
    }

    /// Counts the lines before the matches whose number is not known yet: reads their files up to there.
    ///
    /// # Errors
    /// The system's, of a file that was there just now. What could be counted has been.
    pub fn number_lines(&mut self, files: &[Source]) -> io::Result<()> {
        let mut open: Vec<&mut Match> = self.matches.iter_mut().filter(|m| m.hit.line == 0).collect();
        open.sort_unstable_by_key(|m| (m.file, m.hit.offset));
        let mut buf = vec![0; 128 * 1024];
        let mut result = Ok(());
        for of_file in open.chunk_by_mut(|a, b| a.file == b.file) {
            let path = files[of_file[0].file as usize].path();
            let counted = File::open(path).and_then(|mut file| count(&mut file, of_file, &mut buf));
            result = result.and(counted);
        }
        result
    }
}

/// Sorts the first `limit`, and drops the others.
fn first<T>(all: &mut Vec<T>, limit: usize, order: impl Fn(&T, &T) -> std::cmp::Ordering) {
    if limit < all.len() {
        if limit > 0 {
            all.select_nth_unstable_by(limit - 1, &order);
        }
        all.truncate(limit);
    }
    all.sort_unstable_by(order);
}

fn count(file: &mut File, matches: &mut [&mut Match], buf: &mut [u8]) -> io::Result<()> {
    let (mut lines, mut place) = (1, 0);
    for m in matches {
        lines += count_lines(file, m.hit.offset - place, buf)?;
        (place, m.hit.line) = (m.hit.offset, lines);
    }
    Ok(())
}
