//! `Process`: one function on a thread of its own, the counterpart of `pool-process`'s `Process`.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pool_core::Timers;
use pool_core::backend::{Deadline, OwnerProcess, WaitGroup, end_copy, thread_builder};

/// One function, to be run on a thread of its own.
///
/// It has those methods of a process that a thread can have: [`start`](Process::start), [`join`](Process::join),
/// [`is_alive`](Process::is_alive). It has no pid and no exit code, and cannot be stopped. A panic ends this thread only. The program
/// does not wait for it at its end. In Python it does, unless it is a daemon.
///
/// Source: `multiprocessing.dummy.Process` in CPython's library.
///
/// # Examples
///
/// ```
/// use pool_thread::Process;
///
/// let process = Process::new(|name| println!("hello {name}"), "world");
/// process.start()?;
/// process.join()?;
/// assert!(!process.is_alive());
/// # Ok::<(), pool_thread::ProcessError>(())
/// ```
pub struct Process {
    name: String,
    timers: Timers,
    state: Mutex<State>,
    /// Counts the thread while it runs.
    running: Arc<WaitGroup>,
    /// The process of the operating system that made it.
    owner: OwnerProcess,
}

type Body = Box<dyn FnOnce() + Send>;

enum State {
    New(Body),
    Started(JoinHandle<()>),
    /// It was joined, or the system has refused the thread.
    Ended,
}

/// A call that was refused, or a thread that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// `start` was called before.
    #[error("process was started already")]
    AlreadyStarted,
    /// The call needs a process that was started.
    #[error("process was not started")]
    NotStarted,
    /// It was made by the process that this one was forked from.
    #[error("process is no child of this process")]
    NotAChild,
    /// It would wait for itself.
    #[error("process would wait for itself")]
    WouldDeadlock,
    /// The system refused.
    #[error("process cannot be started: {0}")]
    Start(#[source] io::Error),
}

impl Process {
    /// A process that will call `func(arg)`; nothing runs before [`start`](Process::start).
    pub fn new<A, R, F>(func: F, arg: A) -> Process
    where
        A: Send + 'static,
        F: FnOnce(A) -> R + Send + 'static,
    {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        Process {
            name: format!("Process-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            timers: Timers::real(),
            state: Mutex::new(State::New(Box::new(move || drop(func(arg))))),
            running: Arc::default(),
            owner: OwnerProcess::current(),
        }
    }

    /// Gives it a name (default: `Process-1`, `Process-2`, ...).
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Process {
        self.name = name.into();
        self
    }

    /// The source of time for [`join_timeout`](Process::join_timeout).
    #[must_use]
    pub fn timers(mut self, timers: Timers) -> Process {
        self.timers = timers;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// [`ProcessError::AlreadyStarted`], [`ProcessError::Start`]; [`ProcessError::NotAChild`] in a child that the program forked.
    pub fn start(&self) -> Result<(), ProcessError> {
        self.is_ours()?;
        let mut state = self.state();
        let body = match std::mem::replace(&mut *state, State::Ended) {
            State::New(body) => body,
            started => {
                *state = started;
                return Err(ProcessError::AlreadyStarted);
            }
        };
        let guard = self.running.enter();
        // If the system refuses the thread, `spawn` drops its closure here, under the lock. The body is the user's, so its drop must
        // wait until the lock is released.
        let body = Arc::new(Mutex::new(Some(body)));
        let shared = body.clone();
        let run = move || {
            let _guard = guard;
            if let Some(body) = take(&shared) {
                let owner = OwnerProcess::current();
                body();
                end_copy(owner);
            }
        };
        // A zero byte would end the name for the system.
        let name = self.name.replace('\0', "");
        let thread = thread_builder(name).spawn(run);
        let refused = match thread {
            Ok(thread) => {
                *state = State::Started(thread);
                return Ok(());
            }
            Err(refused) => refused,
        };
        drop(state);
        drop(take(&body));
        Err(ProcessError::Start(refused))
    }

    /// Waits until it has ended. It may be repeated.
    ///
    /// # Errors
    ///
    /// [`ProcessError::NotStarted`]; [`ProcessError::WouldDeadlock`] on its own thread, and [`ProcessError::NotAChild`] in a child
    /// that the program forked.
    pub fn join(&self) -> Result<(), ProcessError> {
        self.wait(None).map(|_ended| ())
    }

    /// As [`join`](Self::join), but for at most this long: false when the time was over first.
    ///
    /// # Errors
    ///
    /// As for [`join`](Self::join).
    pub fn join_timeout(&self, limit: Duration) -> Result<bool, ProcessError> {
        self.wait(Some(limit))
    }

    /// Whether it was started and has not ended.
    pub fn is_alive(&self) -> bool {
        self.is_ours().is_ok() && self.running.count() > 0
    }

    /// Called before any lock is taken: in a forked child a lock may be held for ever.
    fn is_ours(&self) -> Result<(), ProcessError> {
        match self.owner.is_current() {
            true => Ok(()),
            false => Err(ProcessError::NotAChild),
        }
    }

    fn wait(&self, limit: Option<Duration>) -> Result<bool, ProcessError> {
        self.is_ours()?;
        match &*self.state() {
            State::New(_) => return Err(ProcessError::NotStarted),
            State::Started(thread) if thread.thread().id() == thread::current().id() => {
                return Err(ProcessError::WouldDeadlock);
            }
            State::Started(_) | State::Ended => {}
        }
        if !self.running.wait(&Deadline::after(&self.timers, limit)) {
            return Ok(false);
        }
        // The lock is held until the thread is joined, so that no second caller returns before.
        let mut state = self.state();
        if let State::Started(thread) = std::mem::replace(&mut *state, State::Ended) {
            // A panic has ended the thread, and the panic hook has reported it.
            let _ = thread.join();
        }
        Ok(true)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take<T>(mutex: &Mutex<Option<T>>) -> Option<T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_ours().is_err() {
            let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            // The thread belongs to the parent: its handle must not be dropped in a forked child.
            std::mem::forget(std::mem::replace(state, State::Ended));
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::sync::{Arc, OnceLock};
    use std::time::Duration;

    use super::{Process, ProcessError};

    #[test]
    fn it_runs_from_start_to_join() {
        let (sender, told) = channel();
        let process = Process::new(move |n: u64| sender.send(n * 2).unwrap(), 21);
        assert!(!process.is_alive());
        process.start().unwrap();
        process.join().unwrap();
        process.join().unwrap();
        assert_eq!(told.try_recv(), Ok(42));
        assert!(!process.is_alive());
    }

    #[test]
    fn a_join_with_a_timeout_gives_up_and_can_be_tried_again() {
        let (release, held) = channel::<()>();
        let process = Process::new(move |()| held.recv().is_err(), ());
        process.start().unwrap();
        assert!(process.is_alive());
        assert!(!process.join_timeout(Duration::ZERO).unwrap());
        assert!(!process.join_timeout(Duration::from_millis(1)).unwrap());
        drop(release);
        assert!(process.join_timeout(Duration::from_secs(60)).unwrap());
    }

    #[test]
    fn a_second_start_and_a_join_before_start_are_refused() {
        let process = Process::new(|()| (), ());
        assert!(matches!(process.join(), Err(ProcessError::NotStarted)));
        process.start().unwrap();
        assert!(matches!(process.start(), Err(ProcessError::AlreadyStarted)));
        process.join().unwrap();
        assert!(matches!(process.start(), Err(ProcessError::AlreadyStarted)));
    }

    #[test]
    fn a_name_may_have_any_letters() {
        let process = Process::new(|()| (), ()).named("a\0b");
        process.start().unwrap();
        process.join().unwrap();
        assert_eq!(process.name(), "a\0b");
    }

    #[test]
    fn a_panic_ends_it_alone() {
        let process = Process::new(|()| panic!("on purpose"), ());
        process.start().unwrap();
        process.join().unwrap();
        assert!(!process.is_alive());
    }

    #[test]
    fn it_cannot_wait_for_itself() {
        let (sender, told) = channel();
        let me = Arc::new(OnceLock::<Process>::new());
        let inside = me.clone();
        let process = me.get_or_init(|| {
            Process::new(
                move |()| {
                    let refused = inside.get().map(Process::join);
                    sender.send(format!("{refused:?}")).unwrap();
                },
                (),
            )
        });
        process.start().unwrap();
        process.join().unwrap();
        assert_eq!(told.try_recv().as_deref(), Ok("Some(Err(WouldDeadlock))"));
    }
}
