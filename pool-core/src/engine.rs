//! The semantics of a pool, once: what is let in, what each call waits for, how a pool ends.

use std::fmt;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::attendance::Deadline;
use crate::backend::{Backend, Carry, StartError};
use crate::cell::Cell;
use crate::chunks::default_chunksize;
use crate::config::Config;
use crate::context;
use crate::entry::{Entry, NoEntry, Refused, TrySubmitError};
use crate::failure::{Failure, Misuse};
use crate::feed::{Feed, Source};
use crate::handle::{AsyncResult, Submitted, wait_to_the_end};
use crate::hub::Hub;
use crate::imap::{Flow, Imap};
use crate::intake::{Intake, OpenSource, Settled};
use crate::lifecycle::{Order, Phase, Step};
use crate::loan::{Borrowed, Loan};
use crate::outcome::Awaited;
use crate::panics;
use crate::parting::{self, JoinAsync, Parting};
use crate::tally::Tally;
use crate::task::{Func, Task};
use crate::terms::Terms;
use crate::unit::{Erased, Job};
use crate::work::{Batch, Single, Work};

/// A pool without a face: backends wrap it and give it signatures.
pub struct Engine<B: Backend>(Arc<Shared<B>>);

struct Shared<B: Backend> {
    backend: B,
    feed: Arc<Feed<B::Job>>,
    hub: Arc<Hub>,
    warn_on_drop: bool,
    /// It ends by itself: a drop leaves it alone.
    detached: AtomicBool,
}

impl<B: Backend> Engine<B> {
    /// Starts a pool.
    ///
    /// # Errors
    ///
    /// A size of zero, or a worker that the system refused; then none is left.
    pub fn start(backend: B, config: Config) -> Result<Self, StartError> {
        let (size, bound) = (config.workers()?, config.bound()?);
        if config.panic_hook {
            panics::install_hook();
        }
        let hub = Arc::new(Hub::new(config.timers));
        let feed = Arc::new(Feed::new(size, bound, hub.pool));
        if let Err(error) = backend.start(&feed) {
            // The workers that were started find nothing to do, and leave.
            feed.step(Step::Terminate).ok();
            backend.abandon();
            backend.reap(&Deadline::after(&hub.timers, None));
            return Err(error);
        }
        Ok(Engine(Arc::new(Shared {
            backend,
            feed,
            hub,
            warn_on_drop: config.warn_on_drop,
            detached: AtomicBool::new(false),
        })))
    }

    /// Number of workers.
    pub fn size(&self) -> usize {
        self.0.feed.size()
    }

    /// Where the pool is in its life; in a child that the program forked it is terminated.
    pub fn phase(&self) -> Phase {
        match self.0.hub.is_here() {
            Ok(()) => self.0.feed.phase(),
            Err(_) => Phase::Terminated,
        }
    }

    /// Whether the calling process is the pool's own.
    ///
    /// # Errors
    ///
    /// [`Misuse::Forked`] in a child that the program forked.
    pub fn is_here(&self) -> Result<(), Misuse> {
        self.0.hub.is_here()
    }

    /// The pool's backend.
    pub fn backend(&self) -> &B {
        &self.0.backend
    }

    /// What came of the pool's work so far; it walks the queue. Nothing in a child that the program forked.
    pub fn tally(&self) -> Tally {
        if self.0.hub.is_here().is_err() {
            return Tally::default();
        }
        let (submitted, unfinished) = self.0.feed.units();
        self.0.hub.ledger.tally(submitted, unfinished)
    }

    /// The chunk size for a map of so many items.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`] when the pool was closed or terminated, [`Misuse::ZeroChunksize`] when zero was
    /// asked for.
    pub fn chunksize(&self, items: usize, asked: Option<usize>) -> Result<usize, Misuse> {
        self.0.admit()?;
        match asked {
            Some(0) => Err(Misuse::ZeroChunksize),
            Some(size) => Ok(size),
            None => Ok(default_chunksize(items, self.size())),
        }
    }

    /// Queues work and returns at once; where the queue has a bound, as soon as there is a place.
    ///
    /// # Errors
    ///
    /// The work comes back when the pool was closed or terminated, or the queue is full and the terms do not
    /// wait for it.
    pub fn submit<W: Work + 'static>(
        &self,
        work: W,
        terms: Terms<W::Value, W::Raised>,
    ) -> Result<AsyncResult<W::Value, W::Raised>, Refused<W>>
    where
        B: Carry<W>,
    {
        if let Err(misuse) = self.0.admit() {
            return Err(Refused::new(misuse, work));
        }
        let entry = terms.entry;
        let cell = Cell::new(&self.0.hub, work, false, terms);
        match self.0.queue(&cell, entry) {
            Ok(()) => Ok(AsyncResult::new(cell)),
            Err(why) => match Arc::into_inner(cell) {
                Some(cell) => Err(Refused::new(why, cell.into_work())),
                // What `Carry::load` made of it was dropped, and nobody else ever had it.
                None => unreachable!("a refused job is held by somebody"),
            },
        }
    }

    /// Queues one task; `argument` finds in it what its caller gets back where it is not let in.
    ///
    /// # Errors
    ///
    /// As for [`submit`](Self::submit).
    pub fn submit_task<T, A>(
        &self,
        task: T,
        terms: Terms<T::Out, T::Raised>,
        argument: impl FnOnce(T) -> A,
    ) -> Submitted<T::Out, T::Raised, A>
    where
        T: Task + Send + 'static,
        T::Out: Send,
        T::Raised: Send,
        B: Carry<Single<T>>,
    {
        let refused = match self.submit(Single::new(task), terms) {
            Ok(handle) => return Ok(handle),
            Err(refused) => refused,
        };
        Err(refused.give_back(|work| match work.into_task() {
            Some(task) => argument(task),
            None => unreachable!("a task that was not let in has run"),
        }))
    }

    /// Queues a map, in chunks of this size or of the pool's choice.
    ///
    /// # Errors
    ///
    /// As for [`submit`](Self::submit), and [`Misuse::ZeroChunksize`]; the items come back.
    pub fn submit_batch<F, A>(
        &self,
        func: F,
        items: Vec<A>,
        chunksize: Option<usize>,
        terms: Terms<Vec<F::Out>, F::Raised>,
    ) -> Submitted<Vec<F::Out>, F::Raised, Vec<A>>
    where
        F: Func<A> + Send + Sync + 'static,
        F::Out: Send,
        F::Raised: Send,
        A: Send + 'static,
        B: Carry<Batch<F, A>>,
    {
        let chunksize = match self.chunksize(items.len(), chunksize) {
            Ok(chunksize) => chunksize,
            Err(misuse) => return Err(TrySubmitError::of(misuse, items)),
        };
        self.submit(Batch::new(func, items, chunksize), terms)
            .map_err(|refused| refused.give_back(Batch::into_items))
    }

    /// Runs work that may borrow from the caller's stack, and waits for it.
    ///
    /// # Errors
    ///
    /// Why there is no value; when it returns, nothing of the work is running.
    #[track_caller]
    pub fn call<W: Work>(&self, work: W) -> Result<W::Value, Failure<W::Raised>>
    where
        B: Carry<Borrowed>,
    {
        let terms = Terms::here();
        self.0.admit()?;
        // A worker that cannot lend its place is refused while nothing of its stack is in others' hands.
        let lent = match context::on_lane(self.0.hub.pool) {
            true => None,
            false => context::lend(self.0.hub.pool)?,
        };
        let end = Loan::new(work).call(|borrowed| {
            let cell = Cell::new(&self.0.hub, borrowed, true, terms);
            let queued = panic::catch_unwind(AssertUnwindSafe(|| self.0.queue(&cell, Entry::Wait)));
            if !matches!(queued, Ok(Ok(()))) {
                // The backend has had the job, and may have kept it: none of its units is ever handed out.
                cell.terminate(self.0.feed.retract(&*cell));
            }
            let job: Arc<dyn Awaited> = cell.clone();
            wait_to_the_end(&job, lent.as_ref());
            match queued {
                Ok(Ok(())) => AsyncResult::new(cell).get(),
                Ok(Err(why)) => Err(Refused::new(why, ()).misuse().into()),
                Err(panic) => panic::resume_unwind(panic),
            }
        });
        // The loan's own failures pass the cell by; whoever called sees them.
        if let Err(Failure::Raised(_) | Failure::Panicked(_)) = end {
            self.0.hub.ledger.errors(1);
        }
        end
    }

    /// Starts an `imap`, whose input is read as its results are taken.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotRunning`], [`Misuse::ZeroChunksize`], [`Misuse::ZeroReadAhead`].
    #[track_caller]
    pub fn imap<F, A>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
        flow: Flow,
    ) -> Result<Imap<F::Out, F::Raised>, Misuse>
    where
        F: Func<A> + Clone + Send + Sync + 'static,
        F::Out: Send + 'static,
        F::Raised: Send + 'static,
        A: Send + 'static,
        B: Carry<Batch<Settled<F>, A>>,
    {
        self.0.admit()?;
        let chunksize = flow.chunksize.unwrap_or(1);
        let read_ahead = flow.read_ahead.unwrap_or(self.size().saturating_mul(4));
        if chunksize == 0 {
            return Err(Misuse::ZeroChunksize);
        }
        if read_ahead == 0 {
            return Err(Misuse::ZeroReadAhead);
        }
        self.0.feed.open_source()?;
        let place = flow.place.unwrap_or(Location::caller());
        let shared = self.0.clone();
        let submit = move |first, items: Vec<A>| {
            let work = Batch::new(Settled(func.clone()), items, chunksize).at(first);
            let cell = Cell::new(&shared.hub, work, false, Terms::at(place));
            shared.feed.push_from_source(B::load(cell.clone()))?;
            shared.backend.wake();
            Ok(AsyncResult::new(cell))
        };
        let shared = self.0.clone();
        let open = OpenSource::new(move || {
            if shared.hub.is_here().is_ok() {
                shared.feed.end_source();
                shared.backend.wake();
            }
        });
        let intake = Intake::new(items.into_iter(), chunksize, place, submit, open);
        let source: Arc<dyn Source> = intake.clone();
        self.0.feed.remember_source(Arc::downgrade(&source));
        Ok(match flow.unordered {
            false => Imap::ordered(intake, read_ahead, &self.0.hub),
            true => Imap::unordered(intake, read_ahead, &self.0.hub),
        })
    }

    /// Lets no more work in and returns at once; what was let in will be done. It may be repeated.
    pub fn close(&self) {
        if self.0.hub.is_here().is_err() {
            return;
        }
        if let Ok(Some(Order::Drain)) = self.0.feed.step(Step::Close) {
            self.0.backend.drain();
        }
    }

    /// Stops the pool: what has not started never will, and every open handle resolves to
    /// [`Failure::Terminated`]. It returns without waiting, and may be repeated.
    pub fn terminate(&self) {
        self.0.terminate();
    }

    /// Waits until every task is done, every callback has returned and no worker is left; true. False when
    /// `limit` was over first: then it may be called again.
    ///
    /// # Errors
    ///
    /// [`Misuse::StillRunning`] before `close` or `terminate`, [`Misuse::WouldDeadlock`] from inside a task
    /// or callback of this pool, or the input of an `imap` of it, [`Misuse::Forked`] in a child that the program forked.
    pub fn join(&self, limit: Option<Duration>) -> Result<bool, Misuse> {
        self.0.join(limit)
    }

    /// As [`join`](Self::join) without a limit, to be awaited.
    pub fn join_async(&self) -> JoinAsync {
        JoinAsync::new(self.0.clone())
    }

    /// Closes the pool and leaves it to itself: what was let in will be done, then it ends.
    pub fn detach(self) {
        if self.0.hub.is_here().is_err() {
            return;
        }
        self.close();
        self.0.detached.store(true, Ordering::Release);
        parting::leave_behind(self.0.clone());
    }
}

impl<B: Backend> Parting for Arc<Shared<B>> {
    fn may_join(&self) -> Result<(), Misuse> {
        self.begin_join()
    }

    fn see_off(&self) -> Result<(), Misuse> {
        self.join(None).map(|_| ())
    }
}

impl<B: Backend> Shared<B> {
    fn queue<W: Work + 'static>(
        &self,
        cell: &Arc<Cell<B::Job, W>>,
        entry: Entry,
    ) -> Result<(), NoEntry>
    where
        B: Carry<W>,
    {
        if cell.resolve_if_empty() {
            return Ok(());
        }
        if let Err((why, job)) = self.feed.push(B::load(cell.clone())) {
            if why != NoEntry::Full || entry == Entry::Now {
                return Err(why);
            }
            return self.waiting(entry, |over| {
                let turn = self.feed.line_up();
                turn.push(job, over)?;
                self.backend.wake();
                // The rest of a map that was let in finds places one by one; its submitter waits for them, within the
                // same time.
                turn.wait_for_places(over);
                Ok(())
            })?;
        }
        self.backend.wake();
        Ok(())
    }

    /// Waits for places, until the entry's time is over. A worker of the pool lends its own place meanwhile.
    fn waiting<R>(
        &self,
        entry: Entry,
        wait: impl FnOnce(&dyn Fn() -> bool) -> R,
    ) -> Result<R, Misuse> {
        let over = Arc::new(AtomicBool::new(false));
        let _armed = match entry {
            Entry::Within(limit) => {
                let (over, feed) = (over.clone(), self.feed.clone());
                let alarm = move || {
                    over.store(true, Ordering::Release);
                    feed.ring_for_places();
                };
                Some(self.hub.timers.arm(limit, Box::new(alarm)))
            }
            Entry::Wait | Entry::Now => None,
        };
        let _lent = context::lend(self.hub.pool)?;
        Ok(wait(&|| over.load(Ordering::Acquire)))
    }

    /// Whether work would be let in.
    fn admit(&self) -> Result<(), Misuse> {
        self.hub.is_here()?;
        self.feed.admit()
    }

    fn terminate(&self) {
        if self.hub.is_here().is_err() {
            return;
        }
        if let Ok(Some(Order::Abandon)) = self.feed.step(Step::Terminate) {
            self.feed.sources().iter().for_each(|source| source.stop());
            for (job, unclaimed) in self.feed.abandon() {
                job.job().terminate(unclaimed);
            }
            self.backend.abandon();
        }
    }

    /// Whether the calling code may wait for the pool's end.
    fn begin_join(&self) -> Result<(), Misuse> {
        self.hub.is_here()?;
        self.feed.step(Step::Join)?;
        let reads = |source: &Arc<dyn Source>| source.is_read_here();
        if context::inside(self.hub.pool) || self.feed.sources().iter().any(reads) {
            return Err(Misuse::WouldDeadlock);
        }
        Ok(())
    }

    fn join(&self, limit: Option<Duration>) -> Result<bool, Misuse> {
        self.begin_join()?;
        let deadline = Deadline::after(&self.hub.timers, limit);
        // Nobody may be there to take the results: the bound on reading ahead is lifted.
        self.feed
            .sources()
            .iter()
            .for_each(|source| source.read_all());
        let gone = self.backend.reap(&deadline) && self.hub.lane.finish(&deadline);
        if gone {
            self.feed.step(Step::Reaped)?;
        }
        Ok(gone)
    }
}

impl<B: Backend> Drop for Engine<B> {
    /// Terminates and joins; inside a task or callback of the pool itself, or the input of an `imap` of it, another thread
    /// does the joining. In a child that the program forked nothing happens.
    fn drop(&mut self) {
        let shared = &self.0;
        if shared.hub.is_here().is_err() {
            // Threads, processes and descriptors are the parent's: nothing of them may be touched here.
            std::mem::forget(shared.clone());
            return;
        }
        if shared.feed.phase() == Phase::Joined || shared.detached.load(Ordering::Acquire) {
            return;
        }
        let (_, unfinished) = shared.feed.units();
        if shared.warn_on_drop && unfinished > 0 && shared.feed.phase() != Phase::Terminated {
            let tasks = if unfinished == 1 { "task" } else { "tasks" };
            // Not `eprintln`, which panics where nobody reads stderr.
            let _ = writeln!(
                io::stderr(),
                "{} pool dropped with {unfinished} unfinished {tasks}: close() and join() it first",
                B::KIND
            );
        }
        shared.terminate();
        // Terminated, it is refused for one reason: this is where its own end would wait for itself.
        if shared.join(None).is_err() {
            parting::leave_behind(shared.clone());
        }
    }
}

impl<B: Backend> fmt::Debug for Engine<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("kind", &B::KIND)
            .field("phase", &self.phase())
            .field("size", &self.size())
            .finish()
    }
}
