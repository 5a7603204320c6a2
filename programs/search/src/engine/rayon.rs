//! A parallel iterator.

use std::io;

use rayon::prelude::*;

use crate::job::{Job, Told};

pub(super) fn run(job: &Job, threads: usize) -> io::Result<Vec<Told>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)?;
    Ok(pool.install(|| (0..job.files.len()).into_par_iter().filter_map(|file| job.search(file)).collect()))
}
