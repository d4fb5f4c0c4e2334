//! The harness as a pool's source of time: timers go out as messages, alarms come back as requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::backend::{Alarm, TimeSource};

use super::wire::Replies;
use crate::protocol::FromAdapter;

/// Timers whose time the harness tells.
pub(super) struct HarnessClock {
    replies: Arc<Replies>,
    armed: Mutex<Armed>,
}

#[derive(Default)]
struct Armed {
    alarms: HashMap<u64, Alarm>,
    last: u64,
}

impl HarnessClock {
    pub(super) fn new(replies: Arc<Replies>) -> HarnessClock {
        HarnessClock {
            replies,
            armed: Mutex::default(),
        }
    }

    /// The time of a timer has come; one that was disarmed meanwhile is left alone.
    pub(super) fn fire(&self, timer: u64) {
        let alarm = self.armed().alarms.remove(&timer);
        if let Some(alarm) = alarm {
            alarm();
        }
    }

    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimeSource for HarnessClock {
    fn arm(&self, after: Duration, alarm: Alarm) -> u64 {
        let mut armed = self.armed();
        armed.last += 1;
        let timer = armed.last;
        armed.alarms.insert(timer, alarm);
        // Under the lock: the harness learns of timers in the order of their numbers, and of an arming
        // before its disarming.
        self.replies.send(&FromAdapter::Timer {
            timer,
            after: after.as_secs_f64(),
        });
        timer
    }

    fn disarm(&self, timer: u64) {
        let mut armed = self.armed();
        let alarm = armed.alarms.remove(&timer);
        if alarm.is_some() {
            self.replies.send(&FromAdapter::Cancel { timer });
        }
        drop(armed);
        // An alarm may own what disarms another timer when it goes.
        drop(alarm);
    }
}

/// Seconds of the protocol; what is less than nothing is nothing, what is too much is for ever.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(if seconds > 0.0 {
        Duration::MAX
    } else {
        Duration::ZERO
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, PipeReader, pipe};
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use pool_core::Timers;
    use pool_core::backend::Armed;

    use super::{HarnessClock, seconds};
    use crate::adapter::wire::Replies;

    fn clock() -> (Arc<HarnessClock>, BufReader<PipeReader>) {
        let (harness, adapter) = pipe().unwrap();
        let replies = Replies::new(OwnedFd::from(adapter).into());
        (
            Arc::new(HarnessClock::new(Arc::new(replies))),
            BufReader::new(harness),
        )
    }

    fn arm(clock: &Arc<HarnessClock>, seconds: f64) -> (Armed, Receiver<()>) {
        let (sender, rang) = channel();
        let alarm = Box::new(move || sender.send(()).unwrap_or(()));
        let timers = Timers::bound(clock.clone());
        (timers.arm(Duration::from_secs_f64(seconds), alarm), rang)
    }

    fn line(harness: &mut impl BufRead) -> String {
        let mut line = String::new();
        harness.read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn the_harness_says_when_a_timer_fires_and_it_fires_once() {
        let (clock, mut harness) = clock();
        let (_armed, rang) = arm(&clock, 1.5);
        assert_eq!(line(&mut harness), "{\"after\":1.5,\"timer\":1}\n");
        assert!(rang.try_recv().is_err(), "time does not pass by itself");
        clock.fire(1);
        clock.fire(1);
        assert_eq!(rang.iter().count(), 1);
    }

    #[test]
    fn a_timer_that_is_let_go_is_cancelled_and_never_fires() {
        let (clock, mut harness) = clock();
        let (armed, rang) = arm(&clock, 2.0);
        drop(armed);
        clock.fire(1);
        assert_eq!(rang.iter().count(), 0);
        assert_eq!(line(&mut harness), "{\"after\":2.0,\"timer\":1}\n");
        assert_eq!(line(&mut harness), "{\"cancel\":1}\n");
    }

    #[test]
    fn any_number_of_seconds_is_a_time() {
        assert_eq!(seconds(0.5), Duration::from_millis(500));
        assert_eq!(seconds(-1.0), Duration::ZERO);
        assert_eq!(seconds(f64::INFINITY), Duration::MAX);
    }
}
