//! How far a search is, for those who wait for it.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ouzel_search::Job;

/// Before the first word.
const PATIENCE: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_millis(100);

/// Tells on stderr, if that is a terminal, until it is dropped.
pub(crate) struct Progress {
    over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Watches `job`.
    pub(crate) fn of(job: &Arc<Job>) -> Progress {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let thread = std::io::stderr().is_terminal().then(|| {
            let (over, job) = (Arc::clone(&over), Arc::clone(job));
            std::thread::spawn(move || tell(&over, &job))
        });
        Progress { over, thread }
    }
}

fn tell((over, changed): &(Mutex<bool>, Condvar), job: &Job) {
    let mut wait = PATIENCE;
    let mut told = false;
    loop {
        let guard = over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(guard, wait, |over| !*over);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 {
            break;
        }
        told = true;
        // A terminal that has gone away is no reason to stop.
        let _ = write!(std::io::stderr(), "\r{} of {} files", job.done(), job.files.len());
        wait = STEP;
    }
    if told {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        *self.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
