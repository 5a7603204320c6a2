//! The files to search: every `*.jsonl` below the given places.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// A file to search.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    /// Where the path below the given place begins.
    below: usize,
}

impl Source {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of its path below the place that was given; of a file that was given itself its name.
    #[must_use]
    pub fn below(&self) -> &[u8] {
        &self.path.as_os_str().as_bytes()[self.below..]
    }

    /// The order among files modified at the same time.
    pub(crate) fn order(&self, other: &Source) -> Ordering {
        self.below().cmp(other.below()).then_with(|| self.path.cmp(&other.path))
    }
}

/// Something that could not be read, and why.
#[derive(Debug)]
pub struct Unreadable {
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// What there is to search.
#[derive(Debug, Default)]
pub struct Sources {
    /// Files, in no particular order.
    pub files: Vec<Source>,
    /// Places that are not there, and directories that could not be read, or not to their end.
    pub unreadable: Vec<Unreadable>,
    /// Threads that read directories; 0 is one, too.
    threads: usize,
}

/// A directory that is read for longer is on the disk, which reads others meanwhile: more threads are worth their start. One
/// that is in memory takes ten microseconds; there a second thread saves nothing (3.0 ms for 278 directories, and by one
/// 2.8), as both write to new memory of one process.
const SLOW: Duration = Duration::from_micros(200);
/// Files that a thread has room for at first: 128 KiB, of which only what is filled takes memory. A list that grew with the paths
/// would be copied again and again, and each time to pages that were not touched before.
const ROOM: usize = 4096;

/// Directories side by side, read by one thread or several.
struct Level<'a> {
    directories: &'a [PathBuf],
    next_count: AtomicUsize,
    /// See [`Source`].
    below: usize,
    /// See [`SLOW`].
    slow: Duration,
}

impl Level<'_> {
    /// Reads directories that nobody else has taken: what is in them, and those below. After a slow one
    /// `more` is told how many are left.
    fn read(&self, mut more: impl FnMut(usize)) -> (Sources, Vec<PathBuf>) {
        let (mut sources, mut deeper) = (Sources::default(), Vec::new());
        sources.files.reserve(if self.directories.len() > 1 { ROOM } else { 0 });
        let mut begin = Instant::now();
        while let Some(directory) = self.directories.get(self.next_count.fetch_add(1, Relaxed)) {
            sources.entries(directory, self.below, &mut deeper);
            let end = Instant::now();
            if end - begin > self.slow {
                more(self.directories.len().saturating_sub(self.next_count.load(Relaxed)));
            }
            begin = end;
        }
        (sources, deeper)
    }
}

impl Sources {
    /// Nothing as yet; up to `threads` threads read directories that lie side by side and have to be waited for.
    #[must_use]
    pub fn with_threads(threads: usize) -> Self {
        Sources { threads, ..Sources::default() }
    }

    /// Adds what is at `place`: a file, or all those below a directory. Links to directories are not followed below it.
    pub fn add(&mut self, place: &Path) {
        match fs::metadata(place) {
            Ok(metadata) if metadata.is_dir() => {
                let len = place.as_os_str().len();
                let slash = place.as_os_str().as_bytes().last() != Some(&b'/');
                self.directory(place.to_path_buf(), len + usize::from(slash), SLOW);
            }
            Ok(_) => {
                let name = place.file_name().map_or(0, |n| n.len());
                let below = place.as_os_str().len() - name;
                self.files.push(Source { path: place.to_path_buf(), below });
            }
            Err(error) => self.unreadable.push(Unreadable { path: place.to_path_buf(), error }),
        }
    }

    /// Keeps the files in directories whose name has `name` in it.
    pub fn keep_project(&mut self, name: &str) {
        self.files.retain(|file| {
            let below = String::from_utf8_lossy(file.below()).into_owned();
            let mut names: Vec<&str> = below.split('/').collect();
            names.pop();
            names.iter().any(|directory| directory.contains(name))
        });
    }

    /// See [`Level`] for `below` and `slow`.
    fn directory(&mut self, directory: PathBuf, below: usize, slow: Duration) {
        // One level after the other.
        let mut directories = vec![directory];
        while !directories.is_empty() {
            let next_count = AtomicUsize::new(0);
            let level = Level { directories: &directories, next_count, below, slow };
            let all = thread::scope(|scope| {
                let mut others = Vec::new();
                let own = level.read(|left| {
                    // Those that cannot be started are not missed.
                    let start = || thread::Builder::new().spawn_scoped(scope, || level.read(|_| ())).ok();
                    let more = left.min(self.threads.saturating_sub(1 + others.len()));
                    others.extend((0..more).filter_map(|_| start()));
                });
                let others =
                    others.into_iter().map(|t| t.join().expect("reading directories panics nowhere"));
                others.chain([own]).collect::<Vec<_>>()
            });
            directories.clear();
            for (sources, deeper) in all {
                if self.files.is_empty() {
                    self.files = sources.files;
                } else {
                    self.files.extend(sources.files);
                }
                self.unreadable.extend(sources.unreadable);
                directories.extend(deeper);
            }
        }
    }

    /// Adds the files in `directory`, and to `deeper` the directories.
    fn entries(&mut self, directory: &Path, below: usize, deeper: &mut Vec<PathBuf>) {
        let unreadable = |error| Unreadable { path: directory.to_path_buf(), error };
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push(unreadable(error)),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                // What came before it is searched; the system tells no more of this one.
                Err(error) => return self.unreadable.push(unreadable(error)),
            };
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name();
            if kind.is_dir() {
                deeper.push(joined(directory, &name));
            } else if name.as_bytes().ends_with(b".jsonl") {
                let path = joined(directory, &name);
                // Pipes and devices are left alone; a link that leads nowhere is told when it is opened.
                if kind.is_file() || kind.is_symlink() && fs::metadata(&path).map_or(true, |m| m.is_file()) {
                    self.files.push(Source { path, below });
                }
            }
        }
    }
}

/// The path of what is called `name` in `directory`, in no more memory than it has bytes: there are thousands.
fn joined(directory: &Path, name: &OsStr) -> PathBuf {
    let mut path = PathBuf::with_capacity(directory.as_os_str().len() + 1 + name.len());
    path.push(directory);
    path.push(name);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_directories_are_read_by_more_threads_each_once() {
        const COUNT: usize = 96;
        let root = std::env::temp_dir().join(format!("ouzel-search-many-{}", std::process::id()));
        for n in 0..COUNT {
            let directory = root.join(format!("{n}/deeper"));
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("a.jsonl"), "").unwrap();
        }
        let below = root.as_os_str().len() + 1;
        for (threads, slow) in [(0, Duration::ZERO), (1, Duration::ZERO), (3, Duration::ZERO), (3, SLOW)] {
            let mut sources = Sources::with_threads(threads);
            sources.directory(root.clone(), below, slow);
            sources.files.sort_by(Source::order);
            sources.files.dedup_by(|a, b| a.path == b.path);
            assert_eq!((sources.files.len(), sources.unreadable.len()), (COUNT, 0), "{threads}");
        }
        let directories: Vec<_> = (0..COUNT).map(|n| root.join(n.to_string())).collect();
        let next_count = AtomicUsize::new(0);
        let level = Level { directories: &directories, next_count, below, slow: Duration::ZERO };
        let mut asked = Vec::new();
        let (_, deeper) = level.read(|left| asked.push(left));
        assert_eq!((deeper.len(), asked), (COUNT, (0..COUNT).rev().collect()));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn files_of_the_right_name_are_found_at_any_depth() {
        let root = std::env::temp_dir().join(format!("ouzel-search-files-{}", std::process::id()));
        fs::create_dir_all(root.join("a/b.jsonl/c")).unwrap();
        for name in ["x.jsonl", "a/y.jsonl", "a/b.jsonl/c/.jsonl", "a/x.jsonl.bak", "a/x.json"] {
            fs::write(root.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("a"), root.join("loop.jsonl")).unwrap();
        std::os::unix::fs::symlink(root.join("x.jsonl"), root.join("a/link.jsonl")).unwrap();
        let mut sources = Sources::default();
        sources.add(&root);
        sources.add(&root.join("nowhere"));
        sources.files.sort_by(Source::order);
        let below = |s: &Sources| {
            s.files.iter().map(|f| String::from_utf8_lossy(f.below()).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(below(&sources), ["a/b.jsonl/c/.jsonl", "a/link.jsonl", "a/y.jsonl", "x.jsonl"]);
        assert_eq!(sources.unreadable.len(), 1);
        sources.keep_project("b.j");
        assert_eq!(below(&sources), ["a/b.jsonl/c/.jsonl"]);
        sources.add(&root.join("a/x.json"));
        assert_eq!(sources.files[1].below(), b"x.json", "what is named is searched");
        fs::remove_dir_all(&root).unwrap();
    }
}
