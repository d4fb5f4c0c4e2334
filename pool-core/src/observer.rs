//! An observer of a pool: what its workers and tasks do, as it happens.

use std::fmt;
use std::ops::Range;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::panics;
use crate::thread_state::Worker;

/// What a pool tells while it works. Each method does nothing by default.
///
/// A pool calls them one after the other for each worker: its start, then for each task its start and its end, and its end. They run
/// where these things happen (on the worker's thread, or in the program on the thread that hears of it), before whoever waits for the
/// task goes on. So they should be short, and they cannot wait for the pool. Their panics are caught.
///
/// A task is what one worker takes at once: a call, or a chunk of a map or imap. An imap's item that fails is a value of its chunk, which
/// is done.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pool_core::{Observer, TaskEnd, TaskInfo, Worker};
/// use pool_thread::ThreadPool;
///
/// struct Slow;
///
/// impl Observer for Slow {
///     fn task_ended(&self, worker: &Worker, task: &TaskInfo, end: TaskEnd, took: Duration) {
///         if took > Duration::from_secs(1) {
///             eprintln!("{task} took {took:?} on {}: {end:?}", worker.name);
///         }
///     }
/// }
///
/// let pool = ThreadPool::builder().size(2).observer(Arc::new(Slow)).build()?;
/// assert_eq!(pool.map(|x| x + 1, [1, 2])?, [2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: Send + Sync {
    /// A worker is ready for its first task.
    fn worker_started(&self, _worker: &Worker) {}

    /// A worker that was ready takes no more tasks.
    fn worker_ended(&self, _worker: &Worker, _end: WorkerEnd) {}

    /// A task has started. One that is tried again starts again.
    fn task_started(&self, _worker: &Worker, _task: &TaskInfo) {}

    /// A task that has started has ended, and has taken so long.
    fn task_ended(&self, _worker: &Worker, _task: &TaskInfo, _end: TaskEnd, _took: Duration) {}
}

/// Which task an [`Observer`] is told of. It is displayed as errors name it: `task 7, items 16..32, submitted at src/main.rs:8:14`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskInfo {
    /// Its number in its pool, from 0; all chunks of a map have that of the map.
    pub number: u64,
    /// Its items, as indexes of the whole input of its map or imap; a call has none.
    pub items: Option<Range<usize>>,
    /// Where it was submitted.
    pub submitted: &'static Location<'static>,
}

impl TaskInfo {
    pub(crate) fn new(
        number: u64,
        items: Option<Range<usize>>,
        submitted: &'static Location<'static>,
    ) -> Self {
        TaskInfo {
            number,
            items,
            submitted,
        }
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.number)?;
        match &self.items {
            None => {}
            Some(items) if items.len() == 1 => write!(f, ", item {}", items.start)?,
            Some(items) => write!(f, ", items {}..{}", items.start, items.end)?,
        }
        write!(f, ", submitted at {}", self.submitted)
    }
}

/// How a task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskEnd {
    /// Its function has returned a value.
    Done,
    /// Its function has returned an error, or its argument or its result cannot travel.
    Failed,
    /// Its function has panicked.
    Panicked,
    /// Its worker was lost.
    Lost,
    /// Its worker was stopped, since it was cancelled, or had passed its deadline.
    Stopped,
}

/// Why a worker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEnd {
    /// The pool needs it no more.
    Left,
    /// It has reached a limit on its tasks, its age or its memory: another takes its place.
    Replaced,
    /// It was stopped, since its task was cancelled, or had passed its deadline: another takes its place.
    Stopped,
    /// It has died, or broken the rules: another takes its place.
    Lost,
}

/// The observer of a pool, if it has one.
#[derive(Clone, Default)]
pub struct Observed(Option<Arc<dyn Observer>>);

impl Observed {
    pub(crate) fn by(observer: Arc<dyn Observer>) -> Self {
        Observed(Some(observer))
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Tells the observer, if there is one. Called with no lock held.
    pub fn tell(&self, what: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.0 {
            // The panic hook has reported a panic, and it changes nothing.
            let _ = panics::catch(|| what(&**observer));
        }
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observed").field(&self.is_there()).finish()
    }
}
