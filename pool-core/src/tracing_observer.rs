//! An observer that makes spans of the crate `tracing`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::field::{Empty, debug};
use tracing::span::EnteredSpan;
use tracing::{Span, debug, info_span, warn};

use crate::observer::{Observer, TaskEnd, TaskInfo, WorkerEnd};
use crate::thread_state::{Worker, current_worker};

thread_local! {
    /// The spans of the tasks that the calling thread runs.
    static ENTERED: RefCell<Vec<EnteredSpan>> = const { RefCell::new(Vec::new()) };
}

/// Makes a span of the crate `tracing` of each task, with the level `INFO`, and events of the starts and ends of workers.
///
/// The span `task` has the fields `number`, `items`, `submitted`, `worker`, and, when it ends, `end`. On threads the task runs inside
/// of it, so what it tells `tracing` itself belongs to it. A process tells its own subscriber, if it has set one; the span
/// is the program's.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use pool_core::TracingObserver;
/// use pool_thread::ThreadPool;
///
/// let pool = ThreadPool::builder().size(2).observer(Arc::new(TracingObserver::default())).build()?;
/// assert_eq!(pool.map(|x| x + 1, [1, 2])?, [2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct TracingObserver {
    /// The spans of tasks that run elsewhere, by the process of their worker.
    elsewhere: Mutex<BTreeMap<u32, Span>>,
}

impl TracingObserver {
    fn elsewhere<R>(&self, use_it: impl FnOnce(&mut BTreeMap<u32, Span>) -> R) -> R {
        use_it(
            &mut self
                .elsewhere
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

fn runs_here(worker: &Worker) -> bool {
    current_worker().is_some_and(|here| here == *worker)
}

fn end(span: &Span, end: impl Debug) {
    span.record("end", debug(end));
}

impl Observer for TracingObserver {
    fn worker_started(&self, worker: &Worker) {
        debug!(worker = worker.name, pid = worker.pid, "worker started");
    }

    fn worker_ended(&self, worker: &Worker, end: WorkerEnd) {
        match end {
            WorkerEnd::Lost => warn!(worker = worker.name, pid = worker.pid, "worker lost"),
            end => debug!(worker = worker.name, pid = worker.pid, ?end, "worker ended"),
        }
    }

    fn task_started(&self, worker: &Worker, task: &TaskInfo) {
        let span = info_span!(
            "task",
            number = task.number,
            items = task.items.as_ref().map(debug),
            submitted = %task.submitted,
            worker = worker.name,
            end = Empty,
        );
        if runs_here(worker) {
            ENTERED.with_borrow_mut(|entered| entered.push(span.entered()));
        } else {
            let before = self.elsewhere(|spans| spans.insert(worker.pid, span));
            drop(before);
        }
    }

    fn task_ended(&self, worker: &Worker, _: &TaskInfo, how: TaskEnd, _: Duration) {
        if runs_here(worker) {
            let entered = ENTERED.with_borrow_mut(Vec::pop);
            entered.iter().for_each(|span| end(span, how));
        } else {
            let span = self.elsewhere(|spans| spans.remove(&worker.pid));
            span.iter().for_each(|span| end(span, how));
        }
    }
}
