//! Alarms on the hand-driven clock: hours pass at once, and the same each time.

use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use ouzel_core::alarm::{Alarm, AlarmState, Alarms};
use ouzel_core::driver::{Deadline, Driver, Nanos};
use ouzel_core::park::ParkWord;
use ouzel_os_fallback::manual::{Clock, ManualDriver, OnPark};

/// Notes when it is woken.
struct Noted {
    clock: Clock,
    at: Mutex<Vec<Nanos>>,
}

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.at.lock().unwrap().push(self.clock.now());
    }
}

struct Rig {
    clock: Clock,
    driver: ManualDriver,
    alarms: Alarms,
    slack: Duration,
    parks: usize,
}

impl Rig {
    fn new() -> Self {
        let clock = Clock::new();
        let mut driver = ManualDriver::new(&clock, OnPark::Jump);
        let alarms = Alarms::new(driver.now(), Arc::new(ParkWord::new()), driver.unparker());
        Rig { clock, driver, alarms, slack: Duration::ZERO, parks: 0 }
    }

    fn set(&self, after: Duration) -> (Alarm, Arc<Noted>, Nanos) {
        let due = self.clock.now() + after;
        let noted = Arc::new(Noted { clock: self.clock.clone(), at: Mutex::default() });
        let alarm = self.alarms.set(Deadline(due), Waker::from(Arc::clone(&noted))).unwrap();
        (alarm, noted, due)
    }

    /// What a thread does: parks until the next alarm and wakes what is due, until there is none.
    fn run(&mut self) {
        while let Some(next) = self.alarms.next_wait(self.slack) {
            self.driver.park(Some(next)).unwrap();
            self.parks += 1;
            let now = self.driver.now();
            self.alarms.expire(now);
        }
    }
}

/// Less than a tick of the wheel.
const TICK: Duration = Duration::from_nanos(4096);

#[test]
fn a_day_of_alarms_rings_in_time() {
    let mut rig = Rig::new();
    let all: Vec<_> = (0..1440u64)
        .map(|i| {
            // In no order.
            let minute = i * 977 % 1440;
            rig.set(Duration::from_secs(60 * minute) + Duration::from_micros(minute))
        })
        .collect();
    rig.run();
    for (alarm, noted, due) in all {
        let at = noted.at.lock().unwrap().clone();
        assert_eq!(at.len(), 1, "rang {} times", at.len());
        assert!(at[0] >= due && at[0] < due + TICK, "due at {due:?}, rang at {:?}", at[0]);
        assert_eq!(rig.alarms.state(&alarm, Waker::noop()), AlarmState::Rung);
        assert!(rig.alarms.end(alarm).is_none());
    }
    // Eight at the most that an alarm moves down, and one for its end.
    assert!(rig.parks <= 9 * 1440);
    assert!(rig.clock.now() >= Nanos::default() + Duration::from_secs(60 * 1439));
}

#[test]
fn alarms_that_were_ended_do_not_end_a_park() {
    let mut rig = Rig::new();
    let kept = rig.set(Duration::from_secs(7200));
    for secs in 1..3600 {
        let (alarm, noted, _) = rig.set(Duration::from_secs(secs));
        assert!(rig.alarms.end(alarm).is_some());
        assert_eq!(Arc::strong_count(&noted), 1);
    }
    rig.run();
    assert!(rig.parks <= 9);
    assert_eq!(kept.1.at.lock().unwrap().len(), 1);
    assert!(rig.clock.now() >= kept.2 && rig.clock.now() < kept.2 + TICK);
}

#[test]
fn alarms_close_together_ring_together_and_late_by_the_slack_at_the_most() {
    const SLACK: Duration = Duration::from_micros(50);
    let mut parks = Vec::new();
    for slack in [Duration::ZERO, SLACK] {
        let mut rig = Rig::new();
        rig.slack = slack;
        let all: Vec<_> = (0..20_000).map(|i| rig.set(Duration::from_micros(1000 + 5 * i))).collect();
        rig.run();
        for (_, noted, due) in &all {
            let at = noted.at.lock().unwrap().clone();
            assert_eq!(at.len(), 1, "rang {} times", at.len());
            assert!(at[0] >= *due && at[0] < *due + TICK + slack, "due at {due:?}, rang at {:?}", at[0]);
        }
        parks.push(rig.parks);
    }
    // One of 5 us each, against one of 50 us and one more for every slot of 262 us.
    assert!(parks[0] >= 20_000 && parks[1] <= 2600, "{parks:?}");
}
