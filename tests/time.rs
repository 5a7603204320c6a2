//! Timers on every driver: never early, lost or doubled, wherever they are polled and dropped.

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ouzel::net::{TcpListener, TcpStream};
use ouzel::time::{
    MissedTickBehavior, Sleep, interval, interval_at, now, sleep, sleep_until, timeout, timeout_at,
};
use ouzel_tests::{Setup, on_each, on_each_driver, watchdog};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A sleep that was polled once, and waits.
async fn begun(duration: Duration) -> Sleep {
    let mut sleep = sleep(duration);
    assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut sleep).poll(cx))).await.is_pending());
    sleep
}

#[test]
fn no_sleep_ends_early_and_they_end_in_order() {
    on_each(|setup| {
        setup.run(async move {
            let start = now();
            let tasks: Vec<_> = [0, 1, 3, 10, 20, 40]
                .map(|n| {
                    setup.spawn(async move {
                        sleep_until(start + ms(n)).await;
                        (now(), start + ms(n))
                    })
                })
                .into();
            for task in tasks {
                let (ended, due) = task.await.unwrap();
                assert!(ended >= due, "early: {ended:?} before {due:?}");
            }
        });
    });
}

#[test]
fn a_dropped_sleep_is_gone_and_others_go_on() {
    on_each(|setup| {
        setup.run(async move {
            let mut kept = begun(ms(10)).await;
            let due = kept.deadline();
            for _ in 0..1000 {
                drop(begun(ms(10)).await);
            }
            (&mut kept).await;
            assert!(now() >= due && kept.is_elapsed());
        });
    });
}

#[test]
#[should_panic(expected = "a sleep needs a runtime")]
fn a_sleep_outside_a_runtime_says_so() {
    let mut sleep = sleep(ms(1));
    let _ = Pin::new(&mut sleep).poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn a_sleep_may_be_polled_and_dropped_by_other_threads() {
    on_each(|setup| {
        let (other, start) = (setup.local(), now());
        let [moved, dropped, back] =
            setup.run(async move { [begun(ms(15)).await, begun(ms(15)).await, begun(ms(15)).await] });
        std::thread::spawn(move || {
            let runtime = setup.shared();
            drop(dropped);
            runtime.block_on(async move {
                // On a worker if there are any, else here.
                ouzel::spawn(async move {
                    moved.await;
                    assert!(now().since(start) >= ms(15));
                })
                .await
                .unwrap();
            });
        })
        .join()
        .unwrap();
        other.block_on(back);
        assert!(now().since(start) >= ms(15));
    });
}

/// Tasks that are woken, and so moved, all the time while they sleep.
#[test]
fn sleeps_of_tasks_that_move_are_not_lost() {
    on_each(|setup| {
        setup.run(async move {
            let tasks: Vec<_> = (0..64u64)
                .map(|i| {
                    setup.spawn(async move {
                        for n in 0..10 {
                            let mut sleep = pin!(sleep(Duration::from_micros(200 + 37 * (i + n))));
                            let due = sleep.deadline();
                            let mut turns = 0;
                            poll_fn(|cx| {
                                turns += 1;
                                if turns % 8 != 0 {
                                    cx.waker().wake_by_ref();
                                }
                                sleep.as_mut().poll(cx)
                            })
                            .await;
                            assert!(now() >= due, "early");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn a_reset_sleep_ends_at_its_new_time_sooner_or_later() {
    on_each(|setup| {
        setup.run(async {
            let mut sleep = begun(Duration::from_secs(3600)).await;
            let sooner = now() + ms(5);
            sleep.reset(sooner);
            (&mut sleep).await;
            assert!(now() >= sooner);
            sleep.reset(now() + Duration::from_secs(3600));
            assert!(!sleep.is_elapsed());
            let later = now() + ms(10);
            sleep.reset(later);
            assert_eq!(sleep.deadline(), later);
            sleep.await;
            assert!(now() >= later);
        });
    });
}

#[test]
fn a_million_timers_wait_on_one_thread() {
    const TIMERS: usize = 1_000_000;
    watchdog("a million timers", || {
        ouzel::LocalRuntime::new().unwrap().block_on(async {
            let start = now();
            let mut all: Vec<Sleep> = (0..TIMERS as u64)
                .map(|i| {
                    // Up to two hours, the even ones up to 40 ms.
                    let spread = if i % 2 == 0 { i * 40 } else { i * 7200 };
                    sleep_until(start + Duration::from_nanos(spread))
                })
                .collect();
            let mut waiting = 0;
            for sleep in &mut all {
                waiting +=
                    usize::from(poll_fn(|cx| Poll::Ready(Pin::new(&mut *sleep).poll(cx))).await.is_pending());
            }
            assert!(waiting > 0);
            for i in (0..TIMERS).step_by(2) {
                (&mut all[i]).await;
            }
            assert!(now().since(start) >= ms(39));
            drop(all);
        });
    });
}

#[test]
fn a_timeout_ends_what_waits_and_leaves_what_is_ready_alone() {
    on_each(|setup| {
        setup.run(async {
            assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7));
            let before = now();
            assert!(timeout(ms(5), pending::<()>()).await.is_err());
            assert!(timeout_at(before + ms(9), pending::<()>()).await.is_err());
            assert!(now() >= before + ms(9));
            assert!(
                timeout_at(before, async { sleep(ms(1)).await }).await.is_err(),
                "a deadline that has passed"
            );
            assert_eq!(timeout(Duration::from_secs(300), async { sleep(ms(1)).await }).await, Ok(()));
        });
    });
}

#[test]
fn a_read_that_is_too_late_is_cancelled_and_loses_nothing_that_comes_after() {
    on_each(|setup| {
        setup.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            for round in 0..20u8 {
                assert!(timeout(ms(1), server.read(Vec::with_capacity(8))).await.is_err());
                // Let the kernel hear of it.
                sleep(ms(1)).await;
                client.write_all(vec![round; 3]).await.0.unwrap();
                let (n, buf) =
                    timeout(Duration::from_secs(300), server.read(Vec::with_capacity(8))).await.unwrap();
                assert_eq!((n.unwrap(), buf), (3, vec![round; 3]));
            }
        });
    });
}

#[test]
fn a_future_that_spends_its_budget_in_every_poll_is_still_timed_out() {
    on_each(|setup| {
        setup.run(async {
            let busy = async {
                loop {
                    sleep(Duration::ZERO).await;
                }
            };
            let timed: Result<(), _> = timeout(ms(20), busy).await;
            assert!(timed.is_err());
        });
    });
}

#[test]
fn an_interval_ticks_by_its_period_and_after_a_delay_as_it_was_told() {
    on_each(|setup| {
        setup.run(async {
            let mut ticks = interval(ms(2));
            let first = ticks.tick().await;
            for n in 1..6 {
                // Burst, the default: never early, and none left out.
                assert_eq!(ticks.tick().await, first + ms(2 * n));
                assert!(now() >= first + ms(2 * n));
            }
            let mut late = interval_at(now() + Duration::from_secs(3600), ms(1));
            late.set_missed_tick_behavior(MissedTickBehavior::Skip);
            assert!(timeout(ms(1), late.tick()).await.is_err(), "before its start");
            let start = now();
            late.reset_at(start);
            std::thread::sleep(ms(20));
            assert_eq!(late.tick().await, start);
            let next = late.tick().await;
            assert!(next > start + ms(10), "ticks that were missed came all the same");
            assert_eq!(next.since(start).as_nanos() % ms(1).as_nanos(), 0);
            late.reset_after(ms(3));
            let from = now();
            late.tick().await;
            assert!(now().since(from) >= ms(2));
        });
    });
}

#[test]
fn timers_of_a_block_on_that_returned_go_on_elsewhere() {
    let setup = Setup { driver: ouzel::Driver::Auto, workers: 1 };
    watchdog("after block_on", move || {
        let runtime = setup.shared();
        let sleep = runtime.block_on(begun(ms(10)));
        let due = sleep.deadline();
        runtime.block_on(async move { ouzel::spawn(sleep).await.unwrap() });
        assert!(now() >= due);
    });
}

#[test]
fn timers_close_together_share_wake_ups() {
    const TIMERS: u64 = 2000;
    on_each_driver(0, |setup| {
        let waits = |slack| {
            let runtime =
                ouzel::Runtime::builder().driver(setup.driver).timer_slack(slack).build_local().unwrap();
            runtime.block_on(async {
                let start = now() + ms(20);
                let due = (0..TIMERS).map(|i| start + Duration::from_micros(50 * i));
                let tasks: Vec<_> = due
                    .map(|due| {
                        ouzel::spawn_local(async move {
                            sleep_until(due).await;
                            assert!(now() >= due, "early");
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            runtime.metrics().io.waits
        };
        // Two timers and more in each wait; on a machine that is busy, or slow to sleep, the first count falls, too.
        let (each, shared) = (waits(Duration::ZERO), waits(Duration::from_micros(250)));
        assert!(shared <= TIMERS / 2 + 100, "{shared} waits with a slack, {each} without");
    });
}
