//! So many operations of one kind in a pool of one worker, to be counted by callgrind: `instructions PATH NUMBER`.
//!
//! What an operation takes is the difference of two counts with different numbers.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use peers::contestant::{Chunks, Order};
use peers::threads::Ours;
use peers::{Contestant, Outcome};
use pool_thread::{AsyncResult, Pool, ThreadPool};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match &arguments[..] {
        [path, number] => number
            .parse()
            .map_err(Into::into)
            .and_then(|number| perform(path, number)),
        _ => Err("instructions PATH NUMBER".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(path: &str, number: u64) -> Outcome<()> {
    match path {
        "submit" => {
            let pool = ThreadPool::new(1)?;
            let submitted = submitted(&pool, number)?;
            black_box(&submitted);
            // The worker is never let go.
            std::process::exit(0)
        }
        "task" => {
            let pool = ThreadPool::new(1)?;
            let submitted = submitted(&pool, number)?;
            drop(submitted.held);
            pool.close();
            pool.join()?;
            black_box(submitted.first.get()?);
            for handle in submitted.handles {
                black_box(handle.get()?);
            }
            Ok(())
        }
        "call" => {
            let pool = ThreadPool::new(1)?;
            for index in 0..number {
                black_box(pool.apply(|index| index, index)?);
            }
            pool.close();
            Ok(pool.join()?)
        }
        "map" | "map-chunks-of-one" => {
            let pool = Ours::start(1)?;
            let chunks = match path {
                "map" => Chunks::Own,
                _ => Chunks::One,
            };
            black_box(pool.map(&Arc::new((0..number).collect()), chunks)?);
            pool.stop()
        }
        "imap" => {
            let pool = Ours::start(1)?;
            black_box(pool.stream(number, Order::Input)?);
            pool.stop()
        }
        _ => Err(format!("there is no path {path}").into()),
    }
}

/// No-ops that no worker has begun.
struct Submitted {
    /// The worker goes on when this is dropped.
    held: Sender<()>,
    first: AsyncResult<bool>,
    handles: Vec<AsyncResult<u64>>,
}

/// No-ops behind a task that has begun.
fn submitted(pool: &ThreadPool, number: u64) -> Outcome<Submitted> {
    let (held, hold) = channel::<()>();
    let (started, start) = channel();
    let first = pool.apply_async(
        move |()| started.send(()).is_ok() && hold.recv().is_err(),
        (),
    )?;
    start.recv()?;
    let mut handles = Vec::with_capacity(usize::try_from(number)?);
    for index in 0..number {
        handles.push(pool.apply_async(|index| index, index)?);
    }
    Ok(Submitted {
        held,
        first,
        handles,
    })
}
