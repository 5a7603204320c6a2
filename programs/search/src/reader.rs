//! One file searched by one thread that waits for it.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
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

thread_local! {
    // Of each thread its own: a buffer that another processor has written last is slow to write.
    static IDLE: RefCell<Vec<Reader>> = const { RefCell::new(Vec::new()) };
}

impl Reader {
    /// One that this thread has kept, or a new one, with a window of `width` bytes.
    pub(crate) fn of_thread(width: usize) -> Reader {
        let kept = IDLE.with_borrow_mut(|idle| {
            let at = idle.iter().rposition(|reader| reader.window.width() == width)?;
            Some(idle.swap_remove(at))
        });
        kept.unwrap_or_else(|| Reader { scanner: Scanner::default(), window: Window::new(width) })
    }

    /// Keeps it for this thread.
    pub(crate) fn keep(self) {
        IDLE.with_borrow_mut(|idle| idle.push(self));
    }

    /// Searches the file at `path`.
    ///
    /// # Errors
    /// The system's.
    pub fn search(&mut self, criteria: &Criteria, path: &Path) -> io::Result<Found> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let modified = metadata.modified()?.into();
        let mut progress = Progress::new(criteria, path, modified);
        self.window.begin();
        loop {
            if self.window.is_full() {
                self.window.grow();
            }
            let offset = self.window.offset();
            let n = match file.read_at(self.window.room(), offset) {
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
        self.scanner.advance(progress, &mut self.window, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Query;
    use crate::window::WINDOW;

    /// A summary with `text` somewhere in `len` bytes; with a time it is a system's line.
    fn line(text: &str, before: usize, after: usize, time: Option<&str>) -> String {
        let (a, b) = ("x".repeat(before), "y".repeat(after));
        match time {
            None => format!("{{\"type\":\"summary\",\"summary\":\"{a}{text}{b}\",\"leafUuid\":\"\"}}\n"),
            Some(time) => format!(
                "{{\"type\":\"system\",\"content\":\"{a}{text}{b}\",\"uuid\":\"\",\"sessionId\":\"\",\"timestamp\":\"{time}\"}}\n"
            ),
        }
    }

    /// Every line is found, at its place and with its time, wherever the window ends.
    #[test]
    fn a_file_read_in_parts_has_the_hits_of_one_read_whole() {
        let path = std::env::temp_dir().join(format!("ouzel-search-parts-{}", std::process::id()));
        let times = [Some("2025-01-01T00:00:00Z"), None, Some("2025-01-02T00:00:00+09:00"), None];
        let lengths = [0, 10, WINDOW - 60, WINDOW, WINDOW * 2 + 7, WINDOW * 3];
        for (round, text) in ["needle", r"n\u0065edle", "nothing"].into_iter().enumerate() {
            let mut all = String::new();
            for n in 0..60 {
                let (before, after) = (lengths[(n * 7 + round) % 6], lengths[(n * 5) % 6]);
                let text = if n % 3 == 0 { text } else { "" };
                all.push_str(&line(text, before, after, times[n % 4]));
            }
            std::fs::write(&path, &all).unwrap();
            for query in ["needle", "NOT xneedle", "needle OR y"] {
                let criteria = Criteria::new(Query::parse(query).unwrap());
                let mut reader = Reader::default();
                let parts = reader.search(&criteria, &path).unwrap();
                let whole = reader.search_whole(&criteria, &path, &mut Vec::new()).unwrap();
                assert_eq!(parts.bytes, whole.bytes);
                let mut numbered = parts.hits.clone();
                for (part, whole) in numbered.iter_mut().zip(&whole.hits) {
                    // What was not counted is left open, never wrong.
                    part.line = if part.line == 0 { whole.line } else { part.line };
                }
                assert_eq!(numbered, whole.hits, "{text} {query}");
                let all =
                    reader.search(&Criteria::new(Query::parse(query).unwrap()).numbered(), &path).unwrap();
                assert_eq!(all.hits, whole.hits, "{text} {query}");
                reader.window.begin();
                assert_eq!(reader.window.room().len(), WINDOW);
            }
        }
        std::fs::remove_file(&path).unwrap();
    }
}
