//! Where results of the blocking pool wait for the thread whose operations they end.

use std::cell::Cell;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ouzel_core::memory::boxed;
use ouzel_core::op::{Completion, OpKey};
use ouzel_core::sched::Seat;

use crate::platform::ECANCELED;

/// Where the blocking pool leaves results for a reactor's thread.
pub(super) struct Mailbox {
    /// Set after a letter was put in; cleared before they are taken out.
    full: AtomicBool,
    /// The newest.
    letters: Mutex<Option<Box<Sheet>>>,
    seat: Seat,
}

/// What a letter says. In memory of its own from the beginning: a thread of the pool asks for none.
struct Sheet {
    key: OpKey,
    res: i32,
    older: Option<Box<Sheet>>,
}

impl Mailbox {
    pub(super) fn new(seat: Seat) -> Self {
        Mailbox { full: AtomicBool::new(false), letters: Mutex::new(None), seat }
    }

    fn letters(&self) -> MutexGuard<'_, Option<Box<Sheet>>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, mut sheet: Box<Sheet>) {
        let mut letters = self.letters();
        sheet.older = letters.take();
        *letters = Some(sheet);
        // ORDERING: Relaxed: the park word's token orders it for the owner, the lock what lies inside.
        self.full.store(true, Ordering::Relaxed);
        drop(letters);
        self.seat.park.unpark(&*self.seat.unpark);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed: a letter not seen yet leaves a token, and the owner looks again.
        !self.full.load(Ordering::Relaxed)
    }

    /// All that there are, oldest first.
    pub(super) fn take(&self) -> impl Iterator<Item = (OpKey, Completion)> + use<> {
        let mut newest = None;
        if !self.is_empty() {
            let mut letters = self.letters();
            // ORDERING: Relaxed: changed under the lock alone.
            self.full.store(false, Ordering::Relaxed);
            newest = letters.take();
        }
        let mut oldest = None;
        while let Some(mut sheet) = newest {
            newest = sheet.older.take();
            sheet.older = oldest;
            oldest = Some(sheet);
        }
        iter::from_fn(move || {
            let sheet = oldest.take()?;
            oldest = sheet.older;
            Some((sheet.key, Completion::done(sheet.res)))
        })
    }
}

thread_local! {
    /// What a letter says that nobody has filled.
    static UNFILLED: Cell<i32> = const { Cell::new(-ECANCELED) };
}

/// A result on its way to the mailbox: posted when dropped, so also for a job that never ran or panicked.
pub(super) struct Letter {
    mailbox: Arc<Mailbox>,
    /// Until it is posted.
    sheet: Option<Box<Sheet>>,
    filled: bool,
}

impl Letter {
    /// None: there is no memory for it.
    pub(super) fn new(mailbox: &Arc<Mailbox>, key: OpKey) -> Option<Letter> {
        let sheet = Some(boxed(Sheet { key, res: 0, older: None })?);
        Some(Letter { mailbox: Arc::clone(mailbox), sheet, filled: false })
    }

    /// A method, so that a closure that calls it captures the whole letter.
    pub(super) fn fill(&mut self, res: i32) {
        if let Some(sheet) = &mut self.sheet {
            sheet.res = res;
            self.filled = true;
        }
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        if let Some(mut sheet) = self.sheet.take() {
            if !self.filled {
                sheet.res = UNFILLED.get();
            }
            self.mailbox.post(sheet);
        }
    }
}

/// Letters that `f` drops, and nobody has filled, say `res`.
pub(super) fn refusing<R>(res: i32, f: impl FnOnce() -> R) -> R {
    UNFILLED.set(res);
    let result = f();
    UNFILLED.set(-ECANCELED);
    result
}
