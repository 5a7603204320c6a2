//! A bounded queue between tasks, in order.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use ouzel_core::waiting::{Gate, Ticket};

use super::waits::assert_waits;

/// A channel for up to `capacity` values that have been sent and not received. Any number of tasks send, any number
/// receive; each value is received once, in the order in which they were sent.
///
/// # Panics
/// If `capacity` is 0.
///
/// ```
/// use ouzel::sync::channel;
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     let (sender, receiver) = channel(4);
///     let task = ouzel::spawn_local(async move {
///         for n in 0..100 {
///             sender.send(n).await.unwrap();
///         }
///     });
///     let mut next = 0;
///     while let Ok(n) = receiver.recv().await {
///         assert_eq!(n, next);
///         next += 1;
///     }
///     assert_eq!(next, 100); // the sender is gone, and with it the channel
///     task.await.unwrap();
/// });
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a channel without room can pass nothing on");
    let shared = Arc::new(Shared {
        gate: Gate::new(VecDeque::with_capacity(capacity), capacity),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

struct Shared<T> {
    gate: Gate<VecDeque<T>>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

impl<T> Shared<T> {
    /// One end less; the last of its kind closes the channel.
    fn end(&self, ends: &AtomicUsize) {
        // ORDERING: Relaxed, a count; what was sent lies behind the gate's lock.
        if ends.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.gate.close();
        }
    }
}

/// Sends into a [`channel`]. When the last of them is dropped the receivers get what is left, and then an error.
pub struct Sender<T>(Arc<Shared<T>>);

/// Receives from a [`channel`]. When the last of them is dropped, sending fails.
pub struct Receiver<T>(Arc<Shared<T>>);

impl<T> Sender<T> {
    /// Sends `value` once there is room, and it is this task's turn.
    ///
    /// Dropping the future before it is ready drops the value, unsent.
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send { gate: &self.0.gate, value: Some(value), ticket: None }
    }

    /// Sends `value` if there is room now and nobody waits for it.
    ///
    /// # Errors
    /// The value back: no room, or nobody will receive it.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut value = Some(value);
        let sent = self.0.gate.try_put(|queue| queue.extend(value.take()));
        match (sent, value) {
            (Ok(Some(())), _) | (_, None) => Ok(()),
            (Ok(None), Some(value)) => Err(TrySendError::Full(value)),
            (Err(_), Some(value)) => Err(TrySendError::Closed(value)),
        }
    }

    /// Refuses what would be sent from now on, by any sender.
    pub fn close(&self) {
        self.0.gate.close();
    }
}

impl<T> Receiver<T> {
    /// The next value, once there is one, and it is this task's turn.
    ///
    /// Dropping the future loses no value.
    pub fn recv(&self) -> Recv<'_, T> {
        Recv { gate: &self.0.gate, ticket: None }
    }

    /// The next value if there is one now and nobody waits for it.
    ///
    /// # Errors
    /// There is none, or there will be none any more.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.0.gate.try_take(VecDeque::pop_front) {
            Ok(Some(Some(value))) => Ok(value),
            Ok(_) => Err(TryRecvError::Empty),
            Err(_) => Err(TryRecvError::Closed),
        }
    }

    /// Values that nobody has been promised yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.gate.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.gate.is_empty()
    }
}

/// See [`Sender::send`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Send<'a, T> {
    gate: &'a Gate<VecDeque<T>>,
    value: Option<T>,
    ticket: Option<Ticket>,
}

// The value is moved, never pinned.
impl<T> Unpin for Send<'_, T> {}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    /// # Panics
    /// If polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        assert!(this.value.is_some(), "a send was polled after it was ready");
        let value = &mut this.value;
        let sent = this.gate.poll_put(&mut this.ticket, cx.waker(), |queue| queue.extend(value.take()));
        assert_waits(&sent, this.ticket.as_ref());
        sent.map(|sent| match (sent, this.value.take()) {
            (Err(_), Some(value)) => Err(SendError(value)),
            _ => Ok(()),
        })
    }
}

impl<T> Drop for Send<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.leave_put(ticket);
        }
    }
}

/// See [`Receiver::recv`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Recv<'a, T> {
    gate: &'a Gate<VecDeque<T>>,
    ticket: Option<Ticket>,
}

impl<T> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let taken = this.gate.poll_take(&mut this.ticket, cx.waker(), VecDeque::pop_front);
        assert_waits(&taken, this.ticket.as_ref());
        taken.map(|taken| taken.ok().flatten().ok_or(RecvError))
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.leave_take(ticket);
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // ORDERING: Relaxed, a count.
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        // ORDERING: Relaxed, a count.
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        Receiver(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.end(&self.0.senders);
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.end(&self.0.receivers);
    }
}

macro_rules! debug_by_name {
    ($($name:ident $(<$life:lifetime>)?;)*) => {$(
        impl<T> fmt::Debug for $name<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

debug_by_name! { Sender; Receiver; Send<'_>; Recv<'_>; }

/// Nobody will receive this value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why [`Sender::try_send`] gave its value back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// There is no room, or others wait for it.
    Full(T),
    /// Nobody will receive it.
    Closed(T),
}

/// There is no value, and there will be none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// Why [`Receiver::try_recv`] has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is none at this moment, or others wait for it.
    Empty,
    /// There will be none any more.
    Closed,
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed")
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySendError::Full(_) => "the channel is full",
            TrySendError::Closed(_) => "the channel is closed",
        })
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed")
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryRecvError::Empty => "the channel is empty",
            TryRecvError::Closed => "the channel is closed",
        })
    }
}

impl<T> std::error::Error for SendError<T> where T: fmt::Debug {}
impl<T> std::error::Error for TrySendError<T> where T: fmt::Debug {}
impl std::error::Error for RecvError {}
impl std::error::Error for TryRecvError {}
