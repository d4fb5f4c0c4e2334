//! A node: it has a pool of processes, and runs tasks of clients in it.
//!
//! For each client it has a session. A session that has not heard of its client for the time that the client has named is ended: what
//! runs of it is stopped, so that the client may take the node for lost and have the tasks run elsewhere.

// What it has for one client.
mod session;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use pool_core::{Pool, TaskError};
use pool_process::ProcessPool;
use pool_process::remote::Answer;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::build;
use crate::bus::{Access, Bus, bare};
use crate::environment;
use crate::wire::{self, Event, Loss, NodeInfo, RESEND, ToClient, ToNode, What};

use session::{Finished, Session};

/// The variable that makes a node of a program: the server's address.
pub(crate) const NODE: &str = "POOL_NODE";
/// How many workers the node has; without it, one for each CPU.
pub(crate) const WORKERS: &str = "POOL_NODE_WORKERS";
/// A file of credentials.
pub(crate) const CREDENTIALS: &str = "POOL_NODE_CREDENTIALS";
/// A file of certificates that are trusted.
pub(crate) const CERTIFICATES: &str = "POOL_NODE_CERTIFICATES";

/// Each worker is handed as many tasks as keep it busy for so long, and one at least: what it takes to hand it one, amply.
const AHEAD: Duration = Duration::from_millis(1);

/// The most tasks that a worker is handed.
const MOST_AHEAD: u128 = 128;

/// Where it is set, the node tells nothing but errors.
pub(crate) const QUIET: &str = "POOL_NODE_QUIET";

/// A node that has no clients waits for one.
const NEVER: Duration = Duration::from_secs(1 << 30);

/// What a node is to be, as its environment says.
#[derive(Debug)]
pub(crate) struct Plan {
    access: Access,
    workers: Option<OsString>,
    is_quiet: bool,
}

impl Plan {
    /// The plan of this process, once: it is taken out of the environment.
    pub(crate) fn take() -> Option<Plan> {
        let url = environment::take(NODE)?;
        let path = |name| environment::take(name).map(PathBuf::from);
        Some(Plan {
            access: Access {
                url: url.to_string_lossy().into_owned(),
                credentials: path(CREDENTIALS),
                certificates: path(CERTIFICATES),
            },
            workers: environment::take(WORKERS),
            is_quiet: environment::take(QUIET).is_some(),
        })
    }
}

/// Runs a node until it is told to leave.
pub(crate) fn serve(plan: Plan) -> ! {
    let code = match run(plan) {
        Ok(()) => 0,
        Err(why) => {
            say(&why);
            1
        }
    };
    std::process::exit(code)
}

/// Writes a line to stderr.
fn say(line: &str) {
    // Not `eprintln`, which panics where nobody reads stderr.
    let _ = writeln!(io::stderr(), "pool-cluster: {line}");
}

fn run(plan: Plan) -> Result<(), String> {
    let mut builder = ProcessPool::builder().warn_on_drop(false);
    if let Some(workers) = &plan.workers {
        let number = workers.to_str().and_then(|number| number.parse().ok());
        builder = builder
            .size(number.ok_or_else(|| format!("{WORKERS}={workers:?} is no number of workers"))?);
    }
    let build =
        build::id().map_err(|error| format!("the program's own file cannot be read: {error}"))?;
    let pool = builder
        .build()
        .map_err(|error| format!("this node has no workers: {error}"))?;
    // It lives as long as the process.
    let pool: &'static ProcessPool = Box::leak(Box::new(pool));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| format!("this node cannot run: {error}"))?;
    let outcome = runtime.block_on(async {
        let bus = Bus::connect(&plan.access, "pool node", None, |why| {
            say(&format!("{why}; it is tried again until there is one"));
        })
        .await?;
        let (finished, finishes) = unbounded_channel();
        let mut node = Node {
            info: NodeInfo {
                id: wire::unique(),
                session: 0,
                build: build.to_owned(),
                host: nix::unistd::gethostname()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                pid: std::process::id(),
                workers: u32::try_from(pool.size()).unwrap_or(u32::MAX),
                is_draining: false,
            },
            bus,
            pool,
            sessions: HashMap::new(),
            running: 0,
            mean: AHEAD,
            finished,
            is_quiet: plan.is_quiet,
        };
        node.tell_user(&format!(
            "node of {} workers at {}",
            node.info.workers,
            bare(&plan.access.url)
        ));
        node.live(finishes).await
    });
    pool.terminate();
    // The only error is that it was not closed or terminated.
    let _ = pool.join();
    outcome
}

struct Node {
    info: NodeInfo,
    bus: Bus,
    pool: &'static ProcessPool,
    sessions: HashMap<u64, Session>,
    /// Tasks that were handed to workers.
    running: usize,
    /// What a task takes in the mean.
    mean: Duration,
    finished: UnboundedSender<Finished>,
    is_quiet: bool,
}

impl Node {
    /// Writes a line to stderr, if it is to tell what it does.
    fn tell_user(&self, line: &str) {
        if !self.is_quiet {
            say(line);
        }
    }

    async fn live(&mut self, mut finishes: UnboundedReceiver<Finished>) -> Result<(), String> {
        let mut inbox = self
            .bus
            .subscribe(wire::inbox(&self.info.build, self.info.id))
            .await?;
        let mut calls = self.bus.subscribe(wire::clients(&self.info.build)).await?;
        let mut who = self.bus.subscribe(wire::WHO.to_owned()).await?;
        let mut leave = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut last_beat = Instant::now();
        self.bus
            .publish(&wire::nodes(&self.info.build), Bytes::new())
            .await;
        loop {
            let beat = self.beat();
            tokio::select! {
                message = inbox.next() => self.hear(message.map(|message| message.payload), &mut inbox)?,
                message = calls.next() => self.hear(message.map(|message| message.payload), &mut calls)?,
                message = who.next() => {
                    if let Some(reply) = message.and_then(|message| message.reply) {
                        self.bus.publish(&reply, wire::encode(&self.info)).await;
                    }
                }
                finished = finishes.recv() => {
                    if let Some(finished) = finished {
                        self.finish(finished);
                        while let Ok(finished) = finishes.try_recv() {
                            self.finish(finished);
                        }
                    }
                }
                _ = leave.recv() => self.drain(),
                _ = interrupt.recv() => self.drain(),
                () = tokio::time::sleep(beat) => {}
            }
            if last_beat.elapsed() >= beat {
                last_beat = Instant::now();
                // What has come while this thread was busy was said in time.
                if let Some(Some(message)) = inbox.next().now_or_never() {
                    self.hear(Some(message.payload), &mut inbox)?;
                }
                self.check().await;
            }
            self.start_tasks();
            self.send().await;
            if self.info.is_draining && self.is_drained() {
                self.bus.flush().await;
                return Ok(());
            }
        }
    }

    /// After how long clients hear of this node, or again what they may not have heard.
    fn beat(&self) -> Duration {
        let sessions = self.sessions.values();
        let beats = sessions.map(|session| match session.link.is_confirmed() {
            true => wire::beat(session.contact),
            false => wire::beat(session.contact).min(RESEND),
        });
        beats.min().unwrap_or(NEVER)
    }

    /// Takes a message, and those that have come behind it.
    fn hear(&mut self, first: Option<Bytes>, more: &mut Subscriber) -> Result<(), String> {
        let mut next = Some(first.ok_or("the connection to the server was closed")?);
        while let Some(message) = next {
            if let Some(message) = wire::decode(&message) {
                self.take(message);
            }
            next = more
                .next()
                .now_or_never()
                .flatten()
                .map(|message| message.payload);
        }
        Ok(())
    }

    fn take(&mut self, message: ToNode) {
        match message {
            ToNode::Hello { client, contact } => {
                if !self.info.is_draining {
                    self.sessions
                        .entry(client)
                        .or_insert_with(|| Session::new(contact));
                }
                self.greet(client);
            }
            ToNode::Packet { client, packet } => {
                let Some(session) = self.sessions.get_mut(&client) else {
                    return;
                };
                if session.is_ending || packet.session != session.link.session() {
                    return;
                }
                session.heard = Instant::now();
                for (number, item) in session.link.receive(packet) {
                    match wire::decode(&item) {
                        Some(order) => {
                            session.obey(self.pool, number, order, self.info.is_draining)
                        }
                        None => session.refuse(number, "the order cannot be decoded"),
                    }
                }
            }
            ToNode::End { client, session } => {
                if let Some(known) = self.sessions.get_mut(&client)
                    && known.link.session() == session
                {
                    known.end();
                } else {
                    self.tell(
                        client,
                        ToClient::Ended {
                            node: self.info.id,
                            session,
                        },
                    );
                }
            }
        }
    }

    /// Has a client hear who this is.
    fn greet(&self, client: u64) {
        if let Some(session) = self.sessions.get(&client) {
            let info = NodeInfo {
                session: session.link.session(),
                ..self.info.clone()
            };
            self.tell(client, ToClient::Here(info));
        }
    }

    /// Sends a message, later, in its own time.
    fn tell(&self, client: u64, message: ToClient) {
        let (bus, subject) = (self.bus.clone(), wire::inbox(&self.info.build, client));
        tokio::spawn(async move { bus.publish(&subject, wire::encode(&message)).await });
    }

    /// Hands waiting tasks to workers, one of each client in turn.
    fn start_tasks(&mut self) {
        let ahead = AHEAD.as_nanos() / self.mean.as_nanos().max(1);
        let most = self.pool.size() * ahead.clamp(1, MOST_AHEAD) as usize;
        let mut any = true;
        while any {
            any = false;
            for (client, session) in &mut self.sessions {
                if self.running >= most || session.is_ending {
                    continue;
                }
                let Some(task) = session.waiting.pop_front() else {
                    continue;
                };
                any = true;
                if session.start(self.pool, *client, task, &self.finished) {
                    self.running += 1;
                }
            }
        }
    }

    fn finish(&mut self, finished: Finished) {
        self.running -= 1;
        let Finished {
            client,
            session,
            task,
            outcome,
        } = finished;
        let outcome = outcome.map(Answer::of);
        if let Ok(answer) = &outcome {
            self.mean = (self.mean * 7 + answer.time()) / 8;
        }
        let Some(known) = self.sessions.get_mut(&client) else {
            return;
        };
        if known.link.session() != session {
            return;
        }
        known.running.remove(&task);
        if known.is_ending {
            return;
        }
        let what = match outcome {
            Ok(answer) => What::Ran(answer),
            Err(TaskError::WorkerLost(lost)) => What::Lost(Loss {
                pid: lost.pid,
                begun: lost.begun,
                hint: lost.hint,
                stderr: lost.stderr,
                cause: lost.cause.into(),
            }),
            Err(TaskError::Cancelled) => What::Stopped,
            Err(error) => What::Refused(error.to_string()),
        };
        known.link.push(&Event { task, what });
    }

    /// Ends sessions whose client was not heard of for too long, sends again what was lost, and has clients hear of this node.
    async fn check(&mut self) {
        let beat = self.beat();
        let is_quiet = self.is_quiet;
        for (client, session) in &mut self.sessions {
            let is_silent = !session.is_ending && session.heard.elapsed() > session.contact;
            if is_silent && !is_quiet {
                say(&format!(
                    "client {client:016x} was not heard of for {:?}: its tasks are stopped",
                    session.contact
                ));
            }
            if is_silent {
                session.end();
            }
            session.link.check(beat.min(RESEND));
            let packet = session.link.packet();
            let message = ToClient::Packet {
                node: self.info.id,
                packet,
            };
            let subject = wire::inbox(&self.info.build, *client);
            self.bus.publish(&subject, wire::encode(&message)).await;
        }
    }

    /// Sends what there is to be said, and forgets clients that have ended.
    async fn send(&mut self) {
        let mut ended = Vec::new();
        for (client, session) in &mut self.sessions {
            let subject = wire::inbox(&self.info.build, *client);
            if session.is_ending {
                if session.running.is_empty() {
                    let message = ToClient::Ended {
                        node: self.info.id,
                        session: session.link.session(),
                    };
                    self.bus.publish(&subject, wire::encode(&message)).await;
                    ended.push(*client);
                }
                continue;
            }
            while let Some(packet) = session.link.next() {
                let message = ToClient::Packet {
                    node: self.info.id,
                    packet,
                };
                self.bus.publish(&subject, wire::encode(&message)).await;
            }
        }
        for client in ended {
            self.sessions.remove(&client);
        }
    }

    /// Takes no more work, gives back what has not started, and leaves when the rest has ended.
    fn drain(&mut self) {
        if std::mem::replace(&mut self.info.is_draining, true) {
            return;
        }
        self.tell_user("leaving when what runs has ended");
        for session in self.sessions.values_mut() {
            for task in std::mem::take(&mut session.waiting) {
                session.link.push(&Event {
                    task: task.number,
                    what: What::Returned,
                });
            }
        }
        for client in self.sessions.keys() {
            self.greet(*client);
        }
    }

    fn is_drained(&self) -> bool {
        let is_done = |session: &Session| session.is_ending || session.link.is_confirmed();
        self.running == 0 && self.sessions.values().all(is_done)
    }
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("signals cannot be received: {error}"))
}
