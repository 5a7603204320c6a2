use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;

use core::task::{Poll, Waker};
use std::thread;

use super::*;
use crate::sync::{AtomicUsize, Ordering::SeqCst};

/// Counts its wakes.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell::default());
    (Arc::clone(&bell), Waker::from(bell))
}

fn rung(bell: &Bell) -> usize {
    bell.0.load(SeqCst)
}

#[test]
fn who_waits_is_served_in_order_and_may_leave_from_anywhere() {
    let mut queue = WaitQueue::default();
    let mut tickets: Vec<_> = (0..5).map(|n| queue.push(n, Waker::noop().clone()).ok()).collect();
    for n in [0, 4, 2] {
        let removed = queue.remove(tickets[n].take().unwrap());
        assert_eq!((removed.want, removed.served), (n, false));
    }
    assert_eq!((queue.len(), queue.front()), (2, Some(&1)));
    let late = queue.push(9, Waker::noop().clone()).unwrap();
    assert!(queue.serve_first(|n| *n == 3).is_some());
    assert!(queue.serve_first(|n| *n == 3).is_none());
    assert!(queue.serve_front().is_some());
    assert_eq!(queue.front(), Some(&9));
    assert!(queue.is_served(tickets[1].as_ref().unwrap()) && queue.is_served(tickets[3].as_ref().unwrap()));
    assert!(!queue.is_served(&late));
    let served = queue.remove(tickets[3].take().unwrap());
    assert_eq!((served.want, served.served), (3, true));
    assert!(queue.serve_front().is_some());
    assert!(queue.serve_front().is_none() && queue.is_empty());
    // Its places are used again.
    drop(queue.remove(tickets[1].take().unwrap()));
    drop(queue.remove(late));
    let again: Vec<_> = (0..5).map(|n| queue.push(n, Waker::noop().clone()).unwrap()).collect();
    assert_eq!(queue.len(), 5);
    again.into_iter().for_each(|ticket| drop(queue.remove(ticket)));
}

#[test]
fn a_large_want_is_not_passed_by_small_ones() {
    let semaphore = Semaphore::new(2);
    let ((first, first_waker), (second, second_waker)) = (bell(), bell());
    let (mut large, mut small) = (None, None);
    assert_eq!(semaphore.poll_acquire(&mut large, 3, &first_waker), Poll::Pending);
    assert!(!semaphore.try_acquire(1), "somebody waits");
    assert_eq!(semaphore.poll_acquire(&mut small, 1, &second_waker), Poll::Pending);
    assert_eq!(semaphore.waiting(), 2);
    assert!(semaphore.release(1));
    assert_eq!((rung(&first), rung(&second)), (1, 0));
    assert_eq!(semaphore.poll_acquire(&mut small, 1, &second_waker), Poll::Pending);
    assert_eq!(semaphore.poll_acquire(&mut large, 3, &first_waker), Poll::Ready(()));
    assert!(semaphore.release(3));
    assert_eq!(rung(&second), 1);
    assert_eq!(semaphore.poll_acquire(&mut small, 1, &second_waker), Poll::Ready(()));
    assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
    assert!(!semaphore.release(usize::MAX), "too many to count");
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn who_leaves_passes_on_what_it_was_handed_and_lets_those_behind_it_by() {
    let semaphore = Semaphore::new(0);
    let ((_, gone), (next, next_waker)) = (bell(), bell());
    let (mut leaves, mut stays) = (None, None);
    assert_eq!(semaphore.poll_acquire(&mut leaves, 1, &gone), Poll::Pending);
    assert_eq!(semaphore.poll_acquire(&mut stays, 1, &next_waker), Poll::Pending);
    assert!(semaphore.release(1));
    assert_eq!(rung(&next), 0);
    semaphore.leave(leaves.take().unwrap());
    assert_eq!(rung(&next), 1);
    assert_eq!(semaphore.poll_acquire(&mut stays, 1, &next_waker), Poll::Ready(()));
    // One that wants too much blocks the rest until it leaves.
    assert_eq!(semaphore.poll_acquire(&mut leaves, 9, &gone), Poll::Pending);
    assert_eq!(semaphore.poll_acquire(&mut stays, 1, &next_waker), Poll::Pending);
    assert!(semaphore.release(1));
    assert_eq!(rung(&next), 1);
    semaphore.leave(leaves.take().unwrap());
    assert_eq!(rung(&next), 2);
    assert_eq!(semaphore.poll_acquire(&mut stays, 1, &next_waker), Poll::Ready(()));
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let semaphore = Semaphore::new(0);
    let ((old, old_waker), (new, new_waker)) = (bell(), bell());
    let mut ticket = None;
    for waker in [&old_waker, &old_waker, &new_waker] {
        assert_eq!(semaphore.poll_acquire(&mut ticket, 1, waker), Poll::Pending);
    }
    drop(old_waker);
    assert_eq!(Arc::strong_count(&old), 1, "the old waker is gone");
    assert!(semaphore.release(1));
    assert_eq!((rung(&old), rung(&new)), (0, 1));
    semaphore.leave(ticket.take().unwrap());
    assert_eq!(semaphore.available(), 1);
}

fn put(
    gate: &Gate<VecDeque<u32>>,
    ticket: &mut Option<Ticket>,
    waker: &Waker,
    n: u32,
) -> Poll<Result<(), Closed>> {
    gate.poll_put(ticket, waker, |q| q.push_back(n))
}

fn take(gate: &Gate<VecDeque<u32>>, ticket: &mut Option<Ticket>, waker: &Waker) -> Poll<Result<u32, Closed>> {
    gate.poll_take(ticket, waker, |q| q.pop_front().unwrap())
}

#[test]
fn a_gate_keeps_order_and_its_bound() {
    let gate = Gate::new(VecDeque::new(), 2);
    let ((sender, sender_waker), (receiver, receiver_waker)) = (bell(), bell());
    let (mut s, mut r) = (None, None);
    assert_eq!(take(&gate, &mut r, &receiver_waker), Poll::Pending);
    assert_eq!(put(&gate, &mut s, &sender_waker, 1), Poll::Ready(Ok(())));
    assert_eq!(rung(&receiver), 1);
    assert_eq!(gate.try_take(|_| panic!("it is promised")), Ok(None::<u32>));
    assert_eq!(put(&gate, &mut s, &sender_waker, 2), Poll::Ready(Ok(())));
    assert_eq!(put(&gate, &mut s, &sender_waker, 3), Poll::Pending);
    assert_eq!(gate.try_put(|q| q.push_back(4)), Ok(None), "somebody waits");
    assert_eq!(take(&gate, &mut r, &receiver_waker), Poll::Ready(Ok(1)));
    assert_eq!(rung(&sender), 1);
    assert_eq!(put(&gate, &mut s, &sender_waker, 3), Poll::Ready(Ok(())));
    assert_eq!(gate.try_put(|q| q.push_back(4)), Ok(None), "no room");
    assert_eq!((gate.len(), gate.waiting()), (2, 0));
    for n in [2, 3] {
        assert_eq!(gate.try_take(|q| q.pop_front().unwrap()), Ok(Some(n)));
    }
    assert_eq!(gate.try_take(|q| q.pop_front().unwrap()), Ok(None));
}

#[test]
fn an_element_or_room_that_was_handed_to_one_who_leaves_goes_to_the_next() {
    let gate = Gate::new(VecDeque::new(), 1);
    let ((first, first_waker), (second, second_waker)) = (bell(), bell());
    let (mut leaves, mut stays, mut s) = (None, None, None);
    assert_eq!(take(&gate, &mut leaves, &first_waker), Poll::Pending);
    assert_eq!(take(&gate, &mut stays, &second_waker), Poll::Pending);
    assert_eq!(put(&gate, &mut s, Waker::noop(), 1), Poll::Ready(Ok(())));
    assert_eq!((rung(&first), rung(&second)), (1, 0));
    gate.leave_take(leaves.take().unwrap());
    assert_eq!(rung(&second), 1);
    assert_eq!(take(&gate, &mut stays, &second_waker), Poll::Ready(Ok(1)));
    // Room likewise.
    assert_eq!(put(&gate, &mut s, Waker::noop(), 2), Poll::Ready(Ok(())));
    assert_eq!(put(&gate, &mut leaves, &first_waker, 3), Poll::Pending);
    assert_eq!(put(&gate, &mut stays, &second_waker, 4), Poll::Pending);
    assert_eq!(gate.try_take(|q| q.pop_front().unwrap()), Ok(Some(2)));
    gate.leave_put(leaves.take().unwrap());
    assert_eq!((rung(&first), rung(&second)), (2, 2));
    assert_eq!(put(&gate, &mut stays, &second_waker, 4), Poll::Ready(Ok(())));
}

#[test]
fn a_closed_gate_gives_out_what_is_left() {
    let gate = Gate::new(VecDeque::new(), 2);
    let ((waits, waker), mut s, mut r) = (bell(), None, None);
    for n in [1, 2] {
        assert_eq!(put(&gate, &mut None, Waker::noop(), n), Poll::Ready(Ok(())));
    }
    assert_eq!(put(&gate, &mut s, &waker, 3), Poll::Pending);
    assert!(gate.close() && !gate.close() && gate.is_closed());
    assert_eq!(rung(&waits), 1);
    assert_eq!(put(&gate, &mut s, &waker, 3), Poll::Ready(Err(Closed)));
    assert!(s.is_none());
    assert_eq!(gate.try_put(|q| q.push_back(9)), Err(Closed));
    assert_eq!(take(&gate, &mut r, &waker), Poll::Ready(Ok(1)));
    assert_eq!(gate.try_take(|q| q.pop_front().unwrap()), Ok(Some(2)));
    assert_eq!(take(&gate, &mut r, &waker), Poll::Ready(Err(Closed)));
    assert_eq!(gate.try_take(|q| q.pop_front().unwrap()), Err(Closed));
    // One that was handed an element before the close takes it after.
    let gate = Gate::new(VecDeque::new(), 1);
    let mut other = None;
    assert_eq!(take(&gate, &mut r, &waker), Poll::Pending);
    assert_eq!(take(&gate, &mut other, &waker), Poll::Pending);
    assert_eq!(put(&gate, &mut s, &waker, 7), Poll::Ready(Ok(())));
    gate.close();
    assert_eq!(take(&gate, &mut other, &waker), Poll::Ready(Err(Closed)));
    assert_eq!(take(&gate, &mut r, &waker), Poll::Ready(Ok(7)));
    assert_eq!(gate.waiting(), 0);
}

/// Parks a thread until it is woken.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait<T>(mut poll: impl FnMut(&Waker) -> Poll<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match poll(&waker) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn threads_pass_everything_on_exactly_once_though_some_give_up() {
    const EACH: u32 = 3_000;
    let gate = Gate::new(VecDeque::new(), 3);
    let inside = AtomicUsize::new(0);
    let semaphore = Semaphore::new(2);
    let sum = thread::scope(|scope| {
        let senders: Vec<_> = (0..2)
            .map(|k| {
                let gate = &gate;
                scope.spawn(move || {
                    for n in 0..EACH {
                        if n % 7 == k {
                            // Gives up once, perhaps with room in its hand.
                            let mut ticket = None;
                            if put(gate, &mut ticket, Waker::noop(), n).is_ready() {
                                continue;
                            }
                            gate.leave_put(ticket.take().unwrap());
                        }
                        let mut ticket = None;
                        wait(|waker| put(gate, &mut ticket, waker, n)).unwrap();
                    }
                })
            })
            .collect();
        let receivers: Vec<_> = (0..2)
            .map(|k| {
                let (gate, semaphore, inside) = (&gate, &semaphore, &inside);
                scope.spawn(move || {
                    let mut sum = 0u64;
                    for turn in 0u32.. {
                        let mut ticket = None;
                        if turn % 5 == k {
                            match take(gate, &mut ticket, Waker::noop()) {
                                Poll::Ready(Ok(n)) => sum += u64::from(n),
                                Poll::Ready(Err(Closed)) => break,
                                Poll::Pending => gate.leave_take(ticket.take().unwrap()),
                            }
                            continue;
                        }
                        let Ok(n) = wait(|waker| take(gate, &mut ticket, waker)) else { break };
                        sum += u64::from(n);
                        let (mut permit, wanted) = (None, 1 + (turn as usize) % 2);
                        wait(|waker| semaphore.poll_acquire(&mut permit, wanted, waker));
                        assert!(inside.fetch_add(wanted, SeqCst) + wanted <= 2);
                        inside.fetch_sub(wanted, SeqCst);
                        assert!(semaphore.release(wanted));
                    }
                    sum
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        gate.close();
        receivers.into_iter().map(|receiver| receiver.join().unwrap()).sum::<u64>()
    });
    assert_eq!(sum, 2 * (0..u64::from(EACH)).sum::<u64>());
    assert_eq!((semaphore.available(), semaphore.waiting(), gate.waiting()), (2, 0, 0));
}
