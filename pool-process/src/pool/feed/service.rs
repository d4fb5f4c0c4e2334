//! What the dispatcher asks of the feed: to open and to end lanes, what is to be sent, and what is left of a worker that has ended.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use pool_core::backend::{Again, Claim};
use pool_core::{Cause, TaskEnd};

use crate::pool::cause;
use crate::pool::outgoing::Outgoing;
use crate::pool::remote_job::{RemoteJob, Retry, Undone};
use crate::pool::stats::Run;
use crate::pool::watch::{BEHIND, Watch};
use crate::wire::Kind;

use super::books::{Books, LaneId};
use super::lane::{Assignment, Lane, Warmth, wake_frame};
use super::observing::end_of;
use super::{Buffers, Feed};

/// What the dispatcher has to do for a lane.
#[derive(Debug)]
pub(crate) enum Chore {
    /// Send these frames, and tell when they are sent.
    Send(Vec<Outgoing>),
    /// Stop the worker, which broke the protocol.
    Kill(String),
}

/// What is left of a lane whose worker has ended.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// Units that had started.
    pub(crate) started: Vec<Claim<dyn RemoteJob>>,
    /// The unit that was next, where none had started.
    pub(crate) next: Option<Claim<dyn RemoteJob>>,
    /// What was behind these.
    pub(crate) behind: Vec<Claim<dyn RemoteJob>>,
}

impl Feed {
    /// A worker is ready, and has this ring. Where the system refuses to watch its bell, the lane comes back.
    pub(crate) fn open(&self, slot: usize, lane: Lane) -> io::Result<()> {
        self.bells.add(&lane.bell)?;
        let mut books = self.lock();
        books.lanes[slot] = Some(lane);
        if books.hot.is_none() {
            books.heat(slot);
        }
        Ok(())
    }

    /// Removes a lane.
    fn remove(&self, books: &mut Books, slot: usize) -> Option<Lane> {
        let lane = books.remove(slot)?;
        self.bells.remove(&lane.bell);
        Some(lane)
    }

    /// Closes the lane of a worker that is to leave; false where it has units.
    pub(crate) fn close(&self, slot: usize) -> bool {
        let mut books = self.lock();
        let is_idle = books.lanes[slot]
            .as_ref()
            .is_some_and(|lane| lane.units.is_empty() && lane.breach.is_none());
        if is_idle {
            self.remove(&mut books, slot);
        }
        is_idle
    }

    /// Whether a worker has run as many tasks as it may.
    pub(crate) fn has_run_its_share(&self, slot: usize) -> bool {
        let books = self.lock();
        let lane = books.lanes[slot].as_ref();
        lane.is_some_and(|lane| lane.tasks >= lane.most_tasks)
    }

    /// A worker gets no more units: it leaves after the one that it runs.
    pub(crate) fn stop_giving(&self, slot: usize) {
        let mut books = self.lock();
        if let Some(lane) = &mut books.lanes[slot] {
            lane.most_tasks = 0;
            books.take_back(&self.queue);
        }
    }

    /// How many tasks of a worker have ended.
    pub(crate) fn ended_tasks(&self, slot: usize) -> usize {
        let books = self.lock();
        let lane = books.lanes[slot].as_ref();
        lane.map_or(0, |lane| lane.tasks.saturating_sub(lane.units.len()))
    }

    /// The same of one that has nothing to do.
    pub(crate) fn ended_when_idle(&self, slot: usize) -> Option<usize> {
        let books = self.lock();
        let lane = books.lanes[slot].as_ref()?;
        lane.units.is_empty().then_some(lane.tasks)
    }

    /// There are to be so many slots.
    pub(crate) fn grow(&self, slots: usize) {
        let mut books = self.lock();
        books.lanes.resize_with(slots, || None);
        books.runs.resize(slots, Run::default());
    }

    /// A worker has ended: what it had answered counts, unless it broke the protocol. Gives what is left; what it ran has ended so.
    pub(crate) fn end(&self, slot: usize, end: TaskEnd) -> Remains {
        let mut buffers = self.turn();
        while self.collect(&mut buffers) {}
        let mut books = self.lock();
        let Some(mut lane) = self.remove(&mut books, slot) else {
            return Remains::default();
        };
        drop(books);
        drop(buffers);
        let waiting = lane.ring.take_back(0).min(lane.units.len());
        let started = lane.units.len() - waiting;
        self.tell_lost(slot, &lane, started, end);
        let mut claims = lane.units.drain(..).map(|unit| unit.claim);
        Remains {
            started: claims.by_ref().take(started).collect(),
            next: if started == 0 { claims.next() } else { None },
            behind: claims.collect(),
        }
    }

    /// Takes the turn, waiting for whoever has it.
    fn turn(&self) -> MutexGuard<'_, Buffers> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer has come by the socket. False where nothing of the kind was asked for.
    ///
    /// # Errors
    ///
    /// What is wrong with it; its unit has failed.
    pub(crate) fn answer(
        &self,
        lane: LaneId,
        kind: Kind,
        request: u64,
        payload: &[u8],
    ) -> Result<bool, String> {
        let mut buffers = self.turn();
        // What it has answered before is completed before.
        while self.collect(&mut buffers) {}
        let mut books = self.lock();
        let Some(found) = books.lane(lane) else {
            return Ok(true);
        };
        let is_first = found
            .units
            .front()
            .is_some_and(|unit| unit.request == request);
        if found.breach.is_some() || !is_first {
            return Ok(found.breach.is_some());
        }
        let (pid, took) = (found.pid, found.since.elapsed());
        let Some(Assignment {
            mut claim,
            awaits_start,
            ..
        }) = found.pass()
        else {
            return Ok(false);
        };
        books.runs[lane.slot].count(took);
        books.depth = books.pace.first_depth();
        books.finishing.push(claim.job.clone());
        books.cool_down(lane.slot);
        drop(books);
        let (job, unit) = (claim.job.clone(), claim.unit);
        if awaits_start {
            self.tell_started(lane, pid, &*job, unit.index());
        }
        self.tell_end(lane, pid, (&*job, unit.index()), end_of(kind), took);
        // This is the dispatcher.
        let completed = match job.complete(unit, kind, payload.into(), Retry::Never, None) {
            Ok(None) => Ok(true),
            Ok(Some(Again { unit, pause })) => {
                claim.unit = unit;
                self.try_again(claim, pause);
                Ok(true)
            }
            Err(Undone { unit, error, .. }) => {
                let what = error.to_string();
                let lost = cause::lost(pid, Cause::Protocol(what.clone()), (&*job, &unit), None);
                job.fail(unit, lost);
                Err(what)
            }
        };
        let over = std::mem::take(&mut self.lock().finishing);
        drop((over, job));
        drop(buffers);
        completed
    }

    /// Nothing more is read of a worker, which is going to be killed.
    pub(crate) fn stop_reading(&self, slot: usize) {
        if let Some(lane) = &mut self.lock().lanes[slot] {
            lane.breach.get_or_insert_default();
        }
    }

    /// What the dispatcher has to do now, by the slots of the workers.
    pub(crate) fn chores(&self) -> Vec<(usize, Chore)> {
        let mut books = self.lock();
        let mut chores = Vec::new();
        if !std::mem::take(&mut books.has_chores) {
            return chores;
        }
        for (slot, lane) in books.lanes.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            if let Some(breach) = lane.breach.as_mut().filter(|breach| !breach.is_empty()) {
                chores.push((slot, Chore::Kill(std::mem::take(breach))));
                continue;
            }
            if std::mem::take(&mut lane.wake_due) {
                lane.outgoing.push(wake_frame().to_vec().into());
            }
            if !lane.outgoing.is_empty() {
                lane.is_sending = true;
                chores.push((slot, Chore::Send(std::mem::take(&mut lane.outgoing))));
            }
        }
        chores
    }

    /// The frames of a lane were sent.
    pub(crate) fn sent(&self, slot: usize) {
        let mut books = self.lock();
        if let Some(lane) = &mut books.lanes[slot]
            && std::mem::take(&mut lane.is_sending)
        {
            let has_chores = lane.wake();
            books.has_chores |= has_chores;
        }
    }

    /// The request that a worker works on; none when it has nothing to do.
    pub(crate) fn request(&self, slot: usize) -> Option<u64> {
        let books = self.lock();
        let lane = books.lanes[slot].as_ref()?;
        lane.units.front().map(|unit| unit.request)
    }

    /// The first unit of a worker has not started for long: wakes the worker, whatever its ring says. A task may have written there.
    pub(crate) fn rouse(&self, slot: usize) {
        let mut books = self.lock();
        let Books {
            lanes, has_chores, ..
        } = &mut *books;
        if let Some(lane) = &mut lanes[slot]
            && !lane.units.is_empty()
            && !lane.is_sending
        {
            lane.wake_due = true;
            *has_chores = true;
        }
    }

    /// The timer by which units are taken back that wait behind a long task.
    pub(crate) fn behind(&self) -> &Watch {
        &self.behind
    }

    /// That timer has expired.
    pub(crate) fn behind_expired(&self) {
        self.behind.disarm();
        let mut buffers = self.turn();
        while self.collect(&mut buffers) {}
        let mut books = self.lock();
        books.take_back_from_slow(&self.queue, BEHIND);
        if books.any_waits_for_short() {
            self.behind.arm();
        }
    }

    /// Gives back the memory of arenas that were not used for a while.
    pub(crate) fn cool(&self) {
        // While this has the turn, nobody writes an argument, and no worker writes that has none.
        let turn = self.turn();
        let cold = self.lock().cool();
        for arena in cold {
            // Where the system refuses, the memory is there until the worker ends.
            let _ = arena.empty();
        }
        drop(turn);
    }

    /// Whether arenas have memory that is to be given back.
    pub(crate) fn is_warm(&self) -> bool {
        let books = self.lock();
        let mut lanes = books.lanes.iter().flatten();
        lanes.any(|lane| lane.warmth != Warmth::Cold)
    }

    /// Whether a worker has a unit.
    pub(crate) fn is_busy(&self) -> bool {
        let books = self.lock();
        let mut lanes = books.lanes.iter().flatten();
        lanes.any(|lane| !lane.units.is_empty())
    }

    /// Whether no unit waits in a lane behind another, or is on its way from the queue to a lane, or from a lane to its job. Such a unit
    /// may come back to the queue.
    pub(crate) fn is_at_rest(&self) -> bool {
        let books = self.lock();
        books.in_hand.is_none()
            && books.held.is_none()
            && books.finishing.is_empty()
            && !books.any_waits()
    }

    /// Whether the dispatcher is to be woken when work arrives.
    pub(crate) fn set_needs_dispatcher(&self, needs: bool) {
        self.needs_dispatcher.store(needs, Ordering::SeqCst);
    }

    /// Whether the dispatcher is to be woken when work arrives.
    pub(crate) fn needs_dispatcher(&self) -> bool {
        self.needs_dispatcher.load(Ordering::SeqCst)
    }

    /// Whether workers have left that come back by need.
    pub(crate) fn set_lacks_workers(&self, lacks: bool) {
        if self.lacks_workers.swap(lacks, Ordering::SeqCst) != lacks {
            self.lock().lacks_workers = lacks;
        }
    }

    /// Whether one of them is to come back.
    pub(crate) fn needs_workers(&self) -> bool {
        self.lacks_workers.load(Ordering::SeqCst) && self.queue.has_waiting()
    }

    /// Whether the dispatcher is to hear of every unit that ends.
    pub(crate) fn set_is_watched(&self, is_watched: bool) {
        self.is_watched.store(is_watched, Ordering::Relaxed);
    }

    /// From now on the dispatcher hears of every unit that ends.
    pub(crate) fn is_ending(&self) {
        self.lock().is_ending = true;
    }

    /// How many workers have a ring.
    pub(crate) fn rings(&self) -> usize {
        self.lock().lanes.iter().flatten().count()
    }

    /// The pool is terminated: takes back what has not started. Gives the jobs of all units that were not ended.
    pub(crate) fn terminate(&self) -> Vec<Arc<dyn RemoteJob>> {
        let mut guard = self.lock();
        let books = &mut *guard;
        books.terminated = true;
        for lane in books.lanes.iter_mut().flatten() {
            let waiting = lane.ring.take_back(0);
            let kept = lane.units.len().saturating_sub(waiting);
            let taken = lane.units.split_off(kept);
            books
                .abandoned
                .extend(taken.into_iter().map(|unit| unit.claim));
        }
        let held = books.held.take();
        books.abandoned.extend(held.map(|parcel| parcel.claim));
        let jobs = books.jobs().cloned().collect();
        drop(guard);
        jobs
    }

    /// Gives out a unit that waits for an idle worker: there will be none.
    pub(crate) fn give_up(&self) -> Option<Claim<dyn RemoteJob>> {
        let held = self.lock().held.take();
        held.map(|parcel| parcel.claim)
    }

    /// What [`terminate`](Self::terminate) has taken back.
    pub(crate) fn abandoned(&self) -> Vec<Claim<dyn RemoteJob>> {
        std::mem::take(&mut self.lock().abandoned)
    }

    /// The units of a lane whose worker is stopped, since the pool is terminated.
    pub(crate) fn stop(&self, slot: usize) -> Vec<Claim<dyn RemoteJob>> {
        let lane = self.remove(&mut self.lock(), slot);
        if let Some(lane) = &lane {
            let front = lane.units.front();
            let has_started =
                front.is_some_and(|unit| !unit.awaits_start || lane.ring.has_started());
            self.tell_lost(slot, lane, usize::from(has_started), TaskEnd::Stopped);
        }
        let units = lane.into_iter().flat_map(|lane| lane.units);
        units.map(|unit| unit.claim).collect()
    }

    /// How many units are not over.
    pub(crate) fn unfinished(&self) -> usize {
        let books = self.lock();
        let jobs = books.jobs();
        jobs.filter(|job| job.as_job().is_open()).count()
    }
}
