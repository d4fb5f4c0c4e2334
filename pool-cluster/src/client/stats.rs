//! A pool's work and its nodes in numbers.

use pool_core::TaskStats;

/// A snapshot.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Its tasks.
    pub tasks: TaskStats,
    /// The nodes that it has now.
    pub nodes: Vec<NodeStats>,
    /// Nodes that were lost.
    pub lost_nodes: u64,
    /// Parts of jobs that were lost, with a worker or with a node, once for each time.
    pub lost: u64,
    /// Parts of jobs that a node gave back before they had started.
    pub returned: u64,
}

/// A node, as its client knows it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeStats {
    /// The name of its machine.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// How many workers it has.
    pub workers: usize,
    /// Parts of jobs that it has at the moment: a call, or a chunk of a map.
    pub running: usize,
    /// Parts of jobs that it has done.
    pub done: u64,
    /// It takes no more work, and leaves.
    pub is_draining: bool,
}
