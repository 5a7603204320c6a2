//! A file searched buffer by buffer.
//!
//! ```text
//!  read ─► window ─► filter ─► candidate line ─► JSON ─► text ─► query ─► hit
//!            ▲          │ most lines                                       (time, place; no text)
//!            └ the line that is not whole yet goes to the front
//! ```
//!
//! A hit is a place, not a text: what is printed is read again, so that memory does not grow with what matches.
//! If every match is to be shown, lines are counted by the filter, while it looks for its texts; not in the last part of a file,
//! where they are counted up to a hit. Where the filter does not, since it looks for several texts or this processor has no AVX2,
//! and where not all is shown, lines are counted in files that have a hit; what comes before the first one's part is
//! read again for that, or its number is left open, for whoever prints it. Nothing else is read again: the time of a summary,
//! which is that of the last line before it that has one, is looked for as soon as a summary matches.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use memchr::{memchr, memchr_iter, memrchr};

use crate::criteria::Criteria;
use crate::filter::{Filter, Places};
use crate::instant::Instant;
use crate::message::{Lines, Role};
use crate::window::Window;

/// A line that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// When it was written.
    pub time: Instant,
    /// Where it begins.
    pub offset: u64,
    /// Bytes, without its end.
    pub len: u32,
    /// From 1 on; 0: not counted.
    pub line: u32,
    /// Whose it is.
    pub role: Role,
}

/// What is kept from file to file.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    places: Places,
    lines: Lines,
    /// For counting what is read again.
    buf: Vec<u8>,
}

/// A file being searched.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    criteria: &'a Criteria,
    path: &'a Path,
    /// The time of what comes before every line that has one.
    modified: Instant,
    pub(crate) hits: Vec<Hit>,
    /// Lines before the place, unless nobody has counted.
    counted: Option<(u64, u32)>,
    /// The time in force at a place.
    known: Option<(u64, Instant)>,
    /// Where the line begins that is being passed over: it is longer than the window, and nothing in it so far
    /// makes it a candidate.
    passing: Option<u64>,
    /// The line in the window is needed whole, however long it is.
    pub(crate) whole: bool,
}

impl<'a> Progress<'a> {
    /// At the start of the file at `path`, in which `criteria` are looked for.
    pub(crate) fn new(criteria: &'a Criteria, path: &'a Path, modified: Instant) -> Self {
        let (counted, known, passing) = (Some((0, 0)), None, None);
        Progress { criteria, path, modified, hits: Vec::new(), counted, known, passing, whole: false }
    }

    /// Whether the filter is to count the lines of a window at `base`.
    fn counts_in_passing(&self, base: u64) -> bool {
        self.criteria.numbered
            && self.criteria.filter.as_ref().is_some_and(Filter::counts_lines)
            && self.counted.is_some_and(|(place, _)| place == base)
    }
}

impl Scanner {
    /// Searches the whole lines of `bytes`, which lie at `base` in their file, and at its `end` what is left too: nothing comes after
    /// that. Returns how many bytes have been dealt with.
    pub(crate) fn scan(&mut self, file: &mut Progress<'_>, bytes: &[u8], base: u64, end: bool) -> usize {
        let whole = if end { bytes.len() } else { memrchr(b'\n', bytes).map_or(0, |n| n + 1) };
        let bytes = &bytes[..whole];
        let begun = file.counted;
        self.places.begin(!end && file.counts_in_passing(base));
        let mut from = if file.criteria.reading_only { whole } else { 0 };
        while from < whole {
            let begin = match &file.criteria.filter {
                None => from,
                Some(filter) => match filter.next(&mut self.places, bytes, from) {
                    Some(place) => memrchr(b'\n', &bytes[from..place]).map_or(from, |n| from + n + 1),
                    None => break,
                },
            };
            let stop = memchr(b'\n', &bytes[begin..]).map_or(whole, |n| begin + n);
            self.line(file, bytes, base, begin, stop);
            from = stop + 1;
        }
        if let Some(ends) = self.places.ends_of_lines(bytes) {
            file.counted = begun.map(|(place, lines)| (place + whole as u64, lines + ends));
        } else if !end {
            count_to_end(file, bytes, base);
        }
        whole
    }

    /// Searches what more bytes have made whole in `window`; true where the file's `end` has been dealt with.
    pub(crate) fn advance(&mut self, file: &mut Progress<'_>, window: &mut Window, end: bool) -> bool {
        if file.criteria.reading_only {
            window.drop_front(window.bytes().0.len());
            return end;
        }
        if let Some(begin) = file.passing
            && let Some(over) = pass_over(file, window, begin, end)
        {
            return over;
        }
        let (bytes, base) = window.bytes();
        let done = self.scan(file, bytes, base, end);
        window.drop_front(done);
        if done > 0 {
            file.whole = false;
        } else if window.is_full() && !file.whole {
            begin_to_pass(file, window);
        }
        end
    }

    fn line(&mut self, file: &mut Progress<'_>, bytes: &[u8], base: u64, begin: usize, stop: usize) {
        let line = &bytes[begin..stop];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(head) = self.lines.read(line) else { return };
        let offset = base + begin as u64;
        if let Some(time) = head.time {
            file.known = Some((base + stop as u64, time));
        }
        let wanted = file.criteria;
        let is_wanted = wanted.role.is_none_or(|role| role == head.role)
            && head.time.is_none_or(|time| wanted.is_in_time(time))
            && wanted.session.as_ref().is_none_or(|id| head.is_of_session(line, id))
            && wanted.query.matches(self.lines.text(line));
        if !is_wanted {
            return;
        }
        let time = head.time.unwrap_or_else(|| self.time_before(file, bytes, base, begin));
        if head.time.is_some() || wanted.is_in_time(time) {
            if wanted.numbered && file.counted.is_none() {
                // As if nobody had counted if it has gone since.
                let lines = count_before(file.path, base, &mut self.buf);
                file.counted = lines.ok().map(|lines| (base, lines));
            }
            let line_number = number(file, bytes, base, begin);
            let len = line.len() as u32;
            file.hits.push(Hit { time, offset, len, line: line_number, role: head.role });
        }
    }

    /// The time of the last line before `begin` that has one.
    fn time_before(&mut self, file: &mut Progress<'_>, bytes: &[u8], base: u64, begin: usize) -> Instant {
        let mut end = begin;
        let time = loop {
            let at = base + end as u64;
            if let Some((known, time)) = file.known
                && known + 1 >= at
            {
                break time;
            }
            if end == 0 {
                // Unreadable by now, or nothing there: as if the file began here.
                let found = if base == 0 { Ok(None) } else { self.time_in_file(file.path, base) };
                break found.ok().flatten().unwrap_or(file.modified);
            }
            let start = memrchr(b'\n', &bytes[..end - 1]).map_or(0, |n| n + 1);
            let line = &bytes[start..end - 1];
            let head = self.lines.read(line.strip_suffix(b"\r").unwrap_or(line));
            if let Some(time) = head.and_then(|head| head.time) {
                break time;
            }
            end = start;
        };
        file.known = Some((base + begin as u64, time));
        time
    }

    /// As [`time_before`](Self::time_before), where what lies before has left the buffer: a summary is the first line of its
    /// buffer. That is rare, and what is read was in memory just now.
    fn time_in_file(&mut self, path: &Path, end: u64) -> io::Result<Option<Instant>> {
        let file = File::open(path)?;
        let mut size = 64 * 1024_u64;
        loop {
            let from = end.saturating_sub(size);
            let mut bytes = vec![0; (end - from) as usize];
            file.read_exact_at(&mut bytes, from)?;
            // The first line may be a part of one.
            let whole = if from == 0 { 0 } else { memchr(b'\n', &bytes).map_or(bytes.len(), |n| n + 1) };
            for line in bytes[whole..].rsplit(|b| *b == b'\n') {
                let head = self.lines.read(line.strip_suffix(b"\r").unwrap_or(line));
                if let Some(time) = head.and_then(|head| head.time) {
                    return Ok(Some(time));
                }
            }
            if from == 0 {
                return Ok(None);
            }
            size *= 4;
        }
    }
}

/// The window is full of one line.
fn begin_to_pass(file: &mut Progress<'_>, window: &mut Window) {
    let (bytes, base) = window.bytes();
    match &file.criteria.filter {
        Some(filter) if !filter.is_in(bytes) => {
            file.passing = Some(base);
            window.drop_front(bytes.len() - filter.overlap());
        }
        _ => file.whole = true,
    }
}

/// Passes over the line that began at `begin`. `None`: what is in the window now is behind it; else whether the file is done.
fn pass_over(file: &mut Progress<'_>, window: &mut Window, begin: u64, end: bool) -> Option<bool> {
    let (bytes, base) = window.bytes();
    let stop = memchr(b'\n', bytes);
    let filter = file.criteria.filter.as_ref()?;
    if filter.is_in(&bytes[..stop.unwrap_or(bytes.len())]) {
        (file.passing, file.whole) = (None, true);
        window.go_back(begin);
        return Some(false);
    }
    let Some(stop) = stop else {
        window.drop_front(bytes.len().saturating_sub(filter.overlap()));
        return Some(end);
    };
    file.passing = None;
    if let Some((place, lines)) = &mut file.counted {
        (*place, *lines) = (base + stop as u64 + 1, *lines + 1);
    }
    window.drop_front(stop + 1);
    None
}

/// In a file with hits goes on counting, so that the next one's number is known.
fn count_to_end(file: &mut Progress<'_>, bytes: &[u8], base: u64) {
    if file.hits.is_empty() {
        file.counted = None;
    } else {
        number(file, bytes, base, bytes.len());
    }
}

/// The lines before `end` in the file at `path`: on the spot, since it was in memory just now.
fn count_before(path: &Path, end: u64, buf: &mut Vec<u8>) -> io::Result<u32> {
    buf.resize(32 * 1024, 0);
    count_lines(&mut File::open(path)?, end, buf)
}

/// The lines in the next `len` bytes of `file`.
pub(crate) fn count_lines(file: &mut File, len: u64, buf: &mut [u8]) -> io::Result<u32> {
    let (mut lines, mut left) = (0, len);
    while left > 0 {
        let most = left.min(buf.len() as u64) as usize;
        let n = file.read(&mut buf[..most])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        lines += memchr_iter(b'\n', &buf[..n]).count() as u32;
        left -= n as u64;
    }
    Ok(lines)
}

/// The number of the line that begins at `begin`, 0 if what comes before has not been counted.
fn number(file: &mut Progress<'_>, bytes: &[u8], base: u64, begin: usize) -> u32 {
    let Some((place, lines)) = &mut file.counted else { return 0 };
    let from = (*place - base) as usize;
    *lines += memchr_iter(b'\n', &bytes[from..begin]).count() as u32;
    *place = base + begin as u64;
    *lines + 1
}
