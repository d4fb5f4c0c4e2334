//! Pools of threads.

mod by_handle;
mod crossbeam;
mod ours;
mod rayon;
mod rusty_pool;
mod threadpool;

pub use by_handle::{ByHandle, Spawn};
pub use crossbeam::Crossbeam;
pub use ours::Ours;
pub use rayon::{RayonHandles, RayonIdioms, RayonScope};
pub use rusty_pool::RustyPool;
pub use threadpool::ThreadPoolCrate;
