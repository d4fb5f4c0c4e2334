//! Where each unit is: in the queue, in the dispatcher's hand, or on a node.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_core::backend::{Claim, TaskId};
use pool_process::remote::{RemoteJob, Request};

use crate::link::Link;
use crate::wire::{NodeInfo, Order};

use super::stats::{NodeStats, Stats};

/// A node gets as much work in advance as keeps its workers busy for so long: what a message takes there and back, amply.
const AHEAD: Duration = Duration::from_millis(2);

/// The most units that each worker of a node gets in advance.
const MOST_AHEAD: u32 = 256;

/// How many bytes of arguments a node has at most, unless it is one argument.
const MOST_BYTES: usize = 64 << 20;

/// How many contexts a node keeps, unless tasks that it has use more.
const CONTEXTS: usize = 8;

/// A unit on a node.
pub(super) struct Sent {
    pub(super) claim: Claim<dyn RemoteJob>,
    context: Option<u64>,
    bytes: usize,
}

/// A node.
pub(super) struct Node {
    pub(super) info: NodeInfo,
    pub(super) link: Link,
    /// Its units, by the number of the order.
    pub(super) units: BTreeMap<u64, Sent>,
    pub(super) heard: Instant,
    /// What a unit takes there in the mean.
    mean: Duration,
    /// Bytes of the arguments that it has.
    bytes: usize,
    /// The contexts that it has, the one used last at the end.
    contexts: VecDeque<u64>,
    done: u64,
    /// It has said that nothing of this pool runs there any more.
    pub(super) has_ended: bool,
}

impl Node {
    pub(super) fn new(info: NodeInfo) -> Node {
        Node {
            link: Link::new(info.session),
            info,
            units: BTreeMap::new(),
            heard: Instant::now(),
            mean: AHEAD * 2,
            bytes: 0,
            contexts: VecDeque::new(),
            done: 0,
            has_ended: false,
        }
    }

    /// How many units it may have: one for each worker, and more as long as they are short.
    fn room(&self) -> usize {
        let workers = self.info.workers;
        let mean = self.mean.max(Duration::from_micros(1));
        let ahead = u32::try_from(AHEAD.as_nanos() / mean.as_nanos()).unwrap_or(u32::MAX);
        (workers + workers.saturating_mul(ahead.min(MOST_AHEAD))) as usize
    }

    fn has_room(&self) -> bool {
        let fits = self.bytes < MOST_BYTES || self.units.is_empty();
        !self.info.is_draining && fits && self.units.len() < self.room()
    }

    /// How many units each of its workers has, in thousandths.
    fn load(&self) -> usize {
        self.units.len() * 1000 / (self.info.workers.max(1) as usize)
    }

    /// Whether it has a context; if so, it is the one used last now.
    pub(super) fn has_context(&mut self, number: u64) -> bool {
        let place = self.contexts.iter().position(|known| *known == number);
        if let Some(place) = place
            && let Some(number) = self.contexts.remove(place)
        {
            self.contexts.push_back(number);
        }
        place.is_some()
    }

    /// Sends a unit, and before it its context, if it is new there.
    pub(super) fn give(
        &mut self,
        claim: Claim<dyn RemoteJob>,
        request: Request,
        context: Option<Vec<u8>>,
    ) {
        if let (Some(number), Some(bytes)) = (request.context, context) {
            self.forget_contexts();
            self.contexts.push_back(number);
            self.link.push(&Order::Context { number, bytes });
        }
        let (context, bytes) = (request.context, request.task.len());
        self.bytes += bytes;
        let is_timed = claim.job.as_job().handed_out().is_timed();
        let number = self.link.push(&Order::Run { request, is_timed });
        let sent = Sent {
            claim,
            context,
            bytes,
        };
        self.units.insert(number, sent);
    }

    /// Has it drop contexts that none of its units uses, until it has room for one more.
    fn forget_contexts(&mut self) {
        while self.contexts.len() >= CONTEXTS {
            let is_used = |number: &u64| {
                self.units
                    .values()
                    .any(|unit| unit.context == Some(*number))
            };
            let Some(place) = self.contexts.iter().position(|number| !is_used(number)) else {
                return;
            };
            if let Some(number) = self.contexts.remove(place) {
                self.link.push(&Order::Forget { number });
            }
        }
    }

    /// A unit is there no more.
    pub(super) fn remove(&mut self, task: u64) -> Option<Claim<dyn RemoteJob>> {
        let sent = self.units.remove(&task)?;
        self.bytes -= sent.bytes;
        Some(sent.claim)
    }

    /// A unit was done, in this time.
    pub(super) fn count(&mut self, time: Duration) {
        self.done += 1;
        self.mean = (self.mean * 7 + time) / 8;
    }

    fn stats(&self) -> NodeStats {
        NodeStats {
            host: self.info.host.clone(),
            pid: self.info.pid,
            workers: self.info.workers as usize,
            running: self.units.len(),
            done: self.done,
            is_draining: self.info.is_draining,
        }
    }
}

/// What the pool knows of its nodes and units.
#[derive(Default)]
pub(super) struct Books {
    pub(super) nodes: Vec<Node>,
    /// The job of the unit that the dispatcher has in its hand: it is being encoded, or its answer decoded.
    pub(super) in_hand: Option<Arc<dyn RemoteJob>>,
    /// No work comes any more.
    pub(super) is_closed: bool,
    /// Nothing is handed out any more.
    pub(super) is_terminated: bool,
    /// The conversations with nodes that were lost: what still comes of them is not heard.
    pub(super) lost_sessions: HashSet<u64>,
    pub(super) lost_nodes: u64,
    pub(super) lost: u64,
    pub(super) returned: u64,
}

impl Books {
    /// The node that gets the next unit: of those that have room and were heard of lately the one with the least to do.
    pub(super) fn choose(&mut self, contact: Duration) -> Option<&mut Node> {
        let nodes = self.nodes.iter_mut();
        nodes
            .filter(|node| node.has_room() && node.heard.elapsed() < contact)
            .min_by_key(|node| node.load())
    }

    pub(super) fn node(&mut self, id: u64, session: u64) -> Option<&mut Node> {
        let mut nodes = self.nodes.iter_mut();
        nodes.find(|node| node.info.id == id && node.info.session == session)
    }

    /// How many nodes there are, and how many workers they have together.
    pub(super) fn count(&self) -> (usize, usize) {
        let workers = self.nodes.iter().map(|node| node.info.workers as usize);
        (self.nodes.len(), workers.sum())
    }

    /// Whether no unit is anywhere but in the queue.
    pub(super) fn are_empty(&self) -> bool {
        self.unfinished() == 0
    }

    pub(super) fn unfinished(&self) -> usize {
        let on_nodes: usize = self.nodes.iter().map(|node| node.units.len()).sum();
        on_nodes + usize::from(self.in_hand.is_some())
    }

    /// The jobs of all units that are not in the queue.
    pub(super) fn jobs(&self) -> Vec<Arc<dyn RemoteJob>> {
        let on_nodes = self.nodes.iter().flat_map(|node| node.units.values());
        on_nodes
            .map(|unit| &unit.claim.job)
            .chain(&self.in_hand)
            .cloned()
            .collect()
    }

    /// Takes out all units that are on nodes.
    pub(super) fn take_all(&mut self) -> Vec<Claim<dyn RemoteJob>> {
        let mut claims = Vec::new();
        for node in &mut self.nodes {
            node.bytes = 0;
            claims.extend(
                std::mem::take(&mut node.units)
                    .into_values()
                    .map(|unit| unit.claim),
            );
        }
        claims
    }

    /// Has nodes stop the units of a job, or one of them.
    pub(super) fn stop(&mut self, job: TaskId, unit: Option<usize>) {
        for node in &mut self.nodes {
            let is_meant = |claim: &Claim<dyn RemoteJob>| {
                claim.job.as_job().number() == job
                    && unit.is_none_or(|unit| claim.unit.index() == unit)
            };
            let meant = node.units.iter().filter(|(_, sent)| is_meant(&sent.claim));
            let tasks: Vec<u64> = meant.map(|(task, _)| *task).collect();
            for task in tasks {
                node.link.push(&Order::Stop { task });
            }
        }
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            nodes: self.nodes.iter().map(Node::stats).collect(),
            lost_nodes: self.lost_nodes,
            lost: self.lost,
            returned: self.returned,
            ..Stats::default()
        }
    }
}
