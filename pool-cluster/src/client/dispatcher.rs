//! The thread that talks to nodes: it gives them units, completes units with their answers, and notices when they are lost.

// What nodes say.
mod heard;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::Subscriber;

use futures_util::{FutureExt, StreamExt};
use pool_core::backend::{Claim, Queue, ServiceGuard};
use pool_core::{Cause, TaskError, Timers};
use pool_process::remote::{self, RemoteJob};
use tokio::sync::{Notify, oneshot};

use crate::bus::Bus;
use crate::wire::{self, NodeInfo, RESEND, ToNode};

use heard::lost;

use super::books::{Books, Node};

/// What the dispatcher needs to know of its pool.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) build: &'static str,
    /// How many nodes there must be at the start.
    pub(crate) nodes: usize,
    /// How long it waits for them, and later for a node where there is none.
    pub(crate) patience: Duration,
    /// After so long without a word from its client a node stops its work.
    pub(crate) contact: Duration,
    /// How long nodes may take to stop what runs on them.
    pub(crate) grace: Duration,
    pub(crate) timers: Timers,
}

/// What the pool and its dispatcher share.
#[derive(Default)]
pub(crate) struct Shared {
    books: Mutex<Books>,
    bell: Notify,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the dispatcher look.
    pub(super) fn wake(&self) {
        self.bell.notify_one();
    }
}

fn is_unwanted(claim: &Claim<dyn RemoteJob>) -> bool {
    claim.job.as_job().handed_out().is_unwanted()
}

/// A connection with the nodes that it has found.
pub(crate) struct Dispatcher {
    plan: Plan,
    bus: Bus,
    id: u64,
    inbox: Subscriber,
    /// Nodes that have come, and are to be called.
    calls: Subscriber,
    shared: Arc<Shared>,
    /// Since when there is no node.
    alone_since: Option<Instant>,
}

impl Dispatcher {
    /// Calls for nodes until there are as many as there must be; gives the number of their workers as well.
    ///
    /// # Errors
    ///
    /// There are none, or not enough, in time: in one line, with those that were seen.
    pub(crate) async fn gather(
        plan: Plan,
        bus: Bus,
        shared: Arc<Shared>,
    ) -> Result<(Dispatcher, usize), String> {
        let id = wire::unique();
        let inbox = bus.subscribe(wire::inbox(plan.build, id)).await?;
        let calls = bus.subscribe(wire::nodes(plan.build)).await?;
        let mut dispatcher = Dispatcher {
            inbox,
            calls,
            plan,
            bus,
            id,
            shared,
            alone_since: None,
        };
        let until = tokio::time::Instant::now() + dispatcher.plan.patience;
        dispatcher.call().await;
        loop {
            let (nodes, workers) = dispatcher.shared.lock().count();
            if nodes >= dispatcher.plan.nodes {
                return Ok((dispatcher, workers));
            }
            // A node that has not heard the first call says that it has come.
            tokio::select! {
                message = dispatcher.inbox.next() => {
                    let message = message.ok_or("the connection to the server was closed")?;
                    dispatcher.hear(message.payload, None);
                }
                _ = dispatcher.calls.next() => dispatcher.call().await,
                () = tokio::time::sleep_until(until) => {
                    let others = dispatcher.others().await?;
                    let wanted = match dispatcher.plan.nodes {
                        1 => "no node".to_owned(),
                        many => format!("not {many} nodes but {nodes}"),
                    };
                    return Err(format!(
                        "{wanted} of this program (build {}) within {:?}{others}",
                        dispatcher.plan.build, dispatcher.plan.patience
                    ));
                }
            }
        }
    }

    /// Nodes of other builds that are there, for the error of one that has found none.
    async fn others(&self) -> Result<String, String> {
        let mut replies = self.bus.subscribe(wire::seen(self.id)).await?;
        self.bus.ask(wire::WHO, wire::seen(self.id)).await;
        let mut seen = BTreeSet::new();
        let until = tokio::time::Instant::now() + REPLY;
        while let Ok(Some(reply)) = tokio::time::timeout_at(until, replies.next()).await {
            if let Some(info) = wire::decode::<NodeInfo>(&reply.payload) {
                seen.insert(format!("{} of build {}", info.name(), info.build));
            }
        }
        Ok(match seen.is_empty() {
            true => "; no node of another program either".to_owned(),
            false => format!(
                "; there are nodes of other builds: {}",
                seen.into_iter().collect::<Vec<_>>().join(", ")
            ),
        })
    }

    /// Calls for nodes.
    async fn call(&self) {
        let hello = ToNode::Hello {
            client: self.id,
            contact: self.plan.contact,
        };
        let subject = wire::clients(self.plan.build);
        self.bus.publish(&subject, wire::encode(&hello)).await;
    }

    /// Runs until the pool has ended.
    pub(crate) async fn run(mut self, queue: oneshot::Receiver<QueueOf>) {
        let Ok(queue) = queue.await else {
            // The pool was not made.
            return self.part().await;
        };
        let _service = ServiceGuard::enter(queue.pool());
        let mut last_beat = Instant::now();
        loop {
            self.give(&queue);
            self.send().await;
            if self.is_over(&queue) {
                return self.part().await;
            }
            let beat = self.beat(&queue);
            tokio::select! {
                message = self.inbox.next() => match message {
                    Some(message) => self.hear_all(message.payload, &queue),
                    // It comes back by itself for as long as the client is there.
                    None => tokio::time::sleep(beat).await,
                },
                _ = self.calls.next() => self.call().await,
                () = self.shared.bell.notified() => {}
                () = tokio::time::sleep(beat) => {}
            }
            if last_beat.elapsed() >= beat {
                last_beat = Instant::now();
                // What has come while this thread was busy was said in time.
                if let Some(Some(message)) = self.inbox.next().now_or_never() {
                    self.hear_all(message.payload, &queue);
                }
                self.check(&queue).await;
            }
        }
    }

    /// After how long nodes hear of this client, or again what they may not have heard.
    fn beat(&self, queue: &Queue<dyn RemoteJob>) -> Duration {
        let books = self.shared.lock();
        let is_quiet = books
            .nodes
            .iter()
            .all(|node| node.link.is_confirmed() && node.heard.elapsed() < self.plan.contact);
        let waits = books.nodes.is_empty() && queue.has_waiting();
        match is_quiet && !waits {
            true => wire::beat(self.plan.contact),
            false => wire::beat(self.plan.contact).min(RESEND),
        }
    }

    /// Gives nodes units, as long as there are units and room.
    fn give(&mut self, queue: &Queue<dyn RemoteJob>) {
        loop {
            let mut books = self.shared.lock();
            if books.is_terminated {
                return;
            }
            let Some(node) = books.choose(self.plan.contact) else {
                return;
            };
            let (id, session) = (node.info.id, node.info.session);
            let Some(claim) = queue.take_next() else {
                return;
            };
            books.in_hand = Some(claim.job.clone());
            drop(books);
            queue.tell_taken();
            let request = remote::request(&*claim.job, &claim.unit);
            let mut books = self.shared.lock();
            let has_context = request
                .as_ref()
                .ok()
                .and_then(|request| request.context)
                .is_none_or(|number| {
                    books
                        .node(id, session)
                        .is_some_and(|node| node.has_context(number))
                });
            let context = match has_context {
                true => Ok(None),
                false => {
                    drop(books);
                    let context = remote::context(&*claim.job, &claim.unit);
                    books = self.shared.lock();
                    context
                }
            };
            let in_hand = books.in_hand.take();
            let failure = match (request, context) {
                _ if books.is_terminated => TaskError::Terminated,
                // Who cancels it has looked for it before, or will find it on its node.
                _ if is_unwanted(&claim) => TaskError::Cancelled,
                (Ok(request), Ok(context)) => {
                    match books.node(id, session) {
                        Some(node) => node.give(claim, request, context),
                        None => {
                            drop(books);
                            queue.put_back_unsent(claim);
                        }
                    }
                    // The last reference to a job is dropped under no lock.
                    drop(in_hand);
                    continue;
                }
                (Err(error), _) | (_, Err(error)) => TaskError::Encode(Box::new(error)),
            };
            drop(books);
            claim.job.fail(claim.unit, failure);
        }
    }

    /// Calls for nodes, has those that are there hear of this client, sends again what was lost, and notices nodes that have gone.
    async fn check(&mut self, queue: &QueueOf) {
        self.call().await;
        let contact = self.plan.contact;
        // A node that is not heard of hears nothing after `contact`, stops its work after another one, and has this long for it.
        let limit = contact * 2 + STOP;
        let (mut packets, mut gone) = (Vec::new(), Vec::new());
        let is_alone = {
            let mut books = self.shared.lock();
            let ended = |node: &mut Node| {
                node.heard.elapsed() > limit
                    || (node.info.is_draining
                        && node.units.is_empty()
                        && node.link.is_confirmed()
                        && node.heard.elapsed() > contact)
            };
            gone.extend(books.nodes.extract_if(.., ended));
            for node in &mut books.nodes {
                if node.heard.elapsed() < contact {
                    node.link.check(wire::beat(contact).min(RESEND));
                    packets.push((node.info.id, node.link.packet()));
                }
            }
            books.nodes.is_empty()
        };
        for node in gone {
            match node.info.is_draining && node.units.is_empty() {
                true => drop(node),
                false => self.lose(
                    node,
                    &format!("it was not heard of for {limit:?}"),
                    Some(queue),
                ),
            }
        }
        for (node, packet) in packets {
            let message = ToNode::Packet {
                client: self.id,
                packet,
            };
            self.tell(node, &message).await;
        }
        self.alone_since = match (is_alone, self.alone_since) {
            (true, None) => Some(Instant::now()),
            (true, since) => since,
            (false, _) => None,
        };
        if self
            .alone_since
            .is_some_and(|since| since.elapsed() > self.plan.patience)
            && queue.has_waiting()
        {
            self.refuse_all(queue).await;
        }
    }

    /// There is no node, and was none for too long: what waits fails.
    async fn refuse_all(&self, queue: &Queue<dyn RemoteJob>) {
        let others = self.others().await.unwrap_or_default();
        let why = format!("no node for {:?}{others}", self.plan.patience);
        while !self.shared.lock().is_terminated
            && let Some(claim) = queue.take_next()
        {
            queue.tell_taken();
            let mut lost = lost(&claim.job, &claim.unit, 0, Cause::Start(why.clone()), None);
            lost.begun = false;
            claim
                .job
                .fail(claim.unit, TaskError::WorkerLost(Box::new(lost)));
        }
    }

    /// Sends what there is to be said.
    async fn send(&self) {
        loop {
            let mut packets = Vec::new();
            for node in &mut self.shared.lock().nodes {
                if node.heard.elapsed() < self.plan.contact {
                    packets.extend(node.link.next().map(|packet| (node.info.id, packet)));
                }
            }
            if packets.is_empty() {
                return;
            }
            for (node, packet) in packets {
                let message = ToNode::Packet {
                    client: self.id,
                    packet,
                };
                self.tell(node, &message).await;
            }
        }
    }

    /// The order to end a conversation, and what runs for it.
    fn end_of(&self, session: u64) -> ToNode {
        ToNode::End {
            client: self.id,
            session,
        }
    }

    async fn tell(&self, node: u64, message: &ToNode) {
        let subject = wire::inbox(self.plan.build, node);
        self.bus.publish(&subject, wire::encode(message)).await;
    }

    fn is_over(&self, queue: &Queue<dyn RemoteJob>) -> bool {
        let books = self.shared.lock();
        books.is_terminated || (books.is_closed && books.are_empty() && queue.is_drained())
    }

    /// Has all nodes stop what they run for this client, and forget it; waits until they have, or their time is over.
    async fn part(mut self) {
        let until = Instant::now() + self.plan.grace;
        self.shared.lock().is_terminated = true;
        loop {
            let nodes: Vec<(u64, u64)> = {
                let books = self.shared.lock();
                let nodes = books.nodes.iter().filter(|node| !node.has_ended);
                nodes
                    .map(|node| (node.info.id, node.info.session))
                    .collect()
            };
            if nodes.is_empty() {
                break;
            }
            for (node, session) in &nodes {
                self.tell(*node, &self.end_of(*session)).await;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let mut heard = 0;
            while heard < nodes.len()
                && let Ok(Some(message)) =
                    tokio::time::timeout(left.min(REPLY), self.inbox.next()).await
            {
                self.hear(message.payload, None);
                heard += 1;
            }
        }
        self.bus.flush().await;
    }
}

/// What the engine gives the dispatcher when the pool starts.
pub(crate) type QueueOf = Arc<Queue<dyn RemoteJob>>;

/// How long nodes have to reply.
const REPLY: Duration = Duration::from_millis(200);

/// How long a node takes at most to stop what runs on it: its pool's grace, and what is around it.
const STOP: Duration = Duration::from_secs(2);
