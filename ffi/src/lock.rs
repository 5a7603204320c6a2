//! Locks of the process, in a child that was forked while another thread held one.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::Duration;

/// Locks what is held for a moment at a time. None: it does not come free in tens of milliseconds; a child was forked in that moment, on another thread than
/// the one that held it, and never will see it free.
pub(crate) fn lock_unless_lost<T>(mutex: &'static Mutex<T>) -> Option<MutexGuard<'static, T>> {
    for round in 0..40 {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if round < 20 => thread::yield_now(),
            // Whoever has it was interrupted, if he is there.
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_never_free_is_not_waited_for() {
        static LOCK: Mutex<u8> = Mutex::new(3);
        let held = lock_unless_lost(&LOCK).unwrap();
        assert!(lock_unless_lost(&LOCK).is_none());
        drop(held);
        assert_eq!(lock_unless_lost(&LOCK).map(|value| *value), Some(3));
    }
}
