//! Replies on their way: a send of bytes alone, or of bytes with a value of the store's among them.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ouzel::buf::IoBuf;
use ouzel::net::{LazyWrite, Read, RecvStream, TcpStream, UnixStream, WriteVectored};

use crate::proto::{Bulk, Output};
use crate::store::Store;

/// A stream of bytes to a client.
pub(super) trait Stream: 'static {
    fn recv_stream(&self) -> RecvStream;
    fn read_bulk(&self, bulk: Bulk) -> Read<Bulk>;
    fn write_lazy(&self, buf: Vec<u8>) -> Result<LazyWrite<Vec<u8>>, (io::Error, Vec<u8>)>;
    fn write_parts(&self, parts: [Part; 3]) -> WriteVectored<[Part; 3]>;
    fn write_now(&self, text: &[u8]);
    /// Whether something has come that was not received.
    fn has_unread(&self) -> bool;
    /// Tells the peer that nothing more is sent.
    fn end(&self);
}

macro_rules! is_stream {
    ($($t:ty),*) => {$(
        impl Stream for $t {
            fn recv_stream(&self) -> RecvStream {
                <$t>::recv_stream(self)
            }
            fn read_bulk(&self, bulk: Bulk) -> Read<Bulk> {
                self.read(bulk)
            }
            fn write_lazy(&self, buf: Vec<u8>) -> Result<LazyWrite<Vec<u8>>, (io::Error, Vec<u8>)> {
                <$t>::write_lazy(self, buf)
            }
            fn write_parts(&self, parts: [Part; 3]) -> WriteVectored<[Part; 3]> {
                self.write_vectored(parts)
            }
            fn write_now(&self, text: &[u8]) {
                // To a client that is told to go away: it may not hear it.
                let _ = self.try_write(text);
            }
            fn has_unread(&self) -> bool {
                rustix::io::ioctl_fionread(self).is_ok_and(|n| n > 0)
            }
            fn end(&self) {
                // One that is not connected any more knows.
                let _ = rustix::net::shutdown(self, rustix::net::Shutdown::Write);
            }
        }
    )*};
}
is_stream!(TcpStream, UnixStream);

/// Replies with a pinned value among them.
#[derive(Debug)]
pub(super) struct Message {
    output: Output,
    store: Arc<Store>,
    /// Bytes that are gone.
    sent: Cell<usize>,
}

impl Drop for Message {
    fn drop(&mut self) {
        self.output.clear(&self.store);
    }
}

/// A third of a [`Message`]: what is before the pinned value, the value, what is behind it.
#[derive(Debug)]
pub(super) struct Part {
    message: Rc<Message>,
    which: u8,
}

const _: () = assert!(size_of::<[Part; 3]>() <= 48, "more is boxed by its operation");

impl Part {
    fn bytes(&self) -> (*const u8, usize) {
        let output = &self.message.output;
        let (value, len, behind) = match &output.pinned {
            Some(p) => (p.bytes, p.len, p.behind),
            None => (output.bytes.as_ptr(), 0, output.bytes.len()),
        };
        let (begin, at, len) = match self.which {
            0 => (0, output.bytes.as_ptr(), behind),
            1 => (behind, value, len),
            _ => (behind + len, output.bytes.as_ptr().wrapping_add(behind), output.bytes.len() - behind),
        };
        let gone = self.message.sent.get().saturating_sub(begin).min(len);
        (at.wrapping_add(gone), len - gone)
    }
}

// SAFETY: the bytes are on the heap or in the store's memory, pinned there until the message is dropped, and `sent` does
// not change while parts are in flight.
unsafe impl IoBuf for Part {
    fn as_ptr(&self) -> *const u8 {
        self.bytes().0
    }
    fn len(&self) -> usize {
        self.bytes().1
    }
}

/// A send in progress.
#[derive(Debug)]
pub(super) enum Flight {
    Bytes(LazyWrite<Vec<u8>>, usize),
    Parts(WriteVectored<[Part; 3]>, Rc<Message>),
}

/// What is left of a send that is over: its memory.
pub(super) struct Landed {
    pub(super) result: io::Result<usize>,
    pub(super) bytes: Vec<u8>,
}

impl Flight {
    /// Begins to send all of `output`, which is empty then.
    pub(super) fn begin(
        stream: &impl Stream,
        output: &mut Output,
        store: &Arc<Store>,
        spare: &mut Vec<Rc<Message>>,
    ) -> io::Result<Self> {
        if output.pinned.is_none() {
            let bytes = std::mem::take(&mut output.bytes);
            let len = bytes.len();
            let sending = stream.write_lazy(bytes).map_err(|(e, _)| e)?;
            return Ok(Flight::Bytes(sending, len));
        }
        let mut message = spare.pop().unwrap_or_else(|| {
            Rc::new(Message { output: Output::default(), store: Arc::clone(store), sent: Cell::new(0) })
        });
        let free = Rc::get_mut(&mut message).expect("a spare message is nobody else's");
        free.output = std::mem::take(output);
        free.sent.set(0);
        let parts = parts(&message);
        Ok(Flight::Parts(stream.write_parts(parts), message))
    }

    /// Looks whether it is over, without waiting for it. Nobody is woken.
    pub(super) fn look(&mut self) -> Option<Landed> {
        match self {
            Flight::Bytes(sending, len) => sending.try_finish().map(|done| landed(done, *len)),
            Flight::Parts(..) => None,
        }
    }

    /// Whether its end wakes the task only if it is polled.
    pub(super) fn is_lazy(&self) -> bool {
        matches!(self, Flight::Bytes(..))
    }

    /// Waits for the end.
    pub(super) fn poll(
        &mut self,
        stream: &impl Stream,
        spare: &mut Vec<Rc<Message>>,
        cx: &mut Context<'_>,
    ) -> Poll<Landed> {
        match self {
            Flight::Bytes(sending, len) => {
                let done = ready!(Pin::new(sending).poll(cx));
                Poll::Ready(landed(done, *len))
            }
            Flight::Parts(sending, message) => loop {
                let (result, parts_back) = ready!(Pin::new(&mut *sending).poll(cx));
                drop(parts_back);
                let whole = message.output.len();
                let result = result.inspect(|n| message.sent.set(message.sent.get() + n));
                if matches!(result, Ok(1..)) && message.sent.get() < whole {
                    *sending = stream.write_parts(parts(message));
                    continue;
                }
                let result = result.map(|_| message.sent.get());
                let (bytes, result) = match Rc::get_mut(message) {
                    Some(own) => {
                        own.output.clear(&own.store);
                        (std::mem::take(&mut own.output.bytes), result)
                    }
                    None => (Vec::new(), result),
                };
                spare.push(Rc::clone(message));
                return Poll::Ready(Landed { result: whole_or_error(result, whole), bytes });
            },
        }
    }
}

fn parts(message: &Rc<Message>) -> [Part; 3] {
    [0, 1, 2].map(|which| Part { message: Rc::clone(message), which })
}

fn landed((result, mut bytes): (io::Result<usize>, Vec<u8>), len: usize) -> Landed {
    bytes.clear();
    Landed { result: whole_or_error(result, len), bytes }
}

/// A send that stopped on its way is one to a client that is gone.
fn whole_or_error(result: io::Result<usize>, len: usize) -> io::Result<usize> {
    result.and_then(|n| if n == len { Ok(n) } else { Err(io::ErrorKind::WriteZero.into()) })
}
