//! A clock that a test moves.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_core::Timers;
use pool_core::backend::{Alarm, TimeSource};

/// A clock that stands still until it is moved.
pub(crate) struct Clock {
    state: Mutex<State>,
    armed: Sender<Duration>,
}

#[derive(Default)]
struct State {
    now: Duration,
    last: u64,
    due: BTreeMap<(Duration, u64), Alarm>,
}

/// What a clock says of its timers: for how long each is, when it is started.
pub(crate) struct Armed(Receiver<Duration>);

impl Armed {
    /// Waits until a timer is started, for this long.
    pub(crate) fn expect(&self, after: Duration) {
        let limit = Duration::from_secs(60);
        let armed = self.0.recv_timeout(limit);
        assert_eq!(armed, Ok(after), "which timer was started");
    }

    /// No other timer was started.
    pub(crate) fn none(&self) {
        assert!(self.0.try_recv().is_err(), "another timer was started");
    }
}

impl Clock {
    pub(crate) fn new() -> (Arc<Clock>, Armed) {
        let (armed, receiver) = channel();
        let state = Mutex::default();
        (Arc::new(Clock { state, armed }), Armed(receiver))
    }

    pub(crate) fn timers(self: &Arc<Self>) -> Timers {
        Timers::bound(self.clone())
    }

    /// Moves it, and calls what is due, in order.
    pub(crate) fn advance(&self, by: Duration) {
        let until = self.lock().now + by;
        loop {
            let mut state = self.lock();
            let next = state.due.first_entry().filter(|next| next.key().0 <= until);
            let Some(next) = next else {
                state.now = until;
                return;
            };
            let ((at, _), alarm) = next.remove_entry();
            state.now = at;
            drop(state);
            alarm();
        }
    }

    /// How many timers run.
    pub(crate) fn running(&self) -> usize {
        self.lock().due.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimeSource for Clock {
    fn arm(&self, after: Duration, alarm: Alarm) -> u64 {
        let timer = {
            let mut state = self.lock();
            state.last += 1;
            let (timer, at) = (state.last, state.now + after);
            state.due.insert((at, timer), alarm);
            timer
        };
        // A test need not listen.
        let _ = self.armed.send(after);
        timer
    }

    fn disarm(&self, timer: u64) {
        let alarm = {
            let mut state = self.lock();
            let at = state.due.keys().find(|(_, number)| *number == timer);
            let at = at.copied();
            at.and_then(|at| state.due.remove(&at))
        };
        drop(alarm);
    }
}
