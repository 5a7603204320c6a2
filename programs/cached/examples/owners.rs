//! The two ways to serve one store by several threads, in a server that knows `get` and `set` alone, to be compared.
//!
//! | `--way` | |
//! |---|---|
//! | `shared` | every thread works in a store that all share, in shards with a lock each: as `ouzel-cached` does |
//! | `owners` | every thread has a store of its own, without a lock that another takes; requests for others' keys go to them in batches |
//!
//! `cargo xtask cached threads` measures them. Under `owners` a connection's piece is cut into requests, those for one
//! owner are one batch, a thread's batches of a turn go to each owner together, with one wake-up, and the replies come
//! back the same way.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use lexopt::prelude::*;
use ouzel::LocalRuntime;
use ouzel::net::{TcpListener, TcpSocket, TcpStream};
use ouzel_cached::counters::Counters;
use ouzel_cached::proto::{Alone, Cx, Output, Session};
use ouzel_cached::store::{Held, Store};

const ITEM_MAX: usize = 1 << 20;

/// Requests, one after the other, and where each ends; afterwards the replies.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

enum Message {
    Ask { from: usize, connection: usize, batch: Batch },
    Answer { owner: usize, connection: usize, batch: Batch },
}

/// What others have sent to a thread, and whom to wake for it.
#[derive(Default)]
struct Inbox(Mutex<(Vec<Message>, Option<Waker>)>);

/// A connection that waits for answers of other owners.
struct Waiting {
    left: usize,
    batches: Vec<Batch>,
    waker: Option<Waker>,
}

struct Thread {
    number: usize,
    store: Arc<Store>,
    inboxes: Arc<[Inbox]>,
    count: Counters,
    session: RefCell<Session>,
    outgoing: RefCell<Vec<Vec<Message>>>,
    flusher: RefCell<Option<Waker>>,
    waiting: RefCell<Vec<Waiting>>,
}

impl Thread {
    fn feed(&self, session: &mut Session, input: &[u8], out: &mut Output) {
        let mut at = 0;
        while at < input.len() {
            let held = Held::new(&self.store);
            let now = self.store.now();
            let mut cx = Cx {
                held,
                out: &mut *out,
                count: &self.count,
                host: &Alone { item_max: ITEM_MAX },
                now,
                turns: u32::MAX,
            };
            at += session.feed(&input[at..], &mut cx);
        }
    }

    /// Requests into replies.
    fn serve(&self, batch: &mut Batch) {
        let (mut out, mut begin) = (Output::default(), 0);
        let mut session = self.session.borrow_mut();
        for end in &mut batch.ends {
            self.feed(&mut session, &batch.bytes[begin..*end], &mut out);
            begin = std::mem::replace(end, out.bytes.len());
        }
        batch.bytes = out.bytes;
    }

    /// To be sent with what else this turn has for that thread.
    fn post(&self, to: usize, message: Message) {
        self.outgoing.borrow_mut()[to].push(message);
        if let Some(waker) = self.flusher.borrow_mut().take() {
            waker.wake();
        }
    }

    async fn flush(self: Rc<Self>) {
        loop {
            poll_fn(|cx| {
                if self.outgoing.borrow().iter().any(|to| !to.is_empty()) {
                    return Poll::Ready(());
                }
                *self.flusher.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            // Behind those that are ready, too.
            ouzel::yield_now().await;
            for (to, messages) in self.outgoing.borrow_mut().iter_mut().enumerate() {
                if !messages.is_empty() {
                    let mut inbox = self.inboxes[to].0.lock().unwrap_or_else(PoisonError::into_inner);
                    inbox.0.append(messages);
                    let waker = inbox.1.take();
                    drop(inbox);
                    waker.into_iter().for_each(Waker::wake);
                }
            }
        }
    }

    async fn receive(self: Rc<Self>) {
        let mut messages = Vec::new();
        loop {
            poll_fn(|cx| {
                let mut inbox = self.inboxes[self.number].0.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut inbox.0, &mut messages);
                if !messages.is_empty() {
                    return Poll::Ready(());
                }
                inbox.1 = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            for message in messages.drain(..) {
                match message {
                    Message::Ask { from, connection, mut batch } => {
                        self.serve(&mut batch);
                        self.post(from, Message::Answer { owner: self.number, connection, batch });
                    }
                    Message::Answer { owner, connection, batch } => {
                        let waiting = &mut self.waiting.borrow_mut()[connection];
                        waiting.batches[owner] = batch;
                        waiting.left -= 1;
                        if waiting.left == 0 {
                            waiting.waker.take().into_iter().for_each(Waker::wake);
                        }
                    }
                }
            }
        }
    }

    async fn shared(self: Rc<Self>, stream: TcpStream) {
        let (mut pieces, mut session) = (stream.recv_stream(), Session::new());
        while let Some(Ok(piece)) = pieces.next().await {
            let mut out = Output::default();
            self.feed(&mut session, &piece, &mut out);
            drop(piece);
            if !out.bytes.is_empty() && stream.write_all(out.bytes).await.0.is_err() {
                return;
            }
        }
    }

    async fn owners(self: Rc<Self>, stream: TcpStream) {
        let (mut pieces, owners) = (stream.recv_stream(), self.inboxes.len());
        let connection = self.waiting.borrow().len();
        self.waiting.borrow_mut().push(Waiting { left: 0, batches: Vec::new(), waker: None });
        let (mut input, mut order) = (Vec::new(), Vec::new());
        while let Some(Ok(piece)) = pieces.next().await {
            input.extend_from_slice(&piece);
            drop(piece);
            let mut batches: Vec<Batch> = (0..owners).map(|_| Batch::default()).collect();
            let mut at = 0;
            while let Some((key, n)) = request(&input[at..]) {
                let owner = xxhash_rust::xxh3::xxh3_64(key) as usize % owners;
                batches[owner].bytes.extend_from_slice(&input[at..at + n]);
                let end = batches[owner].bytes.len();
                batches[owner].ends.push(end);
                order.push(owner);
                at += n;
            }
            input.drain(..at);
            let mut left = 0;
            for (owner, batch) in batches.iter_mut().enumerate() {
                if owner != self.number && !batch.ends.is_empty() {
                    left += 1;
                    let batch = std::mem::take(batch);
                    self.post(owner, Message::Ask { from: self.number, connection, batch });
                }
            }
            self.serve(&mut batches[self.number]);
            let waiting =
                |w: &mut Vec<Waiting>| (w[connection].left, w[connection].batches) = (left, batches);
            waiting(&mut self.waiting.borrow_mut());
            let batches = poll_fn(|cx| {
                let waiting = &mut self.waiting.borrow_mut()[connection];
                if waiting.left == 0 {
                    return Poll::Ready(std::mem::take(&mut waiting.batches));
                }
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            let (mut replies, mut taken) = (Vec::new(), vec![(0, 0); owners]);
            for owner in order.drain(..) {
                let (nth, begin) = &mut taken[owner];
                let end = batches[owner].ends[*nth];
                replies.extend_from_slice(&batches[owner].bytes[*begin..end]);
                (*nth, *begin) = (*nth + 1, end);
            }
            if !replies.is_empty() && stream.write_all(replies).await.0.is_err() {
                return;
            }
        }
    }
}

/// The key of the first request, and the bytes of all of it, if all of it is there.
fn request(input: &[u8]) -> Option<(&[u8], usize)> {
    let line = memchr::memchr(b'\n', input)?;
    let mut words = input[..line].trim_ascii_end().split(|b| *b == b' ');
    let (name, key) = (words.next()?, words.next()?);
    let value =
        if name == b"set" { std::str::from_utf8(words.nth(2)?).ok()?.parse::<usize>().ok()? + 2 } else { 0 };
    let whole = line + 1 + value;
    (input.len() >= whole).then_some((key, whole))
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.set_nodelay(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    socket.listen(1024)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut port, mut threads, mut memory, mut driver, mut owners) = (0, 2, 64 << 20, None, false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('p') => port = parser.value()?.parse()?,
            Short('t') => threads = parser.value()?.parse()?,
            Short('m') => memory = parser.value()?.parse::<usize>()? << 20,
            Long("driver") => driver = Some(parser.value()?.parse::<ouzel::Driver>()?),
            Long("way") => {
                owners = parser.value()?.parse_with(|way| match way {
                    "shared" => Ok(false),
                    "owners" => Ok(true),
                    _ => Err("it is shared or owners"),
                })?
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let inboxes: Arc<[Inbox]> = (0..threads).map(|_| Inbox::default()).collect();
    let none = "so much memory is not to be had";
    let shared = Arc::new(Store::new(memory, ITEM_MAX, threads).ok_or(none)?);
    let mut all = Vec::new();
    for number in 0..threads {
        let listener = listen(port)?;
        port = listener.local_addr()?.port();
        let own = if owners { Some(Store::new(memory / threads, ITEM_MAX, 1).ok_or(none)?) } else { None };
        let store = own.map_or_else(|| Arc::clone(&shared), Arc::new);
        let inboxes = Arc::clone(&inboxes);
        all.push(std::thread::spawn(move || -> std::io::Result<()> {
            let mut builder = LocalRuntime::builder();
            if let Some(driver) = driver {
                builder = builder.driver(driver);
            }
            builder.build_local()?.block_on(async {
                let outgoing = RefCell::new((0..threads).map(|_| Vec::new()).collect());
                let thread = Rc::new(Thread {
                    number,
                    store,
                    inboxes,
                    count: Counters::default(),
                    session: RefCell::default(),
                    outgoing,
                    flusher: RefCell::default(),
                    waiting: RefCell::default(),
                });
                drop(ouzel::spawn_local(Rc::clone(&thread).flush()));
                drop(ouzel::spawn_local(Rc::clone(&thread).receive()));
                let mut incoming = listener.incoming();
                while let Some(stream) = incoming.next().await {
                    let thread = Rc::clone(&thread);
                    if owners {
                        drop(ouzel::spawn_local(thread.owners(stream?)));
                    } else {
                        drop(ouzel::spawn_local(thread.shared(stream?)));
                    }
                }
                Ok(())
            })
        }));
    }
    println!("listening on 127.0.0.1:{port}");
    for thread in all {
        thread.join().map_err(|_| "a thread has panicked")??;
    }
    Ok(())
}
