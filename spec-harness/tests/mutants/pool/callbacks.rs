//! Callbacks: one after the other, on a thread of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use spec_harness::adapter::puppet;

use super::{Callback, Phase, Pool, State, error};
use crate::flaws::Flaw;
use crate::worker;

impl Pool {
    /// Runs callbacks one after the other until the pool has ended.
    pub(super) fn call_back(self: &Arc<Pool>) {
        let on_workers = self.calls_back_on_workers();
        while let Some(callback) = self.await_(|state| {
            let next = self.next_callback(state).filter(|_| !on_workers);
            let over = state.phase > Phase::Running && state.workers == 0;
            next.map(Some).or(over.then_some(None))
        }) {
            let Callback { job, key, with } = callback;
            let twice = self.has(Flaw::CallbackTwice).then(|| with.clone());
            let came = catch_unwind(AssertUnwindSafe(|| {
                puppet::callback(key, with);
                if let Some(with) = twice {
                    puppet::callback(key, with);
                }
            }));
            let failed = came.err().map(|panic| worker::message(&*panic));
            if failed.is_some() && self.has(Flaw::CallbackLosesItsThread) {
                return;
            }
            self.called_back(job, failed);
        }
    }

    pub(crate) fn calls_back_on_workers(&self) -> bool {
        let flaws = [
            Flaw::CallbackOnTheWorker,
            Flaw::CallbackBlocksWorkers,
            Flaw::CallbackInDisguise,
        ];
        flaws.into_iter().any(|flaw| self.has(flaw))
    }

    pub(super) fn next_callback(&self, state: &mut State) -> Option<Callback> {
        if self.has(Flaw::CallbackWhenAsked) && !state.asked
            || self.has(Flaw::CallbackAtClose) && state.phase == Phase::Running
        {
            return None;
        }
        let callback = if self.has(Flaw::CallbackOrderReversed) {
            state.due.pop_back()
        } else {
            state.due.pop_front()
        }?;
        state.calling += 1;
        Some(callback)
    }

    /// A callback that is due, for a worker that is broken enough to run it.
    pub(crate) fn take_callback(&self) -> Option<Callback> {
        self.next_callback(&mut self.lock())
    }

    /// A callback has returned, or failed with this message.
    pub(super) fn called_back(&self, id: usize, failed: Option<String>) {
        let mut state = self.lock();
        let job = &mut state.jobs[id];
        if let (Some(text), Some(Ok(_))) = (failed, &job.outcome) {
            job.outcome = Some(Err(error("Panicked", &text)));
        }
        job.ready = true;
        state.calling -= 1;
        self.tell();
    }

    pub(crate) fn callback_returned(&self, callback: &Callback) {
        self.called_back(callback.job, None);
    }
}
