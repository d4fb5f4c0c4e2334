//! How fast a cluster on this machine is, beside a pool of processes: `cargo run --release --example throughput [NODES]`.

use std::time::{Duration, Instant};

use pool_cluster::prelude::*;
use pool_process::ProcessPool;

fn same(x: u64) -> u64 {
    x
}

fn sleep(millis: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(millis));
    millis
}

fn measure<P: Pool>(name: &str, pool: &P) -> Result<(), Box<dyn std::error::Error>> {
    const MANY: u64 = 20_000;
    let mut times = Vec::new();
    for x in 0..500 {
        let began = Instant::now();
        pool.apply(same, x)?;
        times.push(began.elapsed());
    }
    times.sort();
    let began = Instant::now();
    let handles = (0..MANY)
        .map(|x| pool.apply_async(same, x))
        .collect::<Result<Vec<_>, _>>()?;
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(handle.get()?, x);
    }
    let tasks = began.elapsed();
    let began = Instant::now();
    assert_eq!(
        pool.each(same, 0..MANY).chunksize(1).wait()?.len() as u64,
        MANY
    );
    let chunks = began.elapsed();
    let began = Instant::now();
    let bytes = pool.apply(|bytes: Vec<u8>| bytes, vec![7; 16 << 20])?.len();
    let echo = began.elapsed();
    let rate = |time: Duration| MANY as f64 / time.as_secs_f64() / 1000.0;
    println!(
        "{name:8} apply p50 {:?}, p99 {:?}; {:.1} k tasks/s by handles, {:.1} k/s in chunks of one; {} MiB there and back in {echo:?}",
        times[250],
        times[495],
        rate(tasks),
        rate(chunks),
        bytes >> 20,
    );
    for (millis, count) in [(1, 1000_u64), (10, 200), (100, 24)] {
        let began = Instant::now();
        pool.each(sleep, std::iter::repeat_n(millis, count as usize))
            .chunksize(1)
            .wait()?;
        let ideal = Duration::from_millis(millis * count) / pool.size() as u32;
        println!(
            "{name:8} tasks of {millis:3} ms: {:.0} % of what {} workers can do",
            100.0 * ideal.as_secs_f64() / began.elapsed().as_secs_f64(),
            pool.size()
        );
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = std::env::args()
        .nth(1)
        .map_or(Ok(2), |nodes| nodes.parse())?;
    let processes = ProcessPool::new(nodes)?;
    measure("process", &processes)?;
    drop(processes);
    let cluster = ClusterPool::builder().node_workers(1).local(nodes)?;
    measure("cluster", &cluster)?;
    cluster.close();
    cluster.join()?;
    Ok(())
}
