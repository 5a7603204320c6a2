//! Matches read again, for who wants to see them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::files::Source;
use crate::message::Lines;
use crate::results::Match;

/// What a match says.
#[derive(Debug)]
pub struct Shown<'a> {
    /// Its text, as it was searched.
    pub text: &'a str,
    /// The session's id; a summary has none.
    pub session: Option<String>,
}

/// Reads matches again, preferably of one file after the other: the last one stays open.
#[derive(Debug, Default)]
pub struct Shower {
    open: Option<(u32, File)>,
    line: Vec<u8>,
    lines: Lines,
}

impl Shower {
    /// What `found` says.
    ///
    /// # Errors
    /// The system's; `InvalidData` if the file has changed since.
    pub fn read(&mut self, files: &[Source], found: &Match) -> io::Result<Shown<'_>> {
        let file = match self.open.take() {
            Some((index, file)) if index == found.file => file,
            _ => File::open(files[found.file as usize].path())?,
        };
        self.line.resize(found.hit.len as usize, 0);
        file.read_exact_at(&mut self.line, found.hit.offset)?;
        self.open = Some((found.file, file));
        let head = self.lines.read(&self.line).ok_or(io::ErrorKind::InvalidData)?;
        let session = head.session_id(&self.line);
        Ok(Shown { text: self.lines.text(&self.line), session })
    }
}
