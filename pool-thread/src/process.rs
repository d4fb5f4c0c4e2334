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
/// It has what a thread can have of a process: [`start`](Process::start), [`join`](Process::join),
/// [`is_alive`](Process::is_alive), but neither a pid nor an exit code, and nobody can stop it. A panic ends
/// it alone. The end of the program does not wait for it: in Python it does, unless it is a daemon.
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
    life: Mutex<Life>,
    present: Arc<WaitGroup>,
    /// The process that has made it.
    owner: OwnerProcess,
}

type Body = Box<dyn FnOnce() + Send>;

enum Life {
    New(Body),
    Started(JoinHandle<()>),
    /// Joined, or refused by the system.
    Over,
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
        static MADE: AtomicUsize = AtomicUsize::new(1);
        Process {
            name: format!("Process-{}", MADE.fetch_add(1, Ordering::Relaxed)),
            timers: Timers::real(),
            life: Mutex::new(Life::New(Box::new(move || drop(func(arg))))),
            present: Arc::default(),
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
        let mut life = self.life();
        let body = match std::mem::replace(&mut *life, Life::Over) {
            Life::New(body) => body,
            started => {
                *life = started;
                return Err(ProcessError::AlreadyStarted);
            }
        };
        let present = self.present.enter();
        // Kept where a refused thread does not drop it: it is the user's, and this is under a lock.
        let body = Arc::new(Mutex::new(Some(body)));
        let there = body.clone();
        let run = move || {
            let _present = present;
            if let Some(body) = take(&there) {
                let owner = OwnerProcess::current();
                body();
                end_copy(owner);
            }
        };
        // The system's names end at the first zero byte.
        let name = self.name.replace('\0', "");
        let thread = thread_builder(name).spawn(run);
        let refused = match thread {
            Ok(thread) => {
                *life = Life::Started(thread);
                return Ok(());
            }
            Err(refused) => refused,
        };
        drop(life);
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
        self.is_ours().is_ok() && self.present.count() > 0
    }

    /// Looked at before any lock: in a forked child one may be held for ever.
    fn is_ours(&self) -> Result<(), ProcessError> {
        match self.owner.is_current() {
            true => Ok(()),
            false => Err(ProcessError::NotAChild),
        }
    }

    fn wait(&self, limit: Option<Duration>) -> Result<bool, ProcessError> {
        self.is_ours()?;
        match &*self.life() {
            Life::New(_) => return Err(ProcessError::NotStarted),
            Life::Started(thread) if thread.thread().id() == thread::current().id() => {
                return Err(ProcessError::WouldDeadlock);
            }
            Life::Started(_) | Life::Over => {}
        }
        if !self.present.wait(&Deadline::after(&self.timers, limit)) {
            return Ok(false);
        }
        // Under the lock until the thread is gone, so that a second caller does not return before.
        let mut life = self.life();
        if let Life::Started(thread) = std::mem::replace(&mut *life, Life::Over) {
            // A panic was the process's own end, and the panic hook has told of it.
            let _ = thread.join();
        }
        Ok(true)
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_ours().is_err() {
            let life = self.life.get_mut().unwrap_or_else(PoisonError::into_inner);
            // The handle of a thread that this process does not have.
            std::mem::forget(std::mem::replace(life, Life::Over));
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
