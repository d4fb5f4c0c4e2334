//! How a pool is made.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use pool_core::backend::{Config, Engine, WaitGroup, thread_builder};
use pool_core::{StartError, Timers};
use tokio::process::Child;
use tokio::sync::oneshot;

use crate::bus::{Access, Bus};
use crate::client::ClusterPool;
use crate::client::backend::Cluster;
use crate::client::dispatcher::{Dispatcher, Plan, QueueOf, Shared};
use crate::local::{self, Server};
use crate::{build, hook};

/// How a [`ClusterPool`] is to be; what is not said stays at its default.
#[derive(Debug, Clone)]
#[must_use = "nothing is connected before `connect` or `local`"]
pub struct Builder {
    config: Config,
    timers: Timers,
    credentials: Option<PathBuf>,
    certificates: Option<PathBuf>,
    nodes: usize,
    node_workers: Option<usize>,
    patience: Duration,
    contact: Duration,
    grace: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            config: Config::default(),
            timers: Timers::real(),
            credentials: None,
            certificates: None,
            nodes: 1,
            node_workers: None,
            patience: Duration::from_secs(10),
            contact: Duration::from_secs(5),
            grace: Duration::from_secs(3),
        }
    }
}

impl ClusterPool {
    /// Connects to a server, `nats://host:4222`, and takes the nodes of this program that are there. A user and a password, or a token,
    /// may stand before the host: `nats://user:password@host`. `tls://` asks for TLS.
    ///
    /// # Errors
    ///
    /// There is no server, it refuses, or no node is there within ten seconds: the error names nodes of other builds.
    pub fn connect(url: &str) -> Result<Self, StartError> {
        ClusterPool::builder().connect(url)
    }

    /// Starts a server and so many nodes on this machine, which end with the pool, or with the program. The server is `nats-server` on the
    /// `PATH`, or what the variable `NATS_SERVER` names; it listens on the loopback interface, and lets in who has its token.
    ///
    /// # Errors
    ///
    /// No nodes were asked for, there is no server, or a process cannot be started.
    pub fn local(nodes: usize) -> Result<Self, StartError> {
        ClusterPool::builder().local(nodes)
    }

    /// A pool in the making.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// A file of credentials (`.creds`) for the server.
    pub fn credentials(self, path: impl Into<PathBuf>) -> Self {
        Builder {
            credentials: Some(path.into()),
            ..self
        }
    }

    /// A file of certificates (PEM) that are trusted beside the system's; the connection must be TLS then.
    pub fn certificates(self, path: impl Into<PathBuf>) -> Self {
        Builder {
            certificates: Some(path.into()),
            ..self
        }
    }

    /// How many nodes there must be before the pool starts (default: 1). More may come and go later.
    pub fn nodes(self, nodes: usize) -> Self {
        Builder { nodes, ..self }
    }

    /// How many workers each node of [`local`](Self::local) has; without it, the CPUs of this machine are divided.
    pub fn node_workers(self, workers: usize) -> Self {
        Builder {
            node_workers: Some(workers),
            ..self
        }
    }

    /// How long the pool waits for a node, at the start and later: after that what waits in the queue fails (default: 10 seconds).
    pub fn patience(self, limit: Duration) -> Self {
        Builder {
            patience: limit,
            ..self
        }
    }

    /// After so long without a word from its client a node stops what it runs for it (default: 5 seconds, at least 100 ms). The client
    /// takes a node for lost after twice that and two seconds. A server that is restarted must be back within this time, or what runs is
    /// lost.
    pub fn contact(self, limit: Duration) -> Self {
        Builder {
            contact: limit.max(Duration::from_millis(100)),
            ..self
        }
    }

    /// How long `terminate` waits for nodes to stop what they run (default: 3 seconds).
    pub fn grace(self, limit: Duration) -> Self {
        Builder {
            grace: limit,
            ..self
        }
    }

    /// How many tasks may wait in the queue; without it, any number.
    pub fn queue(self, tasks: usize) -> Self {
        Builder {
            config: self.config.queue(tasks),
            ..self
        }
    }

    /// How often a task is tried again that was lost with its worker or its node, for all calls that do not say it themselves: see
    /// [`Call::retries`](crate::Call::retries) (default: it fails at once).
    pub fn retries(self, most: u32) -> Self {
        Builder {
            config: self.config.retries(most),
            ..self
        }
    }

    /// How long such a task waits before it is tried again, for all calls that do not say it themselves.
    pub fn retry_pause(self, first: Duration) -> Self {
        Builder {
            config: self.config.retry_pause(first),
            ..self
        }
    }

    /// The pool's source of time, for deadlines and pauses.
    pub fn timers(self, timers: Timers) -> Self {
        Builder {
            config: self.config.timers(timers.clone()),
            timers,
            ..self
        }
    }

    /// Whether a drop with unfinished tasks says so on stderr (default: yes).
    pub fn warn_on_drop(self, warn: bool) -> Self {
        Builder {
            config: self.config.warn_on_drop(warn),
            ..self
        }
    }

    /// Connects to a server, and takes the nodes of this program that are there.
    ///
    /// # Errors
    ///
    /// As for [`ClusterPool::connect`].
    pub fn connect(self, url: &str) -> Result<ClusterPool, StartError> {
        let access = Access {
            url: url.to_owned(),
            credentials: self.credentials.clone(),
            certificates: self.certificates.clone(),
        };
        self.start(Place::There(access))
    }

    /// Starts a server and so many nodes on this machine.
    ///
    /// # Errors
    ///
    /// As for [`ClusterPool::local`].
    pub fn local(self, nodes: usize) -> Result<ClusterPool, StartError> {
        if nodes == 0 {
            return Err(StartError::NoWorkers);
        }
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = self.node_workers.unwrap_or_else(|| cpus.div_ceil(nodes));
        Builder { nodes, ..self }.start(Place::Here { nodes, workers })
    }

    fn start(self, place: Place) -> Result<ClusterPool, StartError> {
        hook::link();
        let impossible = |reason: String| StartError::Impossible { reason };
        let build = build::id().map_err(|error| {
            impossible(format!("the program's own file cannot be read: {error}"))
        })?;
        let plan = Plan {
            build,
            nodes: self.nodes.max(1),
            patience: self.patience,
            contact: self.contact,
            grace: self.grace,
            timers: self.timers,
        };
        let (shared, present) = (Arc::new(Shared::default()), Arc::new(WaitGroup::new()));
        let (report, started) = sync_channel(1);
        let (queue, queues) = oneshot::channel();
        let (of_dispatcher, is_present) = (shared.clone(), present.enter());
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(live(plan, place, of_dispatcher, &report, queues)),
                // Who has asked waits for it below.
                Err(error) => drop(report.send(Err(error.to_string()))),
            }
            drop(is_present);
        };
        let thread = thread_builder("pool-cluster").spawn(work);
        let thread = thread.map_err(|source| StartError::Worker { index: 0, source })?;
        let workers = match started.recv() {
            Ok(Ok(workers)) => workers,
            failed => {
                // It ends; a panic in it was said on stderr.
                let _ = thread.join();
                let why = failed.map_or_else(
                    |_| "its thread has ended".to_owned(),
                    |failed| failed.err().unwrap_or_default(),
                );
                return Err(impossible(why));
            }
        };
        let backend = Cluster::new(shared, queue, present, thread);
        Engine::start(backend, self.config.size(workers)).map(ClusterPool)
    }
}

/// Where a pool's server is.
enum Place {
    There(Access),
    /// On this machine: it is to be started.
    Here {
        nodes: usize,
        workers: usize,
    },
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::There(_) => "There",
            Place::Here { .. } => "Here",
        })
    }
}

/// What was started on this machine, to be ended with the pool.
#[derive(Default)]
struct Started {
    server: Option<Server>,
    nodes: Vec<Child>,
}

/// The dispatcher's thread, from the first connection to the end. It tells how many workers there are.
async fn live(
    plan: Plan,
    place: Place,
    shared: Arc<Shared>,
    report: &SyncSender<Result<usize, String>>,
    queue: oneshot::Receiver<QueueOf>,
) {
    let mut started = Started::default();
    match begin(plan, place, shared, &mut started).await {
        Ok((dispatcher, workers)) => {
            // Who has asked waits for it; where it does not, the queue does not come.
            let _ = report.send(Ok(workers));
            dispatcher.run(queue).await;
        }
        // As above.
        Err(why) => drop(report.send(Err(why))),
    }
    for node in &mut started.nodes {
        local::stop(node).await;
    }
    if let Some(server) = started.server {
        server.stop().await;
    }
}

async fn begin(
    plan: Plan,
    place: Place,
    shared: Arc<Shared>,
    started: &mut Started,
) -> Result<(Dispatcher, usize), String> {
    let access = match place {
        Place::There(access) => access,
        Place::Here { nodes, workers } => {
            let server = Server::start().await?;
            let url = server.url.clone();
            started.server = Some(server);
            for _ in 0..nodes {
                started.nodes.push(local::start_node(&url, workers)?);
            }
            Access {
                url,
                credentials: None,
                certificates: None,
            }
        }
    };
    let bus = Bus::connect(&access, "pool", Some(plan.patience), |_| {}).await?;
    Dispatcher::gather(plan, bus, shared).await
}
