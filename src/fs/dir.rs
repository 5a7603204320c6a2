//! Reading directories.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::job::{Job, on_pool};
use super::metadata::{FileType, Metadata};
use super::names::symlink_metadata;

/// Entries that one job on the pool fetches.
const BATCH: usize = 64;

/// Lists a directory.
///
/// Opened by a job on the blocking pool, read by one per 64 entries. Without `.` and `..`, in no particular order.
///
/// # Errors
/// The system's: not found, not a directory.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// let mut entries = ouzel::fs::read_dir("/").await?;
/// let mut names = Vec::new();
/// while let Some(entry) = entries.next_entry().await? {
///     names.push(entry.file_name().to_os_string());
/// }
/// assert!(names.iter().any(|name| name == "tmp"));
/// # Ok(())
/// # })
/// # }
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_path_buf();
    let batch = on_pool(move || Ok(Batch::fetch(std::fs::read_dir(&path)?, path))).await?;
    Ok(ReadDir { state: State::Here(batch) })
}

/// The entries of a directory, made by [`read_dir`], where an example is.
#[derive(Debug)]
pub struct ReadDir {
    state: State,
}

enum State {
    Here(Batch),
    Coming(Job<Batch>),
    Over,
}

struct Batch {
    entries: VecDeque<io::Result<DirEntry>>,
    /// Of the directory as it was given, and where the next ones come from, if there may be any.
    rest: Option<(std::fs::ReadDir, PathBuf)>,
}

impl Batch {
    fn fetch(mut dir: std::fs::ReadDir, path: PathBuf) -> Batch {
        let entries: VecDeque<_> =
            dir.by_ref().take(BATCH).map(|e| e.map(|e| DirEntry::new(&path, &e))).collect();
        let more = entries.len() == BATCH;
        Batch { entries, rest: more.then_some((dir, path)) }
    }
}

impl ReadDir {
    /// The next entry; none at the end.
    ///
    /// Dropping the future loses nothing: the next call goes on where it was.
    ///
    /// # Errors
    /// The system's. The entries after a failed one may still be had.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        loop {
            match &mut self.state {
                State::Here(batch) => {
                    if let Some(entry) = batch.entries.pop_front() {
                        return Poll::Ready(entry.map(Some));
                    }
                    self.state = match batch.rest.take() {
                        Some((dir, path)) => State::Coming(Job::begin(|| Ok(Batch::fetch(dir, path)))?),
                        None => State::Over,
                    };
                }
                State::Coming(job) => {
                    let batch = ready!(Pin::new(job).poll(cx));
                    self.state = State::Over;
                    self.state = State::Here(batch?);
                }
                State::Over => return Poll::Ready(Ok(None)),
            }
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Here(batch) => write!(f, "{} entries here", batch.entries.len()),
            State::Coming(_) => f.write_str("more are coming"),
            State::Over => f.write_str("at the end"),
        }
    }
}

/// One entry of a directory.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// let (mut folders, mut bytes) = (0, 0);
/// let mut entries = ouzel::fs::read_dir(".").await?;
/// while let Some(entry) = entries.next_entry().await? {
///     match entry.file_type().await?.is_dir() {
///         true => folders += 1,
///         false => bytes += entry.metadata().await?.len(),
///     }
/// }
/// println!("{folders} folders, {bytes} bytes");
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DirEntry {
    path: PathBuf,
    name: OsString,
    ino: u64,
    /// Where the directory knows it.
    file_type: Option<FileType>,
}

impl DirEntry {
    fn new(dir: &Path, entry: &std::fs::DirEntry) -> DirEntry {
        use std::os::unix::fs::DirEntryExt;
        let name = entry.file_name();
        DirEntry {
            path: dir.join(&name),
            name,
            ino: entry.ino(),
            file_type: entry.file_type().ok().map(FileType::of_std),
        }
    }

    /// The directory's path, as it was given, with the entry's name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// The entry's name.
    #[must_use]
    pub fn file_name(&self) -> &OsStr {
        &self.name
    }

    /// The file's number within its file system.
    #[must_use]
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// What it is; of a symbolic link, that it is one. Asks the system only if that was not found out on the way.
    ///
    /// # Errors
    /// The system's.
    pub async fn file_type(&self) -> io::Result<FileType> {
        match self.file_type {
            Some(file_type) => Ok(file_type),
            None => Ok(symlink_metadata(&self.path).await?.file_type()),
        }
    }

    /// Its status; of a symbolic link, that of the link.
    ///
    /// # Errors
    /// The system's: it is gone by now.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        symlink_metadata(&self.path).await
    }
}
