//! Semaphores and channels between tasks, on both kinds of runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ouzel::sync::{RecvError, Semaphore, SendError, TryRecvError, TrySendError, channel};
use ouzel::{Driver, spawn, yield_now};
use ouzel_tests::Setup;

fn everywhere(test: impl AsyncFn(Setup)) {
    for workers in [0, 1, 3] {
        let setup = Setup { driver: Driver::Auto, workers };
        setup.run(test(setup));
    }
}

#[test]
fn permits_bound_how_many_tasks_are_inside() {
    everywhere(async |setup| {
        let (turns, inside, most) =
            (Arc::new(Semaphore::new(3)), Arc::new(AtomicUsize::new(0)), Arc::default());
        let tasks: Vec<_> = (0..60)
            .map(|n| {
                let (turns, inside, most): (_, _, Arc<AtomicUsize>) =
                    (Arc::clone(&turns), Arc::clone(&inside), Arc::clone(&most));
                setup.spawn(async move {
                    let wanted = 1 + n % 3;
                    let permit = turns.acquire(wanted).await;
                    most.fetch_max(inside.fetch_add(wanted, SeqCst) + wanted, SeqCst);
                    yield_now().await;
                    inside.fetch_sub(wanted, SeqCst);
                    drop(permit);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((most.load(SeqCst), turns.available()), (3, 3));
        turns.try_acquire(2).unwrap().forget();
        assert!(turns.try_acquire(2).is_none());
        turns.add(1);
        assert_eq!(turns.available(), 2);
    });
}

#[test]
fn a_cancelled_task_leaves_its_permit_and_its_value_to_others() {
    Setup { driver: Driver::Auto, workers: 2 }.run(async {
        let turns = Arc::new(Semaphore::new(0));
        let (sender, receiver) = channel::<u32>(1);
        for round in 0..200 {
            let waits = {
                let (turns, receiver) = (Arc::clone(&turns), receiver.clone());
                spawn(async move {
                    turns.acquire(1).await.forget();
                    receiver.recv().await
                })
            };
            if round % 2 == 0 {
                yield_now().await;
            }
            turns.add(1);
            sender.send(round).await.unwrap();
            waits.abort();
            match waits.await {
                Ok(got) => assert_eq!(got, Ok(round)),
                Err(_) => {
                    // Aborted anywhere: the value is there, and the permit unless the task had it for good.
                    assert_eq!(receiver.recv().await, Ok(round));
                    if let Some(permit) = turns.try_acquire(1) {
                        permit.forget();
                    }
                }
            }
            assert_eq!(turns.available(), 0);
        }
    });
}

#[test]
fn values_arrive_in_order_and_once_each() {
    everywhere(async |setup| {
        let (sender, receiver) = channel(5);
        let tasks: Vec<_> = (0..4u32)
            .map(|k| {
                let sender = sender.clone();
                setup.spawn(async move {
                    for n in 0..500u32 {
                        sender.send((k, n)).await.unwrap();
                    }
                })
            })
            .collect();
        drop(sender);
        let mut next = [0; 4];
        while let Ok((k, n)) = receiver.recv().await {
            assert_eq!(n, next[k as usize], "sender {k}");
            next[k as usize] += 1;
        }
        assert_eq!(next, [500; 4]);
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_channel_ends_with_either_side() {
    everywhere(async |setup| {
        let (sender, receiver) = channel(1);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
        let waits = {
            let sender = sender.clone();
            setup.spawn(async move { sender.send(3).await })
        };
        yield_now().await;
        assert_eq!(receiver.len(), 1);
        drop(receiver);
        assert_eq!(waits.await.unwrap(), Err(SendError(3)));
        assert_eq!(sender.try_send(4), Err(TrySendError::Closed(4)));
        let (sender, receiver) = channel(2);
        sender.send(7).await.unwrap();
        drop(sender);
        assert_eq!(receiver.recv().await, Ok(7));
        assert_eq!(receiver.recv().await, Err(RecvError));
        assert!(receiver.is_empty());
    });
}
