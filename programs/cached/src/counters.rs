//! What a thread of the server counts: written by that thread, read by any.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`; the owner alone.
    #[inline]
    pub fn add(&self, n: u64) {
        // A load and a store, no locked instruction: nobody else writes.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Takes `n` off; the owner alone.
    pub fn sub(&self, n: u64) {
        self.add(n.wrapping_neg());
    }

    /// Replaces it; the owner alone.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A thread's counts.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct Counters {
            $($(#[$doc])* pub $name: Count,)*
        }

        /// A sum of [`Counters`].
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Adds them to `sum`.
            pub fn add_to(&self, sum: &mut Totals) {
                $(sum.$name = sum.$name.wrapping_add(self.$name.get());)*
            }
        }

        impl Totals {
            /// What was added since `earlier`.
            #[must_use]
            pub fn since(&self, earlier: &Totals) -> Totals {
                Totals { $($name: self.$name.wrapping_sub(earlier.$name),)* }
            }
        }
    };
}

counters! {
    /// Connections that are open.
    curr_connections,
    /// Connections so far.
    total_connections,
    /// Connections that were refused because there were too many.
    rejected_connections,
    /// Connections that were closed because they were idle.
    idle_kicks,
    /// Times a connection had to give others a turn.
    conn_yields,
    /// Times a connection was not read because its replies were not.
    output_waits,
    /// Keys asked for.
    cmd_get,
    /// Values stored, or meant to be.
    cmd_set,
    /// `touch` and its like.
    cmd_touch,
    /// `flush_all`.
    cmd_flush,
    /// Meta commands.
    cmd_meta,
    /// Keys found.
    get_hits,
    /// Keys not found.
    get_misses,
    /// Deleted.
    delete_hits,
    /// There was nothing to delete.
    delete_misses,
    /// Added to.
    incr_hits,
    /// There was nothing to add to.
    incr_misses,
    /// Taken from.
    decr_hits,
    /// There was nothing to take from.
    decr_misses,
    /// Stored, because the number was right.
    cas_hits,
    /// There was nothing to replace.
    cas_misses,
    /// The number was of another value.
    cas_badval,
    /// Given a new time.
    touch_hits,
    /// There was nothing to give a time to.
    touch_misses,
    /// Values longer than is allowed.
    store_too_large,
    /// Values there was no room for.
    store_no_memory,
    /// Bytes received.
    bytes_read,
    /// Bytes sent.
    bytes_written,
    /// Values that came in or went out whole.
    value_ops,
    /// Copies made of their bytes, the kernel's included.
    value_copies,
    /// Bytes of those.
    bytes_copied,
    /// System calls of the driver.
    syscalls,
    /// Of these, `io_uring_enter`.
    enters,
    /// Submission queue entries.
    sqes,
    /// Completion queue entries.
    cqes,
    /// Polls of tasks.
    polls,
}
