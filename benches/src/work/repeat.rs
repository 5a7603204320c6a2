//! The same pause over and over.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Awaits what `pause` makes, so many times, one after the other; says how many it was.
pub fn repeat<F, Y>(times: u64, pause: F) -> Repeat<F, Y> {
    Repeat { times, done: 0, pause, current: None }
}

/// See [`repeat`]. Written by hand: the state of an `async` block's loop costs as much as a pause.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Repeat<F, Y> {
    times: u64,
    done: u64,
    pause: F,
    current: Option<Y>,
}

impl<F, Y> Future for Repeat<F, Y>
where
    F: Fn() -> Y + Unpin,
    Y: Future<Output = ()>,
{
    type Output = u64;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        // SAFETY: `current` is pinned and the only field that cares; it is not moved, but dropped where it is.
        let this = unsafe { self.get_unchecked_mut() };
        loop {
            if let Some(current) = &mut this.current {
                // SAFETY: as above.
                if unsafe { Pin::new_unchecked(current) }.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.done += 1;
            }
            if this.done == this.times {
                this.current = None;
                return Poll::Ready(this.done);
            }
            this.current = Some((this.pause)());
        }
    }
}
