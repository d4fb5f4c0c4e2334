//! Jobs that only count, and what tasks that wait for each other wait for: for models of the queue.

use std::ops::Range;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering as Order};

use crate::observer::TaskInfo;
use crate::sync::{Condvar, Mutex};
use crate::task_state::TaskState;
use crate::thread_state::{Interrupt, Interruptible};
use crate::unit::{AsJob, HandedOut, Job, TaskId, Unclaimed, Unit};
use crate::work::sealed::Sealed;

/// A job that only counts.
pub(crate) struct Counted {
    number: u64,
    state: TaskState,
    /// How often each of its units was started.
    runs: Vec<Count>,
    /// How many of them will never be.
    unclaimed: Count,
}

impl Counted {
    #[cfg(shuttle)]
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn new(number: u64, units: usize) -> Arc<Counted> {
        Arc::new(Counted {
            number,
            state: TaskState::default(),
            runs: (0..units).map(|_| Count::new(0)).collect(),
            unclaimed: Count::new(0),
        })
    }

    /// Its units are not wanted any more.
    #[cfg(loom)]
    pub(crate) fn stop(&self) {
        assert_eq!(self.state.stop(), Some(false));
    }

    /// How many of its units ran; none of them did twice.
    pub(crate) fn runs(&self) -> usize {
        let runs = self.runs.iter().map(|runs| runs.load(Order::Relaxed));
        runs.inspect(|runs| assert!(*runs <= 1, "a unit ran twice"))
            .sum()
    }

    /// Its units start no more.
    pub(crate) fn give_up(&self, unclaimed: Unclaimed) {
        self.unclaimed.fetch_add(unclaimed.count(), Order::Relaxed);
    }

    /// Each unit ran once.
    pub(crate) fn has_run(&self) {
        assert_eq!(self.runs(), self.runs.len(), "a unit was lost");
    }

    /// Each unit ran once, or will never run and is known not to.
    #[cfg(loom)]
    pub(crate) fn is_accounted_for(&self) {
        let unclaimed = self.unclaimed.load(Order::Relaxed);
        assert_eq!(self.runs() + unclaimed, self.runs.len());
    }
}

impl Sealed for Counted {}

impl Interruptible for Counted {
    fn is_unwanted(&self) -> bool {
        self.state.is_unwanted()
    }
    fn add_interrupt(&self, _: std::sync::Weak<dyn Interrupt>) {}
}

impl Job for Counted {
    fn handed_out(&self) -> HandedOut<'_> {
        HandedOut(&self.state)
    }
    fn name(&self) -> (u64, TaskId) {
        (1, TaskId(self.number))
    }
    fn units(&self) -> usize {
        self.runs.len()
    }
    fn hand_out(&self, _: TaskId, takes_places: bool) -> usize {
        match self.state.hand_out(takes_places) {
            true => self.runs.len(),
            false => 0,
        }
    }
    fn is_open(&self) -> bool {
        true
    }
    fn terminate(&self, unclaimed: Unclaimed) {
        self.give_up(unclaimed);
    }
    fn discard(&self, unclaimed: Unclaimed) {
        self.give_up(unclaimed);
    }
    fn try_again(&self, _: &Unit) -> Option<std::time::Duration> {
        None
    }
    fn attempts(&self, _: &Unit) -> u32 {
        1
    }
    fn info(&self, _: usize) -> TaskInfo {
        TaskInfo::new(self.name().1.0, None, Location::caller())
    }
    fn started(&self, _: usize) {}
    fn items(&self, _: &Unit) -> Option<Range<usize>> {
        None
    }
    fn describe(&self, unit: &Unit, _: Option<&str>) -> String {
        format!("{} of {}", unit.index(), self.number)
    }
}

impl AsJob for Counted {
    fn job(&self) -> &dyn Job {
        self
    }
}

/// How many units have started: what long tasks wait for.
#[derive(Default)]
pub(crate) struct Started {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Started {
    pub(crate) fn run(&self, job: &Counted, unit: &Unit) {
        assert!(unit.is_of(job.name()));
        self.run_unit(job, unit.index());
    }

    pub(crate) fn run_unit(&self, job: &Counted, unit: usize) {
        job.runs[unit].fetch_add(1, Order::Relaxed);
        *self.count.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    pub(crate) fn wait_for(&self, wanted: usize) {
        let mut count = self.count.lock().unwrap();
        while *count < wanted {
            count = self.changed.wait(count).unwrap();
        }
    }
}
