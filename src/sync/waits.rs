//! A future that has been polled has what it wants, or waits for it.

use std::task::Poll;

use ouzel_core::waiting::Ticket;

/// # Panics
/// If neither is so: there was no memory to wait in.
pub(super) fn assert_waits<T>(polled: &Poll<T>, ticket: Option<&Ticket>) {
    assert!(polled.is_ready() || ticket.is_some(), "out of memory to wait in");
}
