//! A parallel iterator.

use std::io;

use rayon::prelude::*;

use crate::job::Job;
use crate::reader::Found;

pub(super) fn run(job: &Job, threads: usize) -> io::Result<Vec<io::Result<Found>>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    Ok(pool.install(|| (0..job.files.len()).into_par_iter().map(|file| job.search(file)).collect()))
}
