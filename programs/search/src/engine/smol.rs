//! Jobs on the pool of `blocking`, whose bound is the environment's.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::job::{Job, Told};

/// Jobs in the queue or under way, so that a large file at the front does not leave threads without work.
const AHEAD: usize = 128;

pub(super) fn run(job: &Arc<Job>) -> io::Result<Vec<Told>> {
    smol::block_on(async {
        let mut jobs = VecDeque::new();
        let mut all = Vec::new();
        for file in 0..job.files.len() {
            if jobs.len() >= AHEAD {
                all.extend(next(&mut jobs).await);
            }
            let job = Arc::clone(job);
            jobs.push_back(smol::unblock(move || job.search(file)));
        }
        while !jobs.is_empty() {
            all.extend(next(&mut jobs).await);
        }
        Ok(all)
    })
}

async fn next(jobs: &mut VecDeque<smol::Task<Option<Told>>>) -> Option<Told> {
    jobs.pop_front()?.await
}
