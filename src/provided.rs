//! Provided buffers on loan: a driver's own, filled by a multishot receive, until whoever reads them lets go.
//!
//! They belong to one thread's driver. A guard may be dropped anywhere: on that thread it gives the buffer to the
//! driver, elsewhere to a list that the thread clears once per turn. Nobody is woken for it: a driver without
//! buffers says so when bytes come, and by then the list has been looked at. The memory lives as long as anybody
//! holds this, so a guard may outlive its runtime.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ouzel_core::op::ProvidedMemory;

/// One driver's buffers, and those of them that were let go elsewhere.
pub(crate) struct Provided {
    memory: Arc<dyn ProvidedMemory>,
    /// Set after a buffer was put in; cleared before they are taken out.
    any: AtomicBool,
    returned: Mutex<Vec<u16>>,
}

impl Provided {
    pub(crate) fn new(memory: Arc<dyn ProvidedMemory>) -> Self {
        Provided { memory, any: AtomicBool::new(false), returned: Mutex::default() }
    }

    /// The first byte of buffer `id`.
    #[inline]
    pub(crate) fn at(&self, id: u16) -> *mut u8 {
        self.memory.at(id)
    }

    /// Any thread: `id` is not used any more.
    pub(crate) fn give_back(&self, id: u16) {
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        returned.push(id);
        // ORDERING: Relaxed: a flag seen late delays a buffer by a turn; the lock orders what lies inside.
        self.any.store(true, Ordering::Relaxed);
    }

    /// The driver's thread: whether something was given back.
    #[inline]
    pub(crate) fn has_returned(&self) -> bool {
        // ORDERING: Relaxed: as in `give_back`.
        self.any.load(Ordering::Relaxed)
    }

    /// The driver's thread: what was given back.
    pub(crate) fn take_returned(&self) -> Vec<u16> {
        if !self.has_returned() {
            return Vec::new();
        }
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        // ORDERING: Relaxed: changed under the lock alone.
        self.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *returned)
    }
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provided").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Static(Vec<u8>);

    impl ProvidedMemory for Static {
        fn at(&self, id: u16) -> *mut u8 {
            self.0[usize::from(id)..].as_ptr().cast_mut()
        }
    }

    #[test]
    fn what_was_given_back_elsewhere_is_found_once() {
        let home = Arc::new(Provided::new(Arc::new(Static(b"abcdef".to_vec()))));
        let far = Arc::clone(&home);
        std::thread::spawn(move || (3..6).for_each(|id| far.give_back(id))).join().unwrap();
        assert_eq!(home.take_returned(), [3, 4, 5]);
        assert!(home.take_returned().is_empty());
        // SAFETY: the fourth of six bytes.
        assert_eq!(unsafe { *home.at(3) }, b'd');
    }
}
