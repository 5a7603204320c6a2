//! Many things under way at once, their results in order.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::LocalJoinHandle;
use crate::blocking::BlockingHandle;
use crate::join::JoinHandle;

/// Starts something for each of `items` and hands out the results in the items' order.
///
/// At most `limit` (at least one) have been started and not been handed out: what runs, and what has ended before its turn.
/// That bounds memory, however much is to come; and it is why one that takes long holds up those behind it once the others
/// have filled the limit, so let it be several times the number of workers.
///
/// `start` is called when there is room and somebody waits, at most once for each item. It returns the handle of a task
/// or of a blocking job. Dropping the stream aborts what it has started and not handed out.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(2).build()?;
/// # runtime.block_on(async {
/// use std::time::Duration;
///
/// let mut squares = ouzel::stream::ordered(0..100u64, 8, |n| {
///     ouzel::spawn(async move {
///         ouzel::sleep(Duration::from_micros(n * 7 % 50)).await;
///         n * n
///     })
/// });
/// let mut next = 0;
/// while let Some(square) = squares.next().await {
///     assert_eq!(square.unwrap(), next * next);
///     next += 1;
/// }
/// assert_eq!(next, 100);
/// # Ok(())
/// # })
/// # }
/// ```
pub fn ordered<I, S, H>(items: I, limit: usize, start: S) -> Ordered<I::IntoIter, S, H>
where
    I: IntoIterator,
    S: FnMut(I::Item) -> H,
    H: Started,
{
    Ordered { items: Some(items.into_iter()), start, limit: limit.max(1), started: VecDeque::new() }
}

/// What [`ordered`] makes.
#[must_use = "nothing is started before `next` is awaited"]
pub struct Ordered<I, S, H: Started> {
    /// None: they have come to their end.
    items: Option<I>,
    start: S,
    limit: usize,
    started: VecDeque<H>,
}

impl<I, S, H> Ordered<I, S, H>
where
    I: Iterator,
    S: FnMut(I::Item) -> H,
    H: Started,
{
    /// The next result; `None` behind the last.
    ///
    /// Dropping the future loses nothing: what it has started goes on, and the next call waits for it.
    pub async fn next(&mut self) -> Option<H::Output> {
        self.fill();
        let front = self.started.front_mut()?;
        let output = Front(front).await;
        self.started.pop_front();
        Some(output)
    }

    fn fill(&mut self) {
        while self.started.len() < self.limit
            && let Some(items) = &mut self.items
        {
            match items.next() {
                Some(item) => self.started.push_back((self.start)(item)),
                None => self.items = None,
            }
        }
    }
}

impl<I, S, H: Started> Ordered<I, S, H> {
    /// How many have been started and not been handed out.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.started.len()
    }

    /// Changes the limit. What has been started beyond a lower one goes on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }
}

impl<I, S, H: Started> Drop for Ordered<I, S, H> {
    fn drop(&mut self) {
        self.started.iter().for_each(H::abort);
    }
}

impl<I, S, H: Started> fmt::Debug for Ordered<I, S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Ordered");
        out.field("limit", &self.limit).field("in_flight", &self.started.len()).finish_non_exhaustive()
    }
}

/// A future by reference, though it may be dropped while it waits.
struct Front<'a, H>(&'a mut H);

impl<H: Started> Future for Front<'_, H> {
    type Output = H::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<H::Output> {
        Pin::new(&mut *self.0).poll(cx)
    }
}

/// The handle of something that runs by itself: [`JoinHandle`], [`LocalJoinHandle`], [`BlockingHandle`].
pub trait Started: Future + Unpin + sealed::Sealed {
    /// Asks for its end before its time.
    fn abort(&self);
}

impl<T> Started for JoinHandle<T> {
    fn abort(&self) {
        JoinHandle::abort(self);
    }
}

impl<T> Started for LocalJoinHandle<T> {
    fn abort(&self) {
        LocalJoinHandle::abort(self);
    }
}

impl<T> Started for BlockingHandle<T> {
    fn abort(&self) {
        BlockingHandle::abort(self);
    }
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::JoinHandle<T> {}
    impl<T> Sealed for super::LocalJoinHandle<T> {}
    impl<T> Sealed for super::BlockingHandle<T> {}
}
