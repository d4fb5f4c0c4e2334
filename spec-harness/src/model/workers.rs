//! The workers of a pool and the queue before them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use super::work::{Begin, JobId, Work, Worker};
use crate::case::ast::Time;
use crate::history::Key;
use crate::protocol::PoolOptions;

/// A pool's workers, and what none of them has taken yet.
#[derive(Debug)]
pub(super) struct Workers {
    /// Number of workers.
    pub(super) size: usize,
    /// W2: tasks (chunks) after which a worker leaves.
    share: Option<u64>,
    /// Whether a task goes to a worker that has not worked yet rather than to one that rests.
    spread: bool,
    queue: VecDeque<Chunk>,
    /// What each busy worker does.
    busy: Vec<Busy>,
    /// Workers that have worked and rest.
    resting: VecDeque<Worker>,
    /// The number of the worker that was made last.
    last: Worker,
    /// Tasks that workers have had.
    served: BTreeMap<Worker, u64>,
    /// The worker of each task.
    ran: BTreeMap<Key, Worker>,
    /// Workers that do not listen to SIGTERM.
    deaf: BTreeSet<Worker>,
    /// W1: what workers run first.
    initializer: Option<u64>,
    /// Workers that run it, each with the number of its start.
    starting: Vec<(Worker, Key)>,
    /// Places of workers that could not start.
    vacant: usize,
    /// Starts of chunks so far.
    starts: u64,
    /// X8: how long a worker lives.
    age: Option<Time>,
    /// X8: the workers that live, where their age is bound.
    lives: Vec<Life>,
    lived: u64,
    /// X6: chunks that are tried again after a pause, each with a number of its own.
    paused: Vec<(u64, Chunk)>,
    pauses: u64,
}

/// O4: the unit that a worker takes.
#[derive(Debug, Clone)]
struct Chunk {
    job: JobId,
    keys: Vec<Key>,
    args: u32,
    /// Where in the job its items are: those that are not done, the first of them at work.
    items: Range<usize>,
    begun: bool,
    /// X7: how often it was lost with its worker, or was tried again after an error.
    lost: u64,
}

impl Chunk {
    /// Where it belongs among those that wait. O16: what comes back goes before all that were submitted after it.
    fn place(&self) -> (JobId, usize) {
        (self.job, self.items.start)
    }

    /// The item that it is at.
    fn key(&self) -> Key {
        self.keys[self.keys.len() - self.items.len()]
    }
}

/// A worker at work.
#[derive(Debug)]
struct Busy {
    worker: Worker,
    chunk: Chunk,
    /// The number of this start.
    start: u64,
    /// X1: its deadline has passed, so that its end does not count.
    is_over: bool,
    /// X1, X4: it was told to end, and does not listen.
    is_stopping: bool,
}

impl Busy {
    fn runs(&self, key: Key) -> bool {
        self.chunk.begun && self.chunk.key() == key
    }
}

/// X8: a worker that lives.
#[derive(Debug)]
struct Life {
    number: u64,
    /// The worker, once it has worked.
    of: Option<Worker>,
    /// It is as old as it may get, and leaves after its task.
    is_over: bool,
}

/// What happens to a chunk when the item that it is at has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Its next item begins, on the same worker.
    GoesOn,
    /// What is left of it is skipped.
    Skipped,
    /// Its worker has died.
    Lost,
}

/// An item that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    /// Its place in its job.
    pub(super) place: usize,
    /// That of the first item of its chunk.
    pub(super) first: usize,
    /// Whether its chunk has ended with it.
    pub(super) last: bool,
    /// X1: whether the deadline of its chunk had passed.
    pub(super) is_over: bool,
}

impl Workers {
    pub(super) fn new(size: usize, asked: &PoolOptions, spread: bool) -> Workers {
        let age = asked.max_worker_age.and_then(Time::from_units);
        let mut workers = Workers {
            size,
            age,
            lives: Vec::new(),
            lived: 0,
            share: asked.maxtasksperchild,
            spread,
            queue: VecDeque::new(),
            busy: Vec::new(),
            resting: VecDeque::new(),
            last: 0,
            served: BTreeMap::new(),
            ran: BTreeMap::new(),
            deaf: BTreeSet::new(),
            initializer: asked.initializer,
            starting: Vec::new(),
            vacant: 0,
            starts: 0,
            paused: Vec::new(),
            pauses: 0,
        };
        (0..size).for_each(|_| workers.lives_on(None));
        workers
    }

    /// X8: another worker lives in the place of this one.
    fn lives_on(&mut self, before: Option<Worker>) {
        if self.age.is_none() {
            return;
        }
        self.lived += 1;
        let next = Life {
            number: self.lived,
            of: None,
            is_over: false,
        };
        let mut lives = self.lives.iter_mut();
        match lives.find(|life| before.is_some() && life.of == before) {
            Some(life) => *life = next,
            None => self.lives.push(next),
        }
    }

    /// X8: the workers whose age runs.
    pub(super) fn ages(&self) -> impl Iterator<Item = (u64, Time)> + '_ {
        let young = self.lives.iter().filter(|life| !life.is_over);
        young.filter_map(|life| Some((life.number, self.age?)))
    }

    /// X8: this worker is as old as it may get. One that rests leaves, and another takes its place.
    pub(super) fn ages_out(&mut self, number: u64) {
        let Some(life) = self.lives.iter_mut().find(|life| life.number == number) else {
            return;
        };
        let of = life.of;
        if self.busy.iter().any(|busy| Some(busy.worker) == of) {
            life.is_over = true;
            return;
        }
        self.lived += 1;
        (life.number, life.of) = (self.lived, None);
        self.resting.retain(|worker| Some(*worker) != of);
    }

    /// The jobs of the chunks that wait, one for each.
    pub(super) fn queued(&self) -> impl ExactSizeIterator<Item = JobId> {
        self.queue.iter().map(|chunk| chunk.job)
    }

    /// Jobs of chunks that wait, which nobody will do any more, one for each chunk.
    pub(super) fn give_up(&mut self) -> Vec<JobId> {
        self.queue.drain(..).map(|chunk| chunk.job).collect()
    }

    /// O2: items of a map in one chunk, where its caller did not say.
    pub(super) fn chunksize(&self, items: usize) -> usize {
        items.div_ceil(self.size.saturating_mul(4)).max(1)
    }

    /// Puts the tasks of a job at the end of the queue; gives the number of chunks.
    pub(super) fn enqueue(&mut self, job: JobId, work: &Work, size: usize) -> usize {
        let (items, before) = (work.keys.len(), self.queue.len());
        let starts = (0..items).step_by(size);
        let chunks = starts.map(|first| {
            let items = first..items.min(first.saturating_add(size));
            Chunk {
                job,
                keys: work.keys[items.clone()].to_vec(),
                args: work.args,
                items,
                begun: false,
                lost: 0,
            }
        });
        self.queue.extend(chunks);
        self.queue.len() - before
    }

    pub(super) fn drop_queue(&mut self) {
        self.queue.clear();
        self.paused.clear();
    }

    /// X3: takes the chunks of a job back that have not started; how many there were.
    pub(super) fn withdraw(&mut self, job: JobId) -> usize {
        let before = self.queue.len() + self.paused.len();
        self.queue.retain(|chunk| chunk.job != job);
        self.paused.retain(|(_, chunk)| chunk.job != job);
        before - self.queue.len() - self.paused.len()
    }

    /// The starts of a job's chunks that run.
    pub(super) fn running(&self, job: JobId) -> Vec<u64> {
        let running = self.busy.iter().filter(|busy| busy.chunk.job == job);
        let running = running.filter(|busy| !busy.is_over);
        running.map(|busy| busy.start).collect()
    }

    /// All starts that run, each with its job and whether its deadline has passed, and whether its worker does not listen.
    pub(super) fn started_chunks(&self) -> impl Iterator<Item = (u64, JobId, bool, bool)> {
        let busy = self.busy.iter();
        busy.map(|busy| (busy.start, busy.chunk.job, busy.is_over, busy.is_stopping))
    }

    /// X1: the deadline of this start has passed; the job whose chunk it is of.
    pub(super) fn exceed(&mut self, start: u64) -> Option<JobId> {
        let mut busy = self.busy.iter_mut();
        let busy = busy.find(|busy| busy.start == start && !busy.is_over)?;
        busy.is_over = true;
        Some(busy.chunk.job)
    }

    /// X1, X4: has the worker of this start end: at once where it listens, or must. The body that ends by it, if one has begun.
    pub(super) fn stop_start(&mut self, start: u64, must: bool) -> Option<Key> {
        let at = self.busy.iter().position(|busy| busy.start == start)?;
        let busy = &mut self.busy[at];
        if !must && self.deaf.contains(&busy.worker) {
            busy.is_stopping = true;
            return None;
        }
        let busy = self.busy.remove(at);
        self.lives_on(Some(busy.worker));
        Some(busy.chunk.key())
    }

    /// X6: the chunk of this body was lost with its worker, or has failed, and is tried again; false where it was so too often.
    pub(super) fn try_again(&mut self, key: Key, retries: u64, pause: Time, died: bool) -> bool {
        let Some(at) = self.busy.iter().position(|busy| busy.runs(key)) else {
            return false;
        };
        if self.busy[at].is_over || self.busy[at].chunk.lost >= retries {
            return false;
        }
        let Busy {
            mut chunk, worker, ..
        } = self.busy.remove(at);
        self.serve(worker, died);
        chunk.begun = false;
        chunk.lost += 1;
        if pause == Time(0) {
            self.put_back(chunk);
        } else {
            self.pauses += 1;
            self.paused.push((self.pauses, chunk));
        }
        true
    }

    /// X6: the pauses that run, and how often what pauses was lost.
    pub(super) fn pauses(&self) -> impl ExactSizeIterator<Item = (u64, JobId, u64)> {
        let paused = self.paused.iter();
        paused.map(|(number, chunk)| (*number, chunk.job, chunk.lost))
    }

    /// X6: this pause is over.
    pub(super) fn pause_over(&mut self, number: u64) {
        if let Some(at) = self.paused.iter().position(|(of, _)| *of == number) {
            let (_, chunk) = self.paused.remove(at);
            self.put_back(chunk);
        }
    }

    fn put_back(&mut self, chunk: Chunk) {
        let at = self
            .queue
            .partition_point(|other| other.place() < chunk.place());
        self.queue.insert(at, chunk);
    }

    /// Whether nobody works, and nothing waits for somebody.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.paused.is_empty() && !self.is_busy()
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.busy.is_empty() || !self.starting.is_empty()
    }

    /// Bodies at work.
    pub(super) fn at_work(&self) -> impl Iterator<Item = Key> + '_ {
        let begun = self.busy.iter().filter(|busy| busy.chunk.begun);
        begun.map(|busy| busy.chunk.key())
    }

    /// Bodies of workers that start.
    pub(super) fn starts(&self) -> impl Iterator<Item = Key> + '_ {
        self.starting.iter().map(|(_, key)| *key)
    }

    /// W1: workers for the places that have none, and one more for each that is blocked; each begins by the
    /// initializer. Without one, nobody sees when a worker starts.
    pub(super) fn start(&mut self, blocked: usize, next: &mut Key) -> Vec<Begin> {
        let Some(initializer) = self.initializer else {
            return Vec::new();
        };
        let present = self.busy.len() + self.resting.len() + self.starting.len() + self.vacant;
        let missing = (self.size + blocked).saturating_sub(present);
        let start = |_| {
            self.last += 1;
            let (worker, key) = (self.last, *next);
            *next += 1;
            self.starting.push((worker, key));
            Begin::Start {
                key,
                worker,
                initializer,
            }
        };
        (0..missing).map(start).collect()
    }

    /// A worker's start has ended; false where this is none. One that has failed leaves its place vacant.
    pub(super) fn started(&mut self, key: Key, well: bool) -> bool {
        let Some(at) = self.starting.iter().position(|(_, start)| *start == key) else {
            return false;
        };
        let (worker, _) = self.starting.remove(at);
        if well {
            self.resting.push_back(worker);
        } else {
            self.vacant += 1;
        }
        true
    }

    /// So many places may be given to new workers.
    pub(super) fn refill(&mut self, places: usize) {
        self.vacant = self.vacant.saturating_sub(places);
    }

    /// What begins where so many workers are blocked. C1: at most its size work. O5: first in, first out.
    pub(super) fn begin(&mut self, blocked: usize) -> Vec<Begin> {
        while self.busy.len() < self.size + blocked
            && (self.initializer.is_none() || !self.resting.is_empty())
            && let Some(chunk) = self.queue.pop_front()
        {
            let worker = self.free_worker();
            self.starts += 1;
            self.busy.push(Busy {
                worker,
                chunk,
                start: self.starts,
                is_over: false,
                is_stopping: false,
            });
        }
        let waiting = self.busy.iter_mut().filter(|busy| !busy.chunk.begun);
        let begin = |Busy { worker, chunk, .. }: &mut Busy| {
            chunk.begun = true;
            self.ran.insert(chunk.key(), *worker);
            Begin::Task {
                key: chunk.key(),
                worker: *worker,
                args: chunk.args,
            }
        };
        waiting.map(begin).collect()
    }

    /// Which of several idle workers takes a task is nobody's promise.
    fn free_worker(&mut self) -> Worker {
        if self.initializer.is_some() {
            // All who rest have started.
            let is_fresh = |worker: &Worker| !self.served.contains_key(worker);
            let at = self
                .resting
                .iter()
                .position(|worker| is_fresh(worker) == self.spread);
            let rested = self.resting.remove(at.unwrap_or_default());
            return rested.unwrap_or_default();
        }
        let fresh = self.busy.len() + self.resting.len() < self.size;
        let rested = if fresh && self.spread {
            None
        } else {
            self.resting.pop_front()
        };
        rested.unwrap_or_else(|| {
            self.last += 1;
            // X8: it has lived from the start of the pool on, or since another left.
            if let Some(life) = self.lives.iter_mut().find(|life| life.of.is_none()) {
                life.of = Some(self.last);
            }
            self.last
        })
    }

    /// The job of the item that this body is.
    pub(super) fn job(&self, key: Key) -> Option<JobId> {
        let busy = self.busy.iter().find(|busy| busy.runs(key));
        busy.map(|busy| busy.chunk.job)
    }

    /// X1: whether the deadline of what this body is of has passed.
    pub(super) fn is_late(&self, key: Key) -> bool {
        self.busy.iter().any(|busy| busy.runs(key) && busy.is_over)
    }

    /// The item that this body is has ended.
    pub(super) fn ended(&mut self, key: Key, rest: Rest) -> Option<Item> {
        let at = self.busy.iter().position(|busy| busy.runs(key))?;
        let Busy {
            worker,
            chunk,
            is_over,
            is_stopping,
            ..
        } = &mut self.busy[at];
        let (worker, place) = (*worker, chunk.items.start);
        let (is_over, leaves) = (*is_over, *is_stopping || rest == Rest::Lost);
        chunk.items.start += 1;
        chunk.begun = false;
        let first = chunk.items.end - chunk.keys.len();
        // O4: the items of a chunk one after the other, on one worker.
        let last = rest != Rest::GoesOn || chunk.items.is_empty();
        if last {
            self.busy.remove(at);
            self.serve(worker, leaves);
        }
        Some(Item {
            place,
            first,
            last,
            is_over,
        })
    }

    /// A worker has done with a chunk. W2: who has had its share leaves, and the next is a new one.
    fn serve(&mut self, worker: Worker, leaves: bool) {
        let served = self.served.entry(worker).or_default();
        *served += 1;
        let is_old = |life: &Life| life.of == Some(worker) && life.is_over;
        let leaves = leaves || self.lives.iter().any(is_old);
        if !leaves && self.share.is_none_or(|share| *served < share) {
            self.resting.push_back(worker);
        } else {
            self.lives_on(Some(worker));
        }
    }

    /// Ends the workers that are at work: all, or those that listen to SIGTERM. Gives the bodies that end by it.
    pub(super) fn stop(&mut self, all: bool) -> Vec<Key> {
        let busy = std::mem::take(&mut self.busy).into_iter();
        let (stopped, busy): (Vec<Busy>, Vec<Busy>) =
            busy.partition(|busy| all || !self.deaf.contains(&busy.worker));
        self.busy = busy;
        let (ended, starting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.starting)
            .into_iter()
            .partition(|(worker, _)| all || !self.deaf.contains(worker));
        self.starting = starting;
        let begun = stopped.iter().filter(|busy| busy.chunk.begun);
        let begun = begun.map(|busy| busy.chunk.key());
        begun.chain(ended.into_iter().map(|(_, key)| key)).collect()
    }

    /// The worker that runs this body.
    fn worker(&self, key: Key) -> Option<Worker> {
        let busy = self.busy.iter().find(|busy| busy.runs(key));
        let start = self.starting.iter().find(|(_, start)| *start == key);
        busy.map(|busy| busy.worker)
            .or(start.map(|(worker, _)| *worker))
    }

    /// The worker that ran this body is gone; gives what it is at now. Nothing where it is not there any more.
    pub(super) fn kill_worker(&mut self, key: Key) -> Option<Option<Key>> {
        let worker = *self.ran.get(&key)?;
        if let Some(at) = self.resting.iter().position(|resting| *resting == worker) {
            self.resting.remove(at);
            return Some(None);
        }
        let start = self
            .starting
            .iter()
            .find(|(starting, _)| *starting == worker);
        let busy = self.busy.iter().find(|busy| busy.worker == worker);
        let body = busy
            .map(|busy| busy.chunk.key())
            .or(start.map(|(_, key)| *key));
        body.map(Some)
    }

    /// The worker of this body listens to SIGTERM, or does not; false where no such body is at work.
    pub(super) fn listens(&mut self, key: Key, listens: bool) -> bool {
        let Some(worker) = self.worker(key) else {
            return false;
        };
        if listens {
            self.deaf.remove(&worker);
        } else {
            self.deaf.insert(worker);
        }
        true
    }
}
