//! How a pool of threads begins, and what it says of itself.

mod common;

use common::pool;
use pool_thread::{Pool, PoolError, TaskError, ThreadPool, current_worker};

#[test]
fn a_pool_of_no_workers_is_refused() {
    let error = ThreadPool::new(0).expect_err("refused");
    assert_eq!(error.to_string(), "number of workers must be at least 1");
}

#[test]
fn the_default_size_is_the_cpus_that_may_be_used() {
    let expected = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(
        ThreadPool::with_default_size().expect("a pool").size(),
        expected
    );
}

#[test]
fn debug_shows_kind_state_and_size() {
    let pool = pool(2);
    pool.close();
    assert_eq!(
        format!("{pool:?}"),
        r#"ThreadPool(Pool { kind: "thread", phase: Closed, size: 2 })"#
    );
}

#[test]
fn a_task_knows_its_worker() {
    let pool = pool(2);
    assert_eq!(current_worker(), None);
    let worker = pool
        .apply(|()| current_worker(), ())
        .expect("a value")
        .expect("a worker");
    assert_eq!(
        worker.name,
        format!("ThreadPoolWorker-{}", worker.index + 1)
    );
    assert_eq!(worker.pid, std::process::id());
    let name = pool
        .apply(|()| std::thread::current().name().map(str::to_owned), ())
        .expect("a value");
    assert!(name.is_some_and(|name| name.starts_with("tpool-") && name.len() <= 15));
}

#[test]
fn a_program_generic_over_pools_runs_on_threads() {
    fn program(pool: &impl Pool) -> Result<(Vec<u64>, u64, Vec<i64>), TaskError> {
        let squares = pool.map(|x: u64| x * x, 0..4)?;
        let sum = pool.apply(|items: Vec<u64>| items.iter().sum(), squares.clone())?;
        let products = pool.starmap(|a: i64, b: i64| a * b, [(2, 3), (4, 5)])?;
        pool.close();
        pool.join()?;
        Ok((squares, sum, products))
    }
    assert_eq!(program(&pool(2)), Ok((vec![0, 1, 4, 9], 14, vec![6, 20])));
}

#[test]
fn a_chunk_size_of_zero_is_refused() {
    let refused = pool(1).each(|x: u8| x, 0..4).chunksize(0).submit();
    assert_eq!(refused.err(), Some(PoolError::ZeroChunksize));
}
