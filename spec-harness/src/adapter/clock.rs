//! The harness as a pool's source of time: timers go out as messages, alarms come back as requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::{Alarm, TimeSource};

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
