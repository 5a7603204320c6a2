//! Threads without a runtime.

use std::io;
use std::thread;

use crate::job::{Job, Told};
use crate::reader::Reader;

pub(super) fn run(job: &Job, threads: usize, whole: bool) -> io::Result<Vec<Told>> {
    thread::scope(|scope| {
        let start = |_| thread::Builder::new().spawn_scoped(scope, || files(job, whole));
        let started: io::Result<Vec<_>> = (0..threads).map(start).collect();
        let mut all = Vec::new();
        for thread in started? {
            all.extend(thread.join().map_err(|_| io::Error::other("a thread panicked"))?);
        }
        Ok(all)
    })
}

fn files(job: &Job, whole: bool) -> Vec<Told> {
    let (mut reader, mut buf, mut all) = (Reader::default(), Vec::new(), Vec::new());
    while let Some(file) = job.next() {
        all.extend(if whole {
            job.count(file, reader.search_whole(&job.criteria, job.files[file].path(), &mut buf))
        } else {
            job.search_with(&mut reader, file)
        });
    }
    all
}
