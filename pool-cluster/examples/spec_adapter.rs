//! The adapter by which the conformance harness tries a cluster: `spec-harness run --on PATH-OF-THIS`. Each pool has a server and nodes of
//! its own on this machine: two where its workers can be divided, else one.

use std::process::ExitCode;
use std::time::Duration;

use pool_cluster::{ClusterPool, StartError, TaskStats, Timers};
use spec_harness::adapter::{Implementation, PoolWish, adapter_main};
use spec_harness::protocol::WorkerKind;

struct Clusters;

/// Why two rows about workers that ignore SIGTERM cannot be shown.
const GRACE: &str = "a node's grace runs by its machine's clock, not by the time of the program";

impl Implementation for Clusters {
    type Pool = ClusterPool;
    const NAME: &'static str = "pool-cluster";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const KIND: WorkerKind = WorkerKind::Process;
    const BOUNDS: bool = true;
    const COUNTS: bool = true;
    const DECLINES: &'static [(&'static str, &'static str)] = &[("L7", GRACE), ("L10", GRACE)];
    // Connections are kept alive by the clock; nothing that a pool does waits for that.
    const POLLS: Option<&'static str> = Some("5ms");

    fn pool(wish: PoolWish, timers: Timers) -> Result<ClusterPool, StartError> {
        let size = match wish.size {
            Some(size) => size,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let nodes = if size.is_multiple_of(2) {
            size.min(2)
        } else {
            1
        };
        let mut builder = ClusterPool::builder()
            // Nobody has to be missed here, and what rests is to rest.
            .contact(Duration::from_secs(3600))
            .timers(timers)
            .warn_on_drop(false)
            .node_workers(size / nodes.max(1));
        if let Some(tasks) = wish.queue {
            builder = builder.queue(tasks);
        }
        builder.local(nodes)
    }

    fn stats(pool: &ClusterPool) -> TaskStats {
        pool.stats().tasks
    }
}

fn main() -> ExitCode {
    adapter_main::<Clusters>()
}
