//! What a pool of processes costs on this machine: `cargo run --release -p pool-process --example figures`.
//!
//! Each figure is the median of many rounds, with the fastest beside it. They are those of a machine that may have
//! other things to do: its load is printed with them. With `--quick` there are few rounds.

use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use pool_process::{Builder, Pool, ProcessPool, TaskError};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The argument with which this program starts itself to time the first pool of a program.
const FIRST: &str = "--first-pool";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = if arguments.iter().any(|argument| argument == FIRST) {
        first_pool()
    } else {
        figures(arguments.iter().any(|argument| argument == "--quick"))
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("figures: {error}");
            ExitCode::FAILURE
        }
    }
}

fn figures(quick: bool) -> Outcome<()> {
    let rounds = if quick { 3 } else { 100 };
    let cpus = std::thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    println!("{cpus} CPUs, load {}, {rounds} rounds", load.trim());
    let row = |what: &str, mut times: Vec<Duration>| {
        times.sort_unstable();
        println!(
            "{what:<58} {:>9.0} us  (fastest {:.0})",
            micros(times[times.len() / 2]),
            micros(times[0])
        );
    };
    row(
        "pool of 4 to first result, first pool of a program",
        repeat(rounds, first_pool_of_a_program)?,
    );
    row(
        "pool of 4 to first result, fork server there",
        repeat(rounds, || begin(ProcessPool::builder()))?,
    );
    row(
        "pool of 4 to first result, re-exec",
        repeat(rounds, || begin(ProcessPool::builder().reexec()))?,
    );
    let pool = ProcessPool::new(1)?;
    row(
        "worker killed by its task, to the caller's error",
        repeat(rounds, || death(&pool))?,
    );
    row(
        "  and on to the next result, from a new worker",
        repeat(rounds, || replacement(&pool))?,
    );
    // Touched, so that it is there.
    let ballast = vec![1_u8; if quick { 64 << 20 } else { 1 << 30 }];
    let what = format!(
        "  the same in a program that has {} MiB more",
        ballast.len() >> 20
    );
    row(&what, repeat(rounds, || replacement(&pool))?);
    drop(std::hint::black_box(ballast));
    row(
        "apply of a no-op, one at a time",
        repeat(rounds * 100, || call(&pool))?,
    );
    drop(pool);
    memory()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn repeat(rounds: usize, mut time: impl FnMut() -> Outcome<Duration>) -> Outcome<Vec<Duration>> {
    (0..rounds).map(|_| time()).collect()
}

/// From nothing to the first result; the pool's end is not timed.
fn begin(builder: Builder) -> Outcome<Duration> {
    let start = Instant::now();
    let pool = builder.size(4).build()?;
    pool.apply(|x: u64| x, 1)?;
    let time = start.elapsed();
    pool.close();
    pool.join()?;
    Ok(time)
}

/// In a program of its own: prints how long it took.
fn first_pool() -> Outcome<()> {
    println!("{}", begin(ProcessPool::builder())?.as_nanos());
    Ok(())
}

fn first_pool_of_a_program() -> Outcome<Duration> {
    let output = Command::new("/proc/self/exe").arg(FIRST).output()?;
    let nanos = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(Duration::from_nanos(nanos))
}

fn die(_: ()) {
    std::process::abort();
}

/// To the error of a task that kills its worker.
fn death(pool: &ProcessPool) -> Outcome<Duration> {
    pool.apply(|x: u64| x, 1)?;
    let start = Instant::now();
    match pool.apply(die, ()) {
        Err(TaskError::WorkerLost(_)) => Ok(start.elapsed()),
        other => Err(format!("not a lost worker: {other:?}").into()),
    }
}

/// From the error of a task that kills its worker to the result of the next one.
fn replacement(pool: &ProcessPool) -> Outcome<Duration> {
    death(pool)?;
    let start = Instant::now();
    pool.apply(|x: u64| x, 1)?;
    Ok(start.elapsed())
}

fn call(pool: &ProcessPool) -> Outcome<Duration> {
    let start = Instant::now();
    pool.apply(|x: u64| x, 1)?;
    Ok(start.elapsed())
}

/// What idle workers hold of memory that they do not share, and with their part of what they share.
fn memory() -> Outcome<()> {
    let pool = ProcessPool::new(4)?;
    // One after the other, so that all have worked.
    let mut workers: Vec<u32> = pool
        .each(
            |_: u64| {
                std::thread::sleep(Duration::from_millis(20));
                std::process::id()
            },
            0..16,
        )
        .chunksize(1)
        .submit()?
        .get()?;
    workers.sort_unstable();
    workers.dedup();
    let of = |pid: u32, field: &str| -> Outcome<u64> {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = rollup.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        Ok(number.ok_or("no such field")?)
    };
    let mean = |field: &str| -> Outcome<u64> {
        let all: Outcome<Vec<u64>> = workers.iter().map(|pid| of(*pid, field)).collect();
        Ok(all?.iter().sum::<u64>() / workers.len() as u64)
    };
    println!(
        "idle worker of {}: {} KiB (PSS), of which {} are its own alone",
        workers.len(),
        mean("Pss:")?,
        mean("Private_Dirty:")?
    );
    let stat = fs::read_to_string(format!("/proc/{}/stat", workers[0]))?;
    let server = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok())
        .ok_or("no parent")?;
    println!("fork server: {} KiB (PSS)", of(server, "Pss:")?);
    Ok(())
}
