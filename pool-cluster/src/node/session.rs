//! What a node has for one client: its tasks, and the conversation with it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pool_core::{CancelHandle, Never, Pool, TaskError, WithContext};
use pool_process::ProcessPool;
use pool_process::remote::Request;
use tokio::sync::mpsc::UnboundedSender;

use crate::link::Link;
use crate::run;
use crate::wire::{self, Event, Order, What};

/// A client, as the node knows it.
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) contact: Duration,
    pub(super) heard: Instant,
    /// Tasks that no worker is free for.
    pub(super) waiting: VecDeque<Task>,
    /// What can stop the tasks that were handed to workers.
    pub(super) running: HashMap<u64, CancelHandle>,
    /// Contexts, by the client's numbers.
    contexts: HashMap<u64, Context>,
    /// It is to end: no more tasks start.
    pub(super) is_ending: bool,
}

pub(super) struct Task {
    pub(super) number: u64,
    pub(super) request: Request,
    pub(super) is_timed: bool,
}

/// A context of a client, with its number on this node.
struct Context {
    number: u64,
    view: WithContext<'static, ProcessPool, [u8]>,
}

/// A task has ended.
pub(super) struct Finished {
    pub(super) client: u64,
    pub(super) session: u64,
    pub(super) task: u64,
    pub(super) outcome: Result<Vec<u8>, TaskError<Never>>,
}

impl Session {
    /// A client that wants its work stopped when it was not heard of for so long.
    pub(super) fn new(contact: Duration) -> Session {
        Session {
            link: Link::new(wire::unique()),
            contact: contact.max(Duration::from_millis(100)),
            heard: Instant::now(),
            waiting: VecDeque::new(),
            running: HashMap::new(),
            contexts: HashMap::new(),
            is_ending: false,
        }
    }

    pub(super) fn obey(
        &mut self,
        pool: &'static ProcessPool,
        number: u64,
        order: Order,
        is_draining: bool,
    ) {
        match order {
            Order::Run { .. } if is_draining => {
                self.link.push(&Event {
                    task: number,
                    what: What::Returned,
                });
            }
            Order::Run { request, is_timed } => self.waiting.push_back(Task {
                number,
                request,
                is_timed,
            }),
            Order::Context {
                number: name,
                bytes,
            } => {
                static CONTEXTS: AtomicU64 = AtomicU64::new(0);
                let context = Context {
                    number: CONTEXTS.fetch_add(1, Ordering::Relaxed),
                    view: pool.with_arc(Arc::<[u8]>::from(bytes)),
                };
                self.contexts.insert(name, context);
            }
            Order::Forget { number } => {
                self.contexts.remove(&number);
            }
            Order::Stop { task } => {
                if let Some(place) = self
                    .waiting
                    .iter()
                    .position(|waiting| waiting.number == task)
                {
                    self.waiting.remove(place);
                    self.link.push(&Event {
                        task,
                        what: What::Stopped,
                    });
                } else if let Some(handle) = self.running.get(&task) {
                    // Its end is told by its callback, whatever this says.
                    handle.cancel();
                }
            }
        }
    }

    pub(super) fn refuse(&mut self, task: u64, why: &str) {
        self.link.push(&Event {
            task,
            what: What::Refused(why.to_owned()),
        });
    }

    /// Hands a task to the workers; false where they cannot run it.
    pub(super) fn start(
        &mut self,
        pool: &'static ProcessPool,
        client: u64,
        task: Task,
        finished: &UnboundedSender<Finished>,
    ) -> bool {
        let Task {
            number,
            request,
            is_timed,
        } = task;
        let submitted = match request.context {
            None => run::submit(pool, request),
            Some(name) => match self.contexts.get(&name) {
                Some(context) => run::submit_with((context.number, &context.view), request),
                None => {
                    self.refuse(number, "its context is not there");
                    return false;
                }
            },
        };
        let handle = match submitted {
            Ok(handle) => handle,
            Err(error) => {
                self.refuse(number, &error.to_string());
                return false;
            }
        };
        self.running.insert(number, handle.cancel_handle());
        if is_timed {
            self.link.push(&Event {
                task: number,
                what: What::Started,
            });
        }
        let (finished, session) = (finished.clone(), self.link.session());
        handle.add_done_callback(move |outcome| {
            // The receiver lives as long as the node.
            let _ = finished.send(Finished {
                client,
                session,
                task: number,
                outcome,
            });
        });
        true
    }

    /// Stops everything; what is said from now on is that it has ended.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
        self.waiting.clear();
        self.contexts.clear();
        for handle in self.running.values() {
            handle.cancel();
        }
    }
}
