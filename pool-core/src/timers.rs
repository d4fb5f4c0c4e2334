//! The only source of time of a pool: every time limit, grace period and pause is a timer here.
//!
//! Nothing else in the pool crates waits with a time-out, so whoever supplies the [`TimeSource`] decides
//! what time it is for a pool. Programs use the real clock; a conformance harness supplies its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::fork::PerProcess;
use crate::panics;

/// What is done when a timer fires: short, and never blocking.
pub type Alarm = Box<dyn FnOnce() + Send>;

/// A clock with timers.
pub trait TimeSource: Send + Sync {
    /// Starts a timer that calls `alarm` once after `after`; returns its number.
    fn arm(&self, after: Duration, alarm: Alarm) -> u64;
    /// Stops a timer; one that fired, or is unknown, is left alone.
    fn disarm(&self, timer: u64);
}

/// A pool's timers.
///
/// # Examples
///
/// ```
/// use std::{sync::mpsc, time::Duration};
///
/// let (sender, receiver) = mpsc::channel();
/// let armed = pool_core::Timers::real().arm(Duration::ZERO, Box::new(move || sender.send(()).unwrap_or(())));
/// receiver.recv()?;
/// drop(armed);
/// # Ok::<(), mpsc::RecvError>(())
/// ```
#[derive(Clone)]
pub struct Timers(Arc<dyn TimeSource>);

impl Timers {
    /// Timers of the real, monotonic clock; one thread serves all pools of the process, from the first timer on.
    pub fn real() -> Timers {
        Timers(Arc::new(RealTime))
    }

    /// Timers of another clock.
    pub fn bound(source: Arc<dyn TimeSource>) -> Timers {
        Timers(source)
    }

    /// Starts a timer; it is stopped when the returned guard is dropped.
    pub fn arm(&self, after: Duration, alarm: Alarm) -> Armed {
        Armed {
            timer: self.0.arm(after, alarm),
            source: self.0.clone(),
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Timers::real()
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").finish_non_exhaustive()
    }
}

/// A running timer; dropping it stops it.
#[must_use = "a timer is stopped when this is dropped"]
pub struct Armed {
    timer: u64,
    source: Arc<dyn TimeSource>,
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.source.disarm(self.timer);
    }
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Armed")
            .field("timer", &self.timer)
            .finish_non_exhaustive()
    }
}

/// The real clock.
struct RealTime;

/// The timers of a process: deadlines in their order, and a thread that sleeps until the next.
#[derive(Default)]
struct Clock {
    schedule: Mutex<Schedule>,
    changed: Condvar,
}

#[derive(Default)]
struct Schedule {
    /// The alarms, by the time at which each is due and its number.
    due: BTreeMap<(Instant, u64), Alarm>,
    /// When each is due.
    times: BTreeMap<u64, Instant>,
    served: bool,
}

impl Schedule {
    fn remove(&mut self, timer: u64) -> Option<Alarm> {
        let at = self.times.remove(&timer)?;
        self.due.remove(&(at, timer))
    }
}

impl Clock {
    /// The one of this process: a forked child has no thread that keeps its parent's.
    fn get() -> &'static Clock {
        static CLOCK: PerProcess<Clock> = PerProcess::new();
        CLOCK.get()
    }

    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut schedule = self.lock();
        loop {
            let now = Instant::now();
            let next = schedule.due.keys().next().copied();
            schedule = match next {
                Some((at, timer)) if at <= now => {
                    let alarm = schedule.remove(timer);
                    drop(schedule);
                    if let Some(alarm) = alarm {
                        // All timers of the process are this thread's: it outlives what one of them does.
                        panics::contain(alarm);
                    }
                    self.lock()
                }
                Some((at, _)) => {
                    let waited = self.changed.wait_timeout(schedule, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(schedule)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl TimeSource for RealTime {
    fn arm(&self, after: Duration, alarm: Alarm) -> u64 {
        Clock::get().arm(after, alarm)
    }

    fn disarm(&self, timer: u64) {
        Clock::get().disarm(timer);
    }
}

impl Clock {
    /// A time that cannot be reached (centuries ahead) never fires. Where the system refuses the one
    /// thread that keeps time, the alarm fires at once: a wait that ends early is better than one that never does.
    fn arm(&self, after: Duration, alarm: Alarm) -> u64 {
        let mut schedule = self.lock();
        // One count for all processes: in a forked child, nobody stops another timer with a number of its parent's.
        static LAST: AtomicU64 = AtomicU64::new(0);
        let timer = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(at) = Instant::now().checked_add(after) else {
            return timer;
        };
        if !schedule.served {
            let serve = || Clock::get().serve();
            match thread::Builder::new()
                .name("pool-timers".into())
                .spawn(serve)
            {
                Ok(_) => schedule.served = true,
                Err(_) => {
                    drop(schedule);
                    alarm();
                    return timer;
                }
            }
        }
        let next = schedule
            .due
            .keys()
            .next()
            .is_none_or(|(first, _)| at < *first);
        schedule.due.insert((at, timer), alarm);
        schedule.times.insert(timer, at);
        drop(schedule);
        if next {
            self.changed.notify_one();
        }
        timer
    }

    fn disarm(&self, timer: u64) {
        let alarm = self.lock().remove(timer);
        drop(alarm);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::{Clock, Timers};

    #[test]
    fn timers_fire_in_the_order_of_their_deadlines() {
        let time = Clock::default();
        // Nobody waits for these: so far apart are they that their order is that of their deadlines.
        time.lock().served = true;
        let timers = [20_000, 1_000, 10_000].map(|seconds| {
            let alarm = Box::new(|| ());
            time.arm(Duration::from_secs(seconds), alarm)
        });
        let order: Vec<u64> = time.lock().due.keys().map(|(_, timer)| *timer).collect();
        assert_eq!(order, [timers[1], timers[2], timers[0]]);
        // One that is stopped before its time leaves nothing behind.
        timers.iter().for_each(|timer| time.disarm(*timer));
        let schedule = time.lock();
        assert!(schedule.due.is_empty() && schedule.times.is_empty());
    }

    #[test]
    fn an_alarm_that_panics_stops_no_other() {
        let (sender, fired) = mpsc::channel();
        let _first = Timers::real().arm(Duration::ZERO, Box::new(|| panic!("in an alarm")));
        let _second = Timers::real().arm(
            Duration::from_millis(1),
            Box::new(move || sender.send(2).unwrap_or(())),
        );
        assert_eq!(fired.recv_timeout(Duration::from_secs(60)), Ok(2));
    }

    #[test]
    fn a_dropped_timer_never_fires() {
        let (sender, fired) = mpsc::channel();
        let keep = sender.clone();
        drop(Timers::real().arm(
            Duration::from_millis(1),
            Box::new(move || sender.send(1).unwrap_or(())),
        ));
        let _later = Timers::real().arm(
            Duration::from_millis(5),
            Box::new(move || keep.send(2).unwrap_or(())),
        );
        assert_eq!(fired.recv(), Ok(2));
        assert!(
            fired.recv().is_err(),
            "both senders are gone and nothing else was sent"
        );
    }
}
