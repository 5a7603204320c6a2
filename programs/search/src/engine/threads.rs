//! Threads without a runtime.

use std::io;
use std::thread;

use crate::job::Job;
use crate::reader::{Found, Reader};

pub(super) fn run(job: &Job, threads: usize, whole: bool) -> io::Result<Vec<io::Result<Found>>> {
    let of_threads: Vec<Vec<(usize, io::Result<Found>)>> = thread::scope(|scope| {
        let start = |_| thread::Builder::new().spawn_scoped(scope, || files(job, whole));
        let started: io::Result<Vec<_>> = (0..threads).map(start).collect();
        let join =
            |t: thread::ScopedJoinHandle<'_, _>| t.join().map_err(|_| io::Error::other("a thread panicked"));
        started?.into_iter().map(join).collect::<io::Result<_>>()
    })?;
    let mut all: Vec<_> = of_threads.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(file, _)| *file);
    Ok(all.into_iter().map(|(_, found)| found).collect())
}

fn files(job: &Job, whole: bool) -> Vec<(usize, io::Result<Found>)> {
    let (mut reader, mut buf, mut all) = (Reader::default(), Vec::new(), Vec::new());
    while let Some(file) = job.next() {
        let found = if whole {
            let found = reader.search_whole(&job.criteria, job.files[file].path(), &mut buf);
            job.count_one();
            found
        } else {
            job.search_with(&mut reader, file)
        };
        all.push((file, found));
    }
    all
}
