//! So many operations of one kind in a pool of one worker, to be counted by callgrind: `instructions PATH NUMBER`.
//!
//! What an operation takes is the difference of two counts with different numbers. The pool takes many units at once, whatever they
//! take, and does not spin: under callgrind no task is short, and how often a thread looks depends on the machine.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use peers::Outcome;
use peers::work::square;
use pool_thread::{AsyncResult, Pool, StartError, TaskError, ThreadPool};

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
            let pool = pool()?;
            let submitted = submitted(&pool, number)?;
            black_box(&submitted);
            // The worker is never let go.
            std::process::exit(0)
        }
        "task" => {
            let pool = pool()?;
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
            let pool = pool()?;
            for index in 0..number {
                black_box(pool.apply(|index| index, index)?);
            }
            pool.close();
            Ok(pool.join()?)
        }
        "map" | "map-slice" | "map-chunks-of-one" => {
            let pool = pool()?;
            let items: Vec<u64> = (0..number).collect();
            black_box(match path {
                "map" => pool.map(square, items.iter().copied())?,
                "map-slice" => pool.map_slice(|item| square(*item), &items)?,
                _ => pool.each(square, items).chunksize(1).wait()?,
            });
            pool.close();
            Ok(pool.join()?)
        }
        "imap" | "imap-unordered" => {
            let pool = pool()?;
            let same = |item| item;
            let mut results = match path {
                "imap" => pool.imap(same, 0..number)?,
                _ => pool.imap_unordered(same, 0..number)?,
            };
            let sum = results.try_fold(0, |sum, result| Ok::<u64, TaskError>(sum + result?))?;
            black_box(sum);
            drop(results);
            pool.close();
            Ok(pool.join()?)
        }
        _ => Err(format!("there is no path {path}").into()),
    }
}

fn pool() -> Result<ThreadPool, StartError> {
    let builder = ThreadPool::builder().size(1).reach(64);
    builder.spin(Duration::ZERO).build()
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
