//! The books of a feed: where each of its units is, and which worker gets the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_core::backend::{Claim, Pace, Queue, TaskId};

use crate::arena::Arena;
use crate::pool::remote_job::{JobContext, RemoteJob};
use crate::pool::stats::Run;
use crate::ring::parent::Answer;

use super::lane::{Assignment, Lane, Warmth};

pub(super) struct Ended {
    pub(super) lane: LaneId,
    pub(super) pid: u32,
    pub(super) claim: Claim<dyn RemoteJob>,
    pub(super) answer: Answer,
    pub(super) took: Duration,
    /// What its observer was not told.
    pub(super) untold: Untold,
}

/// What the observer of a unit that has ended was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untold {
    Nothing,
    End,
    StartAndEnd,
}

/// A unit that has started.
pub(super) struct Started {
    pub(super) lane: LaneId,
    pub(super) pid: u32,
    pub(super) job: Arc<dyn RemoteJob>,
    pub(super) unit: usize,
}

/// Answers that were read, with all their bytes: the first nests deeper than the stack of the thread that has tried it.
#[derive(Default)]
pub(super) struct Late {
    pub(super) ended: Vec<Ended>,
    pub(super) bytes: Vec<u8>,
}

impl Late {
    /// These answers, the first bytes of which are in this buffer.
    pub(super) fn of(mut ended: Vec<Ended>, bytes: &[u8]) -> Late {
        let mut all = Vec::new();
        for Ended { answer, .. } in &mut ended {
            let start = all.len();
            // Where the system refuses to read them, its decoder says that bytes are missing.
            if let Ok(whole) = answer.payload(bytes).whole() {
                all.extend_from_slice(&whole);
            }
            (answer.bytes, answer.tail) = (start..all.len(), None);
        }
        Late { ended, bytes: all }
    }
}

/// Which worker: the serial number tells it from the one that replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneId {
    pub(crate) slot: usize,
    pub(crate) serial: u32,
}

/// A unit, encoded.
pub(super) struct Parcel {
    pub(super) claim: Claim<dyn RemoteJob>,
    pub(super) context: Option<JobContext>,
    /// The payload, behind room for the head of a frame.
    pub(super) frame: Vec<u8>,
}

/// Whether its job was cancelled, or is over.
pub(super) fn is_unwanted(claim: &Claim<dyn RemoteJob>) -> bool {
    claim.job.as_job().handed_out().is_unwanted()
}

/// Whether it is a unit of this job; with an index, this one.
pub(crate) fn is_unit_of(claim: &Claim<dyn RemoteJob>, job: TaskId, unit: Option<usize>) -> bool {
    claim.job.as_job().number() == job && unit.is_none_or(|unit| claim.unit.index() == unit)
}

/// Tasks are so short that to give them out takes about as long, in nanoseconds.
const BRIEF: u32 = 1_000;

pub(super) struct Books {
    pub(super) lanes: Vec<Option<Lane>>,
    /// What the workers of each slot have run, by their rings or by their sockets.
    pub(super) runs: Vec<Run>,
    pub(super) pace: Pace,
    /// How many units each lane may have.
    pub(super) depth: usize,
    /// The unit that was placed last fits into a slot.
    pub(super) is_small: bool,
    /// The CPUs of this process.
    pub(super) cpus: usize,
    /// How long tasks took lately, in the mean, in nanoseconds: at most [`Pace::SHORT`].
    pub(super) mean: u32,
    /// The lane whose worker may look for a while before it sleeps.
    pub(super) hot: Option<usize>,
    /// The job of the unit that the pumper has in its hand, to be encoded.
    pub(super) in_hand: Option<Arc<dyn RemoteJob>>,
    /// The queue's first unit nests deeper than the stack of the thread that has tried it: the dispatcher takes it.
    pub(super) is_deep: bool,
    /// A unit that waits for an idle worker, encoded as a frame.
    pub(super) held: Option<Parcel>,
    /// Workers have left that come back by need: no unit waits behind a task for which one would.
    pub(super) lacks_workers: bool,
    /// How often units went back to the queue: what is in the pumper's hand meanwhile may be younger.
    pub(super) takings_back: u64,
    /// Answers that the dispatcher decodes, and all that was read after them.
    pub(super) late: Late,
    /// The jobs of units whose answers are being decoded.
    pub(super) finishing: Vec<Arc<dyn RemoteJob>>,
    /// The pool was terminated: nothing is handed out any more.
    pub(super) terminated: bool,
    /// What had not started then.
    pub(super) abandoned: Vec<Claim<dyn RemoteJob>>,
    /// The dispatcher is to hear of every unit that ends.
    pub(super) is_ending: bool,
    /// A lane has something for the dispatcher.
    pub(super) has_chores: bool,
    /// Tasks handed out so far.
    pub(super) requests: u64,
}

impl Books {
    pub(super) fn lane(&mut self, id: LaneId) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(id.slot)?.as_mut()?;
        (lane.serial == id.serial).then_some(lane)
    }

    /// The jobs of all units that the feed has.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Arc<dyn RemoteJob>> {
        let in_lanes = self.lanes.iter().flatten().flat_map(|lane| &lane.units);
        in_lanes
            .map(|unit| &unit.claim.job)
            .chain(&self.in_hand)
            .chain(self.held.iter().map(|parcel| &parcel.claim.job))
            .chain(&self.finishing)
            .chain(self.abandoned.iter().map(|claim| &claim.job))
    }

    /// A worker broke the protocol.
    pub(super) fn breach(&mut self, id: LaneId, what: String) {
        if let Some(lane) = self.lane(id) {
            lane.breach.get_or_insert(what);
            self.has_chores = true;
        }
    }

    /// Whether there is a lane for a unit that fits into a slot, where so many wait in the queue. A worker that sleeps while another one
    /// runs short tasks is woken for as many as are worth it.
    pub(super) fn has_room(&self, waiting: usize) -> bool {
        let soon = self.soon();
        let (mut sleeps, mut busy) = (false, 0);
        for lane in self.lanes.iter().flatten() {
            busy += usize::from(!lane.units.is_empty());
            if lane.has_room(self.depth) {
                if !lane.is_late(soon) {
                    return true;
                }
                sleeps = true;
            }
        }
        let is_worth_it = soon == 1 || (busy < self.useful() && waiting >= soon.min(self.depth));
        (sleeps && (busy == 0 || is_worth_it)) || self.ahead().is_some()
    }

    /// How many workers can run short tasks at once: these do not wait for anything, so each needs a CPU, as does whoever pumps for the
    /// shortest.
    fn useful(&self) -> usize {
        match self.mean < BRIEF {
            true => self.cpus.saturating_sub(1).max(1),
            false => self.cpus,
        }
    }

    /// Where tasks are not short, and all workers are busy, the oldest unit of the queue waits behind the task that runs for longest: its
    /// worker is the first to be free, mostly, and goes on without waiting for the pool. It is the only one that waits so, and is taken back
    /// as soon as another worker is free: so units start in the order of their submission.
    pub(super) fn ahead(&self) -> Option<usize> {
        let Pace { most, forced, .. } = self.pace;
        if self.depth > 1 || most == 1 || forced || self.lacks_workers {
            return None;
        }
        if !self.is_small || self.any_waits() {
            return None;
        }
        let mut longest = None;
        for (index, lane) in self.lanes.iter().enumerate() {
            let Some(lane) = lane else { continue };
            if lane.has_room(1) {
                return None;
            }
            if lane.has_room(2) && longest.is_none_or(|(since, _)| lane.since < since) {
                longest = Some((lane.since, index));
            }
        }
        longest.map(|(_, index)| index)
    }

    /// The lane that gets the next unit: of an idle worker that is awake; where tasks are short, of the one that comes to it before a
    /// sleeper would be awake; of an idle worker; of the one that has the fewest units.
    pub(super) fn choose(&self, is_large: bool) -> Option<usize> {
        let mut best = None;
        let most = if is_large { 1 } else { self.depth };
        let soon = self.soon();
        for (index, lane) in self.lanes.iter().enumerate() {
            let Some(lane) = lane else { continue };
            if !lane.has_room(most) {
                continue;
            }
            let rank = (lane.is_late(soon), lane.units.len());
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, index));
            }
        }
        let best = best.map(|(_, index)| index);
        best.or_else(|| self.ahead().filter(|_| !is_large))
    }

    /// A worker with fewer units than this comes to the next one before a sleeper would be awake.
    fn soon(&self) -> usize {
        let sleeper = Pace::SLOW.as_nanos() as usize;
        match self.depth {
            1 => 1,
            _ if self.pace.forced => 1,
            _ => (sleeper / self.mean.max(1) as usize).max(2),
        }
    }

    /// The lane's place, if its worker is idle.
    pub(super) fn still_idle(&mut self, id: LaneId) -> Option<usize> {
        let lane = self.lane(id)?;
        lane.has_room(1).then_some(id.slot)
    }

    /// Whether no lane gets another unit while so many wait in the queue, and one has more than one, so that answers are to come.
    pub(super) fn are_full(&self, waiting: usize) -> bool {
        self.held.is_none() && self.any_waits() && !self.has_room(waiting)
    }

    /// Reads answers out of all rings, and which units have started whose start is awaited.
    pub(super) fn read(
        &mut self,
        ended: &mut Vec<Ended>,
        bytes: &mut Vec<u8>,
        started: &mut Vec<Started>,
    ) {
        let mut emptied = None;
        let Books {
            lanes,
            runs,
            pace,
            depth,
            mean,
            finishing,
            has_chores,
            ..
        } = self;
        for (slot, place) in lanes.iter_mut().enumerate() {
            let Some(lane) = place else { continue };
            if lane.breach.is_some() {
                continue;
            }
            let before = ended.len();
            while let Some(unit) = lane.units.front() {
                match lane.ring.read(unit.request, bytes) {
                    Ok(None) => break,
                    Ok(Some(answer)) => {
                        let took = match answer.nanos {
                            u32::MAX => lane.since.elapsed(),
                            nanos => Duration::from_nanos(nanos.into()),
                        };
                        *depth = pace.next_depth(*depth, took < Pace::SHORT);
                        let nanos = answer.nanos.min(Pace::SHORT.as_nanos() as u32);
                        *mean = (*mean * 7 + nanos) / 8;
                        runs[slot].count(took);
                        let Some(Assignment {
                            claim,
                            awaits_start,
                            ..
                        }) = lane.units.pop_front()
                        else {
                            break;
                        };
                        finishing.push(claim.job.clone());
                        if answer.tail.is_some() {
                            lane.is_reading = true;
                            lane.warmth = Warmth::Warm;
                        }
                        ended.push(Ended {
                            lane: LaneId {
                                slot,
                                serial: lane.serial,
                            },
                            pid: lane.pid,
                            claim,
                            answer,
                            took,
                            untold: match awaits_start {
                                true => Untold::StartAndEnd,
                                false => Untold::End,
                            },
                        });
                    }
                    Err(breach) => {
                        lane.breach = Some(breach.to_string());
                        *has_chores = true;
                        break;
                    }
                }
            }
            if let Some(unit) = lane.units.front_mut()
                && unit.awaits_start
                && lane.ring.has_started()
            {
                unit.awaits_start = false;
                started.push(Started {
                    lane: LaneId {
                        slot,
                        serial: lane.serial,
                    },
                    pid: lane.pid,
                    job: unit.claim.job.clone(),
                    unit: unit.claim.unit.index(),
                });
            }
            if ended.len() > before {
                if !lane.is_reading {
                    lane.ring.tell_read();
                }
                if !lane.units.is_empty() {
                    lane.since = Instant::now();
                } else {
                    emptied = Some(slot);
                }
            }
        }
        if let Some(slot) = emptied {
            self.cool_down(slot);
        }
    }

    /// Which arenas have memory that was not used since the last check but one, while their workers have nothing to do.
    pub(super) fn cool(&mut self) -> Vec<Arc<Arena>> {
        let mut cold = Vec::new();
        for lane in self.lanes.iter_mut().flatten() {
            lane.warmth = match lane.warmth {
                Warmth::Cooling if lane.units.is_empty() => {
                    cold.extend(lane.ring.arena().cloned());
                    Warmth::Cold
                }
                Warmth::Warm => Warmth::Cooling,
                before => before,
            };
        }
        cold
    }

    /// What was read is copied: workers may write in its place.
    pub(super) fn tell_read(&mut self) {
        for lane in self.lanes.iter_mut().flatten() {
            if std::mem::take(&mut lane.is_reading) {
                lane.ring.tell_read();
            }
        }
    }

    /// A lane has lost its last unit: its worker is the one that may look for more.
    pub(super) fn cool_down(&mut self, slot: usize) {
        let is_empty = |lane: &Lane| lane.units.is_empty();
        if self.hot != Some(slot) && self.lanes[slot].as_ref().is_some_and(is_empty) {
            self.heat(slot);
        }
    }

    pub(super) fn heat(&mut self, slot: usize) {
        if let Some(Some(before)) = self.hot.map(|hot| &self.lanes[hot]) {
            before.ring.tell_hot(false);
        }
        if let Some(lane) = &self.lanes[slot] {
            lane.ring.tell_hot(true);
        }
        self.hot = Some(slot);
    }

    pub(super) fn remove(&mut self, slot: usize) -> Option<Lane> {
        let lane = self.lanes[slot].take();
        if self.hot == Some(slot) {
            self.hot = None;
            if let Some(other) = self.lanes.iter().position(Option::is_some) {
                self.heat(other);
            }
        }
        lane
    }

    /// What has not started behind others' tasks goes back to the queue, which gives it out in the order of its submission: all of it
    /// where a task was not short behind which others wait, or where a worker has nothing to do and is awake, and the queue has nothing for
    /// it; and where it sleeps, or the queue has something, what waits behind a task that is long.
    pub(super) fn rebalance(&mut self, queue: &Queue<dyn RemoteJob>) {
        if self.terminated || self.pace.most == 1 || !self.any_waits() {
            return;
        }
        let mut lanes = self.lanes.iter().flatten();
        let is_over = match self.depth {
            1 => {
                lanes
                    .map(|lane| lane.units.len().saturating_sub(1))
                    .sum::<usize>()
                    > 1
            }
            depth => lanes.any(|lane| lane.units.len() > depth),
        };
        let idle = self
            .choose_idle()
            .and_then(|idle| self.lanes[idle].as_ref());
        let takes_back = idle.is_some_and(|idle| {
            let is_awake = !idle.ring.is_asleep();
            self.depth == 1 || self.pace.forced || (is_awake && !queue.has_waiting())
        });
        if is_over || takes_back {
            self.take_back(queue);
        } else if idle.is_some() {
            self.take_back_from_slow(queue, Pace::SLOW);
        }
    }

    /// Whether a unit waits behind another.
    pub(super) fn any_waits(&self) -> bool {
        self.lanes.iter().flatten().any(Lane::waits)
    }

    /// Whether a unit waits behind a task that is taken for a short one.
    pub(super) fn any_waits_for_short(&self) -> bool {
        self.depth > 1 && self.any_waits()
    }

    /// Where a task has run for so long behind which others wait, all that waits goes back to the queue, and no lane has more than one
    /// unit before tasks have proved short again.
    pub(super) fn take_back_from_slow(&mut self, queue: &Queue<dyn RemoteJob>, time: Duration) {
        let is_slow = |lane: &Lane| lane.waits() && lane.since.elapsed() >= time;
        let takes_back = self.any_waits_for_short() && !self.pace.forced && !self.terminated;
        if takes_back && self.lanes.iter().flatten().any(is_slow) {
            self.depth = self.pace.first_depth();
            self.take_back(queue);
        }
    }

    /// What waits behind others goes back to the queue, and so does what waits for an idle worker: it may be younger.
    pub(super) fn take_back(&mut self, queue: &Queue<dyn RemoteJob>) {
        self.takings_back += 1;
        for lane in self.lanes.iter_mut().flatten().filter(|lane| lane.waits()) {
            queue.give_back(lane.take_back(1));
        }
        queue.give_back(self.held.take().map(|parcel| parcel.claim));
    }

    /// Takes back the units of jobs that are not wanted any more, where they have not started. What lay in their rings besides goes back
    /// to the queue; true where something did.
    pub(super) fn take_back_unwanted(
        &mut self,
        queue: &Queue<dyn RemoteJob>,
    ) -> (Vec<Claim<dyn RemoteJob>>, bool) {
        let (mut unwanted, mut gives_back) = (Vec::new(), false);
        self.takings_back += 1;
        for slot in 0..self.lanes.len() {
            let Some(lane) = &mut self.lanes[slot] else {
                continue;
            };
            if !lane.units.iter().any(|unit| is_unwanted(&unit.claim)) {
                continue;
            }
            let taken = lane.take_back(0);
            let (of_it, others): (Vec<_>, Vec<_>) = taken.into_iter().partition(is_unwanted);
            unwanted.extend(of_it);
            gives_back |= !others.is_empty();
            queue.give_back(others);
            self.cool_down(slot);
        }
        let held = self.held.take_if(|parcel| is_unwanted(&parcel.claim));
        unwanted.extend(held.map(|parcel| parcel.claim));
        (unwanted, gives_back)
    }

    /// No worker that runs a unit of this job, or this unit of it, gets another one: it is to be stopped. What lies behind goes back.
    pub(super) fn stop(&mut self, queue: &Queue<dyn RemoteJob>, job: TaskId, unit: Option<usize>) {
        self.takings_back += 1;
        for lane in self.lanes.iter_mut().flatten() {
            let runs = lane
                .units
                .front()
                .is_some_and(|front| is_unit_of(&front.claim, job, unit));
            if runs {
                lane.is_stopping = true;
                queue.give_back(lane.take_back(1));
            }
        }
    }

    /// A lane that has no unit and may get one.
    pub(super) fn choose_idle(&self) -> Option<usize> {
        self.choose(true)
    }
}
