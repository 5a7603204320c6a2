use super::{Sleep, Woken};
use crate::sync::{AtomicU32, Ordering};
use std::vec::Vec;

#[test]
fn a_push_wakes_one_sleeper_and_then_none_while_it_searches() {
    let sleep = Sleep::new(4, None);
    assert_eq!(sleep.notify(), None, "nobody sleeps");
    sleep.announce(2, false);
    sleep.announce(3, false);
    assert_eq!(sleep.notify(), Some(2));
    assert_eq!(sleep.notify(), None, "worker 2 will find it");
    assert_eq!(sleep.woken(2), Woken::Searching);
    assert_eq!(sleep.leave_search(), Some(3), "the last searcher wakes the next");
    assert_eq!(sleep.woken(3), Woken::Searching);
    sleep.announce(3, true);
    assert_eq!(sleep.notify(), Some(3));
}

#[test]
fn an_event_wakes_without_a_search() {
    let sleep = Sleep::new(2, None);
    sleep.announce(1, false);
    assert_eq!(sleep.woken(1), Woken::Event);
    assert_eq!(sleep.notify(), None);
}

#[test]
fn a_claim_is_seen_without_a_token() {
    let sleep = Sleep::new(2, None);
    sleep.announce(0, false);
    assert_eq!(sleep.notify(), Some(0));
    assert_eq!(sleep.woken(0), Woken::Searching, "woken by a timer before the unpark came");
}

#[test]
fn work_found_while_going_to_sleep_makes_a_searcher() {
    let sleep = Sleep::new(2, None);
    sleep.announce(0, false);
    sleep.found_work(0);
    sleep.announce(1, false);
    assert_eq!(sleep.notify(), None, "worker 0 searches");
    assert_eq!(sleep.leave_search(), Some(1));
    sleep.found_work(1);
    assert_eq!(sleep.leave_search(), None);
}

#[test]
fn at_most_half_search_and_at_least_one_may() {
    let admitted = |workers| {
        let sleep = Sleep::new(workers, None);
        (0..workers).filter(|_| sleep.try_search()).count()
    };
    assert_eq!([1, 2, 3, 4, 8].map(admitted), [1, 1, 2, 2, 4]);
}

#[test]
fn wake_all_returns_every_sleeper_as_a_searcher() {
    let sleep = Sleep::new(64, None);
    for worker in [0, 5, 63] {
        sleep.announce(worker, false);
    }
    assert_eq!(sleep.wake_all().collect::<Vec<_>>(), [0, 5, 63]);
    for worker in [0, 5, 63] {
        assert_eq!(sleep.woken(worker), Woken::Searching);
        assert_eq!(sleep.leave_search(), None);
    }
    assert_eq!(sleep.wake_all().count(), 0);
}

#[test]
fn the_parker_pays_for_the_fence_where_the_system_has_one() {
    static FENCED: AtomicU32 = AtomicU32::new(0);
    let sleep = Sleep::new(2, Some(|| _ = FENCED.fetch_add(1, Ordering::Relaxed)));
    sleep.announce(0, false);
    assert_eq!(sleep.notify(), Some(0));
    assert_eq!(FENCED.load(Ordering::Relaxed), 1);
}
