//! A hundred thousand tasks that wait, and threads that wake them. What it needs of a runtime is a `Future`.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

/// Gates that each task passes, one after the other; a thread outside opens them. The first is opened while
/// tasks may not have come to it yet, the second when all of them wait at it.
const GATES: usize = 2;
/// Threads that open gates.
const THREADS: usize = 2;

/// Where one task waits: how many gates are open, and whom to wake at the next.
#[derive(Default)]
struct Seat(Mutex<(usize, Option<Waker>)>);

#[derive(Default)]
struct Event(Mutex<bool>, Condvar);

impl Event {
    fn set(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        drop(self.1.wait_while(self.0.lock().unwrap(), |set| !*set).unwrap());
    }
}

struct Inside {
    seats: Vec<Seat>,
    wakes: AtomicU64,
    passed: AtomicUsize,
    /// Tasks that wait at the last gate.
    at_last: AtomicUsize,
    all_at_last: Event,
    done: Event,
}

#[derive(Clone)]
pub(crate) struct Crowd(Arc<Inside>);

impl Crowd {
    fn new(tasks: usize) -> Self {
        Crowd(Arc::new(Inside {
            seats: (0..tasks).map(|_| Seat::default()).collect(),
            wakes: AtomicU64::new(0),
            passed: AtomicUsize::new(0),
            at_last: AtomicUsize::new(0),
            all_at_last: Event::default(),
            done: Event::default(),
        }))
    }

    /// As many tasks, each of which went to `spawn`, and the threads that wake them.
    pub(crate) fn gather(tasks: usize, spawn: impl FnMut(Member)) -> (Self, Vec<JoinHandle<()>>) {
        let crowd = Crowd::new(tasks);
        (0..tasks).map(|i| crowd.member(i)).for_each(spawn);
        let threads = crowd.wake_from_outside();
        (crowd, threads)
    }

    /// Task `index`.
    fn member(&self, index: usize) -> Member {
        Member { crowd: Arc::clone(&self.0), index, passed: 0 }
    }

    /// Threads that open every gate of every task, each its share, a few tasks between two pauses.
    fn wake_from_outside(&self) -> Vec<JoinHandle<()>> {
        let open = |first: usize| {
            let inside = Arc::clone(&self.0);
            std::thread::spawn(move || {
                for gate in 1..=GATES {
                    if gate == GATES {
                        inside.all_at_last.wait();
                    }
                    for index in (first..inside.seats.len()).step_by(THREADS) {
                        inside.open(index);
                        if index % 1000 < THREADS {
                            std::thread::yield_now();
                        }
                    }
                }
            })
        };
        (0..THREADS).map(open).collect()
    }

    /// Blocks until every task is through.
    #[allow(dead_code, reason = "for hosts that run on threads of their own")]
    pub(crate) fn wait_until_done(&self) {
        self.0.done.wait();
    }

    /// Every task is through, and `polls` are no more than their starts and wake-ups.
    #[allow(dead_code, reason = "for hosts that spawn nothing else")]
    pub(crate) fn assert_done(&self, polls: u64) {
        self.assert_done_beside(polls, 0);
    }

    /// The same, with up to `others` polls of tasks that are not of the crowd.
    #[allow(dead_code, reason = "for hosts that spawn more")]
    pub(crate) fn assert_done_beside(&self, polls: u64, others: u64) {
        let tasks = self.0.seats.len();
        assert_eq!(self.0.passed.load(Ordering::SeqCst), tasks, "tasks that passed every gate");
        let wakes = self.0.wakes.load(Ordering::SeqCst);
        println!(
            "{tasks} tasks, {wakes} wake-ups, {polls} polls: {:.3} a wake-up",
            polls as f64 / wakes as f64
        );
        assert!(wakes >= tasks as u64, "each was woken at the last gate at least");
        assert!(polls >= 2 * tasks as u64, "each was polled before the last gate, and after it");
        assert!(polls <= tasks as u64 + wakes + others, "{polls} polls of {tasks} tasks by {wakes} wake-ups");
    }
}

impl Inside {
    fn open(&self, index: usize) {
        let waker = {
            let mut seat = self.seats[index].0.lock().unwrap();
            seat.0 += 1;
            seat.1.take()
        };
        if let Some(waker) = waker {
            self.wakes.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        }
    }
}

/// See [`Crowd::member`].
pub(crate) struct Member {
    crowd: Arc<Inside>,
    index: usize,
    passed: usize,
}

impl Future for Member {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let crowd = Arc::clone(&self.crowd);
        let mut seat = crowd.seats[self.index].0.lock().unwrap();
        let came_to_last = self.passed + 1 < GATES && seat.0 + 1 == GATES;
        self.passed = seat.0;
        if self.passed < GATES {
            seat.1 = Some(cx.waker().clone());
            drop(seat);
            if came_to_last && crowd.at_last.fetch_add(1, Ordering::SeqCst) + 1 == crowd.seats.len() {
                crowd.all_at_last.set();
            }
            return Poll::Pending;
        }
        drop(seat);
        if crowd.passed.fetch_add(1, Ordering::SeqCst) + 1 == crowd.seats.len() {
            crowd.done.set();
        }
        Poll::Ready(())
    }
}

/// What a host does after a turn.
pub(crate) enum Then {
    /// Every task is over.
    End,
    /// There is more to poll.
    Again,
    /// Nothing is ready.
    Wait,
}

/// What a host's loop did.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    pub(crate) all: u64,
    /// Turns that polled nothing and left nothing.
    pub(crate) idle: u64,
    /// Times the host slept.
    pub(crate) waits: u64,
}

impl Turns {
    /// Counts a turn that polled so often and left this many tasks; `more`: some of them are ready.
    pub(crate) fn count(&mut self, polled: u64, more: bool, left: usize) -> Then {
        self.all += 1;
        self.idle += u64::from(polled == 0 && !more);
        match (left, more) {
            (0, _) => Then::End,
            (_, true) => Then::Again,
            (_, false) => Then::Wait,
        }
    }

    /// A turn without work comes from a sleep that a bell ended, or from one that was refused for a token: each
    /// bell accounts for one.
    #[allow(dead_code, reason = "for hosts that count their bells")]
    pub(crate) fn assert_not_busy(&self, bells: u64) {
        println!("{self:?}, {bells} bells");
        assert!(self.idle <= 2 * bells + 2, "a busy loop: {self:?} for {bells} bells");
    }

    /// For a host that cannot count its bells: a bell that is left ringing makes every further turn an idle one.
    #[allow(dead_code, reason = "for hosts that do not")]
    pub(crate) fn assert_mostly_of_use(&self) {
        println!("{self:?}");
        assert!(2 * self.idle <= self.all, "a busy loop: {self:?}");
    }
}
