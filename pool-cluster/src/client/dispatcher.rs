//! The thread that talks to nodes: it gives them units, completes units with their answers, and notices when they are lost.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use pool_core::backend::{Claim, Queue, ServiceGuard};
use pool_core::{Cause, TaskError, Timers, WorkerLost};
use pool_process::remote::{self, RemoteJob};
use tokio::sync::{Notify, oneshot};

use crate::bus::{Assembler, Bus};
use crate::wire::{self, Event, Loss, NodeInfo, RESEND, ToClient, ToNode, What};

use super::books::{Books, Node, Paused};

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

    /// Takes back paused units of jobs that are not wanted any more. What is on a node counts as started.
    pub(super) fn withdraw(&self) -> Vec<Claim<dyn RemoteJob>> {
        let mut books = self.lock();
        let unwanted = books
            .paused
            .extract_if(.., |paused| is_unwanted(&paused.claim));
        let unwanted: Vec<Paused> = unwanted.collect();
        drop(books);
        unwanted.into_iter().map(|paused| paused.claim).collect()
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
    assembler: Assembler,
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
            assembler: Assembler::default(),
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
        self.bus.send(&subject, &wire::encode(&hello)).await;
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
        let waits = books.nodes.is_empty() && queue.has_units();
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

    /// Takes a message, and those that have come behind it.
    fn hear_all(&mut self, first: Bytes, queue: &QueueOf) {
        let mut next = Some(first);
        while let Some(message) = next {
            self.hear(message, Some(queue));
            next = self
                .inbox
                .next()
                .now_or_never()
                .flatten()
                .map(|message| message.payload);
        }
    }

    /// Takes a message. Where there is no queue yet, nodes have no work.
    fn hear(&mut self, message: Bytes, queue: Option<&QueueOf>) {
        let message = self.assembler.take(message);
        let Some(message) = message.and_then(|message| wire::decode(&message)) else {
            return;
        };
        let mut books = self.shared.lock();
        match message {
            ToClient::Here(info) if info.build != self.plan.build => {}
            ToClient::Here(info) if books.lost_sessions.contains(&info.session) => {
                // It is back, and may still run what was given up.
                let bus = self.bus.clone();
                let (subject, end) = (
                    wire::inbox(self.plan.build, info.id),
                    self.end_of(info.session),
                );
                tokio::spawn(async move { bus.send(&subject, &wire::encode(&end)).await });
            }
            ToClient::Here(info) => {
                let place = books.nodes.iter().position(|node| node.info.id == info.id);
                let known = place.map(|place| books.nodes[place].info.session == info.session);
                match (place, known) {
                    (Some(place), Some(true)) => {
                        let node = &mut books.nodes[place];
                        (node.heard, node.info.is_draining) = (Instant::now(), info.is_draining);
                    }
                    (Some(place), _) => {
                        let lost = books.nodes.remove(place);
                        if !info.is_draining {
                            books.nodes.push(Node::new(info));
                        }
                        drop(books);
                        self.lose(
                            lost,
                            "it has stopped the work of this client, which it had not heard of",
                            queue,
                        );
                    }
                    (None, _) if info.is_draining => {}
                    (None, _) => books.nodes.push(Node::new(info)),
                }
            }
            ToClient::Packet { node, packet } => {
                let Some(node) = books.node(node, packet.session) else {
                    return;
                };
                node.heard = Instant::now();
                let name = node.info.name();
                let events: Vec<Event> = (node.link.receive(packet))
                    .filter_map(|(_, item)| wire::decode(&item))
                    .collect();
                let mut ended = Vec::new();
                for event in events {
                    if let What::Started = event.what {
                        let unit = node.units.get(&event.task);
                        ended.extend(unit.map(|sent| {
                            Ended::Started(sent.claim.job.clone(), sent.claim.unit.index())
                        }));
                    } else if let Some(claim) = node.remove(event.task) {
                        if let What::Ran(answer) = &event.what {
                            node.count(answer.time());
                        }
                        ended.push(Ended::Ended(claim, event.what));
                    }
                }
                drop(books);
                for end in ended {
                    match (end, queue) {
                        (Ended::Started(job, unit), _) => job.as_job().started(unit),
                        (Ended::Ended(claim, what), Some(queue)) => {
                            self.end(claim, what, &name, queue)
                        }
                        (Ended::Ended(..), None) => {}
                    }
                }
            }
            ToClient::Ended { node, session } => {
                let place = books
                    .nodes
                    .iter()
                    .position(|known| known.info.id == node && known.info.session == session);
                let Some(place) = place else { return };
                if books.is_terminated {
                    books.nodes[place].has_ended = true;
                } else {
                    let lost = books.nodes.remove(place);
                    drop(books);
                    self.lose(
                        lost,
                        "it has stopped the work of this client, which it had not heard of",
                        queue,
                    );
                }
            }
        }
    }

    /// A unit has ended on its node, which has this name.
    fn end(&self, claim: Claim<dyn RemoteJob>, what: What, node: &str, queue: &QueueOf) {
        let job = claim.job.clone();
        let loss = match what {
            What::Ran(answer) => match remote::complete(&*job, claim.unit, &answer, None) {
                Ok(()) => return,
                Err((unit, error)) => {
                    let loss = Cause::Protocol(error.to_string());
                    let lost = lost(&job, &unit, 0, loss, Some(format!("on {node}")));
                    return job.fail(unit, TaskError::WorkerLost(Box::new(lost)));
                }
            },
            What::Started => return,
            What::Stopped => return job.fail(claim.unit, TaskError::Cancelled),
            What::Returned => {
                self.shared.lock().returned += 1;
                return queue.put_back_unsent(claim);
            }
            What::Refused(why) => {
                let mut lost = lost(
                    &job,
                    &claim.unit,
                    0,
                    Cause::Start(why),
                    Some(format!("on {node}")),
                );
                lost.begun = false;
                return job.fail(claim.unit, TaskError::WorkerLost(Box::new(lost)));
            }
            What::Lost(loss) => loss,
        };
        let Loss {
            pid,
            cause,
            begun,
            hint,
            stderr,
        } = loss;
        let place = format!("on {node}");
        let hint = hint.map_or(place.clone(), |hint| format!("{hint}; {place}"));
        let mut lost = lost(&job, &claim.unit, pid, cause.into(), Some(hint));
        (lost.begun, lost.stderr) = (begun, stderr);
        self.fail_or_retry(claim, lost, queue);
    }

    /// A unit was lost: it is tried again where that is allowed.
    fn fail_or_retry(&self, claim: Claim<dyn RemoteJob>, lost: WorkerLost, queue: &QueueOf) {
        self.shared.lock().lost += 1;
        let pause = match is_unwanted(&claim) {
            true => None,
            false => claim.job.as_job().try_again(&claim.unit),
        };
        let Some(pause) = pause else {
            let job = claim.job.clone();
            return job.fail(claim.unit, TaskError::WorkerLost(Box::new(lost)));
        };
        let mut books = self.shared.lock();
        if pause.is_zero() || books.is_terminated {
            drop(books);
            return queue.put_back_unsent(claim);
        }
        books.pauses += 1;
        let number = books.pauses;
        books.paused.push(Paused {
            number,
            claim,
            timer: None,
        });
        drop(books);
        let (shared, queue) = (self.shared.clone(), queue.clone());
        let again = Box::new(move || {
            let mut books = shared.lock();
            let place = books
                .paused
                .iter()
                .position(|paused| paused.number == number);
            let paused = place.map(|place| books.paused.swap_remove(place));
            drop(books);
            if let Some(paused) = paused {
                queue.put_back_unsent(paused.claim);
                shared.wake();
            }
        });
        let timer = self.plan.timers.arm(pause, again);
        let mut books = self.shared.lock();
        if let Some(paused) = books
            .paused
            .iter_mut()
            .find(|paused| paused.number == number)
        {
            paused.timer = Some(timer);
        }
    }

    /// A node is lost, with what it had.
    fn lose(&self, node: Node, why: &str, queue: Option<&QueueOf>) {
        let name = node.info.name();
        {
            let mut books = self.shared.lock();
            books.lost_nodes += 1;
            books.lost_sessions.insert(node.info.session);
        }
        let Some(queue) = queue else { return };
        for (_, sent) in node.units {
            let claim = sent.claim;
            let cause = Cause::Node(format!("{name}: {why}"));
            let lost = lost(&claim.job, &claim.unit, node.info.pid, cause, None);
            self.fail_or_retry(claim, lost, queue);
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
            && queue.has_units()
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
        self.bus.send(&subject, &wire::encode(message)).await;
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

/// What has become of a unit on a node.
enum Ended {
    Started(Arc<dyn RemoteJob>, usize),
    Ended(Claim<dyn RemoteJob>, What),
}

/// How long nodes have to reply.
const REPLY: Duration = Duration::from_millis(200);

/// How long a node takes at most to stop what runs on it: its pool's grace, and what is around it.
const STOP: Duration = Duration::from_secs(2);

fn lost(
    job: &Arc<dyn RemoteJob>,
    unit: &pool_core::backend::Unit,
    pid: u32,
    cause: Cause,
    hint: Option<String>,
) -> WorkerLost {
    let mut lost = WorkerLost::new(pid, cause, job.describe(unit));
    lost.items = job.as_job().items(unit);
    lost.attempts = job.as_job().attempts(unit);
    lost.hint = hint;
    lost
}
