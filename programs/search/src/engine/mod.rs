//! The engines: one matcher, several ways of having it work on many files at once.
//!
//! | engine | what it is | file |
//! |---|---|---|
//! | `ouzel` | a task a worker, and one more a read that waits; what is in memory is read on the spot | `ouzel.rs` |
//! | `threads` | threads, each takes the next file | `threads.rs` |
//! | `whole` | the same, with all of a file in memory, and `memchr` for a filter | `threads.rs` |
//! | `rayon` | a parallel iterator over the files | `rayon.rs` |
//! | `smol` | a job a file on the pool of `blocking`: up to 500 threads, or `BLOCKING_MAX_THREADS` | `smol.rs` |
//! | `tokio` | a job a file on tokio's blocking pool, of as many threads | `tokio.rs` |
//! | `tokio-uncapped` | the same with tokio's own bound, 512 threads | `tokio.rs` |
//! | `tokio-lines` | a task a file, which reads lines by `tokio::fs`: a hop to the pool for every part | `tokio.rs` |

mod ouzel;
mod threads;

#[cfg(feature = "peers")]
mod rayon;
#[cfg(feature = "peers")]
mod smol;
#[cfg(feature = "peers")]
mod tokio;

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use crate::job::{Job, Told};

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the module says what each is")]
pub enum Engine {
    #[default]
    Ouzel,
    Threads,
    Whole,
    Rayon,
    Smol,
    Tokio,
    TokioUncapped,
    TokioLines,
}

impl Engine {
    /// All of them, whether this program has them or not.
    pub const ALL: [Engine; 8] = [
        Engine::Ouzel,
        Engine::Threads,
        Engine::Whole,
        Engine::Rayon,
        Engine::Smol,
        Engine::Tokio,
        Engine::TokioUncapped,
        Engine::TokioLines,
    ];

    /// As it is given on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Engine::Ouzel => "ouzel",
            Engine::Threads => "threads",
            Engine::Whole => "whole",
            Engine::Rayon => "rayon",
            Engine::Smol => "smol",
            Engine::Tokio => "tokio",
            Engine::TokioUncapped => "tokio-uncapped",
            Engine::TokioLines => "tokio-lines",
        }
    }

    /// Whether it is part of this program: the feature `peers` brings other runtimes.
    #[must_use]
    pub fn is_here(self) -> bool {
        cfg!(feature = "peers") || matches!(self, Engine::Ouzel | Engine::Threads | Engine::Whole)
    }

    /// Has `threads` threads search all files, each once: a job is run once. Those with something to tell, in no particular order.
    ///
    /// # Errors
    /// The engine could not be started, stopped before the last file, or is no part of this program.
    pub fn run(self, job: &Arc<Job>, threads: usize) -> io::Result<Vec<Told>> {
        let told = self.run_if_here(job, threads)?;
        self.check_done(job).map(|()| told)
    }

    /// A file that nobody looked at would be one that has nothing.
    fn check_done(self, job: &Job) -> io::Result<()> {
        match job.files.len().saturating_sub(job.done()) {
            0 => Ok(()),
            left => Err(io::Error::other(format!("engine {self} has left out {left} files"))),
        }
    }

    fn run_if_here(self, job: &Arc<Job>, threads: usize) -> io::Result<Vec<Told>> {
        match self {
            Engine::Ouzel => ouzel::run(job, threads),
            Engine::Threads => threads::run(job, threads, false),
            Engine::Whole => threads::run(job, threads, true),
            #[cfg(feature = "peers")]
            Engine::Rayon => rayon::run(job, threads),
            #[cfg(feature = "peers")]
            Engine::Smol => smol::run(job),
            #[cfg(feature = "peers")]
            Engine::Tokio => tokio::run(job, threads, threads),
            #[cfg(feature = "peers")]
            Engine::TokioUncapped => tokio::run(job, threads, 512),
            #[cfg(feature = "peers")]
            Engine::TokioLines => tokio::run_by_lines(job, threads),
            #[cfg(not(feature = "peers"))]
            other => {
                let what =
                    format!("this program was built without the feature `peers`, which brings {other}");
                Err(io::Error::new(io::ErrorKind::Unsupported, what))
            }
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = Engine::ALL.into_iter().find(|e| e.name() == name);
        named.ok_or_else(|| {
            format!("no engine {name:?}; there are {}", Engine::ALL.map(Engine::name).join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Criteria, Query, Sources};

    #[test]
    fn files_left_out_are_an_error_those_that_cannot_be_read_are_told_and_those_with_nothing_counted() {
        let root = std::env::temp_dir().join(format!("ouzel-search-left-{}", std::process::id()));
        for engine in Engine::ALL.into_iter().filter(|e| e.is_here()) {
            std::fs::create_dir_all(&root).unwrap();
            let mut sources = Sources::default();
            for name in ["gone.jsonl", "there.jsonl"] {
                std::fs::write(root.join(name), "{}\n").unwrap();
                sources.add(&root.join(name));
            }
            std::fs::remove_file(root.join("gone.jsonl")).unwrap();
            let job = Arc::new(Job::new(Criteria::new(Query::parse("x").unwrap()), sources.files));
            let error = engine.check_done(&job).unwrap_err().to_string();
            assert_eq!(error, format!("engine {engine} has left out 2 files"));
            let told = engine.run(&job, 2).unwrap();
            std::fs::remove_dir_all(&root).unwrap();
            let [(0, Err(error))] = &told[..] else { panic!("{engine}: {told:?}") };
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{engine}");
            assert_eq!((job.done(), job.bytes()), (2, 3), "{engine}");
        }
    }
}
