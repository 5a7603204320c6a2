//! One connection: pieces of its stream go to the protocol, the replies of a turn are sent as one.
//!
//! ```text
//!   recv_stream ──piece──▶ session ──replies──▶ output ──lazy send──▶ flight
//!        ▲ cancelled while the output is full, begun again when the flight has landed
//! ```
//!
//! The rest of a long value is received into its item, without a stream in between. A client that does not read fills one flight and one output; then its stream is not received any more, and the
//! kernel tells it to stop. An idle connection holds no buffer: its pieces and its replies lie in its thread's.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ouzel::net::{Chunk, Read, RecvStream};

use super::message::{Flight, Stream};
use super::thread::{Entry, Kick, Thread};
use crate::proto::{Bulk, Cx, End, OUT_LIMIT, Output, Session};
use crate::store::Held;

/// See the module. A future that ends with the connection.
pub(super) struct Connection<S: Stream> {
    stream: S,
    thread: Rc<Thread>,
    entry: Rc<Entry>,
    session: Session,
    incoming: Incoming,
    /// A piece, and how much of it is taken.
    piece: Option<(Chunk, usize)>,
    out: Output,
}

enum Incoming {
    /// Nothing is received.
    Resting,
    Open(RecvStream),
    /// The end is asked for; what had come by then still comes.
    Closing(RecvStream),
    /// The rest of a long value, straight into its item.
    Bulk(Read<Bulk>),
    /// Everything is answered that will be; what comes is thrown away until the client has heard it all.
    Lingering(RecvStream),
    Ended,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing more has come.
    Waits,
    /// The replies have to go first.
    Full,
    /// It is others' turn.
    Over,
    /// Nothing more will be asked.
    Last,
}

impl<S: Stream> Connection<S> {
    /// The caller has taken a place for it.
    pub(super) fn new(stream: S, thread: Rc<Thread>) -> Self {
        let entry = thread.add();
        thread.count.curr_connections.add(1);
        thread.count.total_connections.add(1);
        Connection {
            stream,
            entry,
            thread,
            session: Session::new(),
            incoming: Incoming::Resting,
            piece: None,
            out: Output::default(),
        }
    }

    /// Serves what has come, up to so many requests.
    fn serve(&mut self, turns: &mut u32, cx: &mut Context<'_>) -> Turn {
        loop {
            if self.out.len() >= OUT_LIMIT {
                self.send();
                if self.out.len() >= OUT_LIMIT {
                    return Turn::Full;
                }
            }
            if *turns == 0 {
                return Turn::Over;
            }
            if self.piece.is_none() && !self.session.owes_replies() {
                match self.receive(cx) {
                    Poll::Pending => return Turn::Waits,
                    Poll::Ready(None) => return Turn::Last,
                    Poll::Ready(Some(piece)) => self.piece = Some((piece, 0)),
                }
            }
            self.feed(turns);
            if let Some(end) = self.session.end() {
                if let End::Garbage(what) = end {
                    self.thread.shared.log(0, || format!("a connection is closed: {what}"));
                }
                return Turn::Last;
            }
        }
    }

    /// The next piece; none after the last.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        loop {
            let (stream, closing) = match &mut self.incoming {
                Incoming::Ended => return Poll::Ready(None),
                Incoming::Resting if self.entry.kick.get() == Some(Kick::Drain) => return Poll::Ready(None),
                Incoming::Resting if self.session.wants_bulk() => {
                    let Some(bulk) = self.session.lend(&self.thread.shared.store) else { continue };
                    self.incoming = Incoming::Bulk(self.stream.read_bulk(bulk));
                    continue;
                }
                Incoming::Bulk(read) => {
                    let (result, bulk) = ready!(Pin::new(read).poll(cx));
                    self.session.take_back(bulk);
                    self.incoming = match result {
                        Ok(0) => Incoming::Ended,
                        Ok(n) => {
                            self.thread.count.bytes_read.add(n as u64);
                            self.entry.last.set(self.thread.shared.store.now());
                            Incoming::Resting
                        }
                        Err(e) => {
                            self.thread.shared.log(1, || format!("receive: {e}"));
                            self.entry.dead.set(true);
                            Incoming::Ended
                        }
                    };
                    continue;
                }
                Incoming::Open(_) if self.session.wants_bulk() => {
                    self.rest();
                    continue;
                }
                Incoming::Resting => {
                    self.incoming = Incoming::Open(self.stream.recv_stream());
                    continue;
                }
                Incoming::Open(stream) => (stream, false),
                Incoming::Closing(stream) => (stream, true),
                Incoming::Lingering(_) => return Poll::Ready(None),
            };
            match stream.poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(piece))) => {
                    self.thread.count.bytes_read.add(piece.len() as u64);
                    return Poll::Ready(Some(piece));
                }
                Poll::Ready(None) if closing => self.incoming = Incoming::Resting,
                Poll::Ready(None) => self.incoming = Incoming::Ended,
                Poll::Ready(Some(Err(e))) => {
                    self.thread.shared.log(1, || format!("receive: {e}"));
                    self.incoming = Incoming::Ended;
                    self.entry.dead.set(true);
                }
            }
        }
    }

    fn feed(&mut self, turns: &mut u32) {
        if self.out.bytes.capacity() == 0 {
            self.out.bytes = self.thread.buffer();
        }
        let store = &*self.thread.shared.store;
        let mut cx = Cx {
            held: Held::new(store),
            out: &mut self.out,
            count: &self.thread.count,
            host: &*self.thread,
            now: store.now(),
            turns: *turns,
        };
        match &mut self.piece {
            Some((piece, at)) => {
                *at += self.session.feed(&piece[*at..], &mut cx);
                if *at == piece.len() {
                    self.piece = None;
                }
            }
            None => drop(self.session.feed(&[], &mut cx)),
        }
        *turns = cx.turns;
    }

    /// The replies go out, if none are on their way.
    fn send(&mut self) {
        self.thread.settle(&self.entry);
        if self.entry.flight.borrow().is_some() || self.entry.dead.get() {
            return;
        }
        if self.out.is_empty() {
            return self.thread.keep(std::mem::take(&mut self.out.bytes));
        }
        let (thread, messages) = (&self.thread, &mut *self.thread.messages.borrow_mut());
        match Flight::begin(&self.stream, &mut self.out, &thread.shared.store, messages) {
            Ok(flight) => thread.fly(&self.entry, flight),
            Err(_) => self.entry.dead.set(true),
        }
    }

    /// Waits for the end of a send; ready if there is none.
    fn poll_flight(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut flight = self.entry.flight.borrow_mut();
        let Some(sending) = &mut *flight else { return Poll::Ready(()) };
        let polled = sending.poll(&self.stream, &mut self.thread.messages.borrow_mut(), cx);
        drop(flight);
        polled.map(|landed| self.thread.landed(&self.entry, landed))
    }

    /// Nothing more is received; what has come by then still comes.
    fn rest(&mut self) -> bool {
        match std::mem::replace(&mut self.incoming, Incoming::Resting) {
            Incoming::Open(mut stream) => {
                stream.cancel();
                self.incoming = Incoming::Closing(stream);
                true
            }
            other => {
                self.incoming = other;
                false
            }
        }
    }

    /// Ready when it can be closed. A socket that is closed with something in it that nobody received is reset, and replies that
    /// the client has not taken yet are gone: a server that is told to end throws that away first, and what follows,
    /// until the client has seen the end and closes. The time to end bounds that.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.entry.kick.get() != Some(Kick::Drain) {
            return Poll::Ready(());
        }
        if matches!(self.incoming, Incoming::Resting) && self.stream.has_unread() {
            self.stream.end();
            self.incoming = Incoming::Lingering(self.stream.recv_stream());
        }
        let Incoming::Lingering(stream) = &mut self.incoming else { return Poll::Ready(()) };
        while let Some(Ok(_)) = ready!(stream.poll_next(cx)) {}
        Poll::Ready(())
    }

    /// What somebody else wants of this connection.
    fn obey(&mut self) {
        match self.entry.kick.get() {
            Some(Kick::Idle) => {
                self.thread.count.idle_kicks.add(1);
                self.entry.dead.set(true);
            }
            // A value that has not come whole will not be answered.
            Some(Kick::Drain) if matches!(self.incoming, Incoming::Bulk(_)) => self.entry.dead.set(true),
            Some(Kick::Drain) => drop(self.rest()),
            None => {}
        }
    }
}

// Nothing in it is pinned.
impl<S: Stream> Unpin for Connection<S> {}

impl<S: Stream> Future for Connection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.entry.remember(cx.waker());
        this.obey();
        this.thread.settle(&this.entry);
        let mut turns = this.thread.shared.options.requests_per_turn;
        let all = turns;
        loop {
            let turn = if this.entry.dead.get() { Turn::Last } else { this.serve(&mut turns, cx) };
            if turns < all {
                this.entry.last.set(this.thread.shared.store.now());
            }
            this.send();
            if this.entry.dead.get() {
                return Poll::Ready(());
            }
            // A message with a value in it does not go by itself.
            let parts = this.entry.flight.borrow().as_ref().is_some_and(|f| !f.is_lazy());
            let wait = parts || turn == Turn::Full || turn == Turn::Last || !this.out.is_empty();
            if turn == Turn::Full && this.rest() {
                this.thread.count.output_waits.add(1);
            }
            match turn {
                Turn::Over => {
                    this.thread.count.conn_yields.add(1);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Turn::Last if this.out.is_empty() && this.entry.flight.borrow().is_none() => {
                    return this.linger(cx);
                }
                _ if !wait => return Poll::Pending,
                _ => {}
            }
            if this.poll_flight(cx).is_pending() {
                return Poll::Pending;
            }
            if turn == Turn::Waits && this.out.is_empty() {
                return Poll::Pending;
            }
        }
    }
}

impl<S: Stream> Drop for Connection<S> {
    fn drop(&mut self) {
        drop(self.entry.flight.take());
        let store = &self.thread.shared.store;
        self.session.close(store);
        self.out.clear(store);
        self.thread.keep(std::mem::take(&mut self.out.bytes));
        self.thread.remove(&self.entry);
        self.thread.count.curr_connections.sub(1);
        self.thread.shared.leave();
    }
}

/// Whether the error of an accept passes.
pub(super) fn is_shortage(e: &io::Error) -> bool {
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].contains(&e.raw_os_error().unwrap_or(0))
}
