//! What nodes say, and what becomes of the units that they had.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use pool_core::backend::{Again, Claim, Unit};
use pool_core::{Cause, TaskError, WorkerLost};
use pool_process::remote::{self, RemoteJob};

use crate::wire::{self, Event, Loss, ToClient, What};

use super::super::books::Node;
use super::{Dispatcher, QueueOf, is_unwanted};

impl Dispatcher {
    /// Takes a message, and those that have come behind it.
    pub(super) fn hear_all(&mut self, first: Bytes, queue: &QueueOf) {
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
    pub(super) fn hear(&mut self, message: Bytes, queue: Option<&QueueOf>) {
        let Some(message) = wire::decode(&message) else {
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
                tokio::spawn(async move { bus.publish(&subject, wire::encode(&end)).await });
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
                let events: Vec<Event> = (node.link.receive(packet).into_iter())
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
    fn end(&self, mut claim: Claim<dyn RemoteJob>, what: What, node: &str, queue: &QueueOf) {
        let job = claim.job.clone();
        let loss = match what {
            What::Ran(answer) => match remote::complete(&*job, claim.unit, &answer, None) {
                Ok(None) => return,
                Ok(Some(Again { unit, pause })) => {
                    claim.unit = unit;
                    return self.try_again(claim, pause, queue);
                }
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
        self.try_again(claim, pause, queue);
    }

    /// A unit goes back to the queue after a pause.
    fn try_again(&self, claim: Claim<dyn RemoteJob>, pause: Duration, queue: &QueueOf) {
        let shared = self.shared.clone();
        queue.try_again(claim, pause, &self.plan.timers, move || shared.wake());
    }

    /// A node is lost, with what it had.
    pub(super) fn lose(&self, node: Node, why: &str, queue: Option<&QueueOf>) {
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
}

/// What has become of a unit on a node.
enum Ended {
    Started(Arc<dyn RemoteJob>, usize),
    Ended(Claim<dyn RemoteJob>, What),
}

/// The error of a unit that was lost.
pub(super) fn lost(
    job: &Arc<dyn RemoteJob>,
    unit: &Unit,
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
