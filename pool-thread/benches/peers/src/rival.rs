//! How each workload is measured of a pool.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::contestant::{Chunks, Contestant, Order, Outcome, Payload};
use crate::inner;
use crate::open_loop::{self, Arrivals};
use crate::scale::Scale;
use crate::stats::quantile;
use crate::usage::{self, Usage};
use crate::work::{Work, square};
use crate::workload::{
    BYTES, CPU, EFFICIENCY, ITEMS, P50, P99, PER_ITEM, PER_TASK, PSS, SWITCHES, TASKS, TIME,
    Workload,
};

/// What has been measured, by the name of its metric.
pub type Readings = BTreeMap<String, f64>;

/// One column of the table.
pub trait Rival {
    /// Its name in the tables.
    fn name(&self) -> &str;

    /// Why it takes no part here, if it does not.
    fn absent(&self) -> Option<String> {
        None
    }

    /// One repetition; `None` where this pool has no such thing.
    #[doc(hidden)]
    fn measure(&self, workload: Workload, scale: &Scale) -> Outcome<Option<Readings>>;

    /// Tasks of that length in a second, as many as there can be.
    #[doc(hidden)]
    fn capacity(&self, _micros: u64, _scale: &Scale) -> Outcome<Option<f64>> {
        Ok(None)
    }

    /// One repetition with tasks that arrive at that rate.
    #[doc(hidden)]
    fn arrivals(&self, _arrivals: Arrivals, _scale: &Scale) -> Outcome<Option<Readings>> {
        Ok(None)
    }

    /// A program that does so many tasks of W1 or W2 and nothing else.
    #[doc(hidden)]
    fn program(&self, workload: Workload, workers: usize, tasks: usize)
    -> Outcome<Option<Command>>;

    /// So many tasks of W1 or W2, in this program.
    #[doc(hidden)]
    fn perform(&self, _workload: Workload, _workers: usize, _tasks: usize) -> Outcome<()> {
        Err("this pool lives in another program".into())
    }
}

/// A pool that lives in this program.
#[derive(Debug)]
pub struct Native<C>(PhantomData<fn() -> C>);

impl<C: Contestant + 'static> Native<C> {
    /// Its column.
    #[must_use]
    pub fn column() -> Box<dyn Rival> {
        Box::new(Native::<C>(PhantomData))
    }
}

impl<C: Contestant> Rival for Native<C> {
    fn name(&self) -> &str {
        C::NAME
    }

    fn measure(&self, workload: Workload, scale: &Scale) -> Outcome<Option<Readings>> {
        match workload {
            Workload::Start | Workload::FirstStart => start::<C>(workload, scale),
            Workload::Efficiency => on::<C, _>(2, |pool| efficiency(pool, scale)),
            Workload::Queued if !C::HANDLES => Ok(None),
            _ => on::<C, _>(scale.workers, |pool| match workload {
                Workload::OneAtATime => one_at_a_time(pool, scale),
                Workload::Cold => cold(pool, scale),
                Workload::Burst => burst(pool, scale),
                Workload::Map => map(pool, scale.map_items, Chunks::Own),
                Workload::MapOne => map(pool, scale.map_one_items, Chunks::One),
                Workload::Echo { mib, text } => echo(pool, mib << 20, text, scale),
                Workload::Stream(order) => stream(pool, order, scale),
                Workload::Queued => queued(pool, scale),
                Workload::IdleMemory => idle_memory(pool, scale),
                Workload::Efficiency
                | Workload::Start
                | Workload::FirstStart
                | Workload::Open { .. } => Ok(None),
            }),
        }
    }

    fn capacity(&self, micros: u64, scale: &Scale) -> Outcome<Option<f64>> {
        if let Some(reason) = C::NO_ARRIVALS {
            return Err(reason.into());
        }
        if !C::HANDLES {
            return Ok(None);
        }
        let tasks = (scale.burst / 2 / C::BURST_DIVISOR).clamp(200, 20_000);
        let tasks = if micros > 10 { tasks.min(500) } else { tasks };
        on::<C, _>(open_loop::workers(scale), |pool| {
            let began = Instant::now();
            pool.burst(Work::Stamp, micros, tasks)?;
            Ok(Some(tasks as f64 / began.elapsed().as_secs_f64()))
        })
    }

    fn arrivals(&self, arrivals: Arrivals, scale: &Scale) -> Outcome<Option<Readings>> {
        if !C::HANDLES {
            return Ok(None);
        }
        let arrivals = arrivals.at_most(40_000 / C::BURST_DIVISOR);
        on::<C, _>(open_loop::workers(scale), |pool| {
            open_loop::measure(pool, arrivals).map(Some)
        })
    }

    fn program(
        &self,
        workload: Workload,
        workers: usize,
        tasks: usize,
    ) -> Outcome<Option<Command>> {
        inner::command::<C>(workload, workers, tasks).map(Some)
    }

    fn perform(&self, workload: Workload, workers: usize, tasks: usize) -> Outcome<()> {
        inner::perform::<C>(workload, workers, tasks)
    }
}

/// A pool that has worked already, for one measurement.
fn on<C: Contestant, R>(workers: usize, measure: impl FnOnce(&C) -> Outcome<R>) -> Outcome<R> {
    let pool = C::start(workers)?;
    pool.burst(Work::Noop, 0, 64)?;
    let result = measure(&pool);
    pool.stop()?;
    result
}

fn readings<const N: usize>(of: [(&str, f64); N]) -> Option<Readings> {
    Some(of.map(|(name, value)| (name.to_owned(), value)).into())
}

fn call(pool: &impl Contestant) -> Outcome<f64> {
    let began = Instant::now();
    pool.wait(pool.submit(Work::Noop, 1)?)?;
    Ok(began.elapsed().as_secs_f64())
}

fn one_at_a_time(pool: &impl Contestant, scale: &Scale) -> Outcome<Option<Readings>> {
    for _ in 0..50 {
        call(pool)?;
    }
    let mut times = Vec::with_capacity(scale.calls);
    let (before, began) = (Usage::now()?, Instant::now());
    while times.len() < scale.calls && (times.len() < 20 || began.elapsed() < scale.patience) {
        times.push(call(pool)?);
    }
    let used = Usage::now()?.since(before);
    let calls = times.len() as f64;
    Ok(latencies(&times).map(|mut readings| {
        readings.insert(CPU.to_owned(), used.cpu / calls);
        readings.insert(SWITCHES.to_owned(), used.switches / calls);
        readings
    }))
}

fn cold(pool: &impl Contestant, scale: &Scale) -> Outcome<Option<Readings>> {
    let times: Vec<f64> = (0..scale.cold_calls)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(2));
            call(pool)
        })
        .collect::<Outcome<_>>()?;
    Ok(latencies(&times))
}

fn latencies(times: &[f64]) -> Option<Readings> {
    readings([(P50, quantile(times, 0.5)?), (P99, quantile(times, 0.99)?)])
}

fn burst<C: Contestant>(pool: &C, scale: &Scale) -> Outcome<Option<Readings>> {
    let tasks = scale.burst / C::BURST_DIVISOR;
    let (before, began) = (Usage::now()?, Instant::now());
    pool.burst(Work::Noop, 1, tasks)?;
    let time = began.elapsed().as_secs_f64();
    let used = Usage::now()?.since(before);
    let tasks = tasks as f64;
    Ok(readings([
        (TASKS, tasks / time),
        (CPU, used.cpu / tasks),
        (SWITCHES, used.switches / tasks),
    ]))
}

fn map<C: Contestant>(pool: &C, items: usize, chunks: Chunks) -> Outcome<Option<Readings>> {
    let items = match chunks {
        Chunks::Own => items,
        Chunks::One => items / C::BURST_DIVISOR,
    };
    let input = Arc::new((0..items as u64).collect::<Vec<u64>>());
    let mut rates = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        let Some(output) = pool.map(&input, chunks)? else {
            return Ok(None);
        };
        rates.push(items as f64 / began.elapsed().as_secs_f64());
        if output.len() != items || output.last() != input.last().map(|&last| square(last)).as_ref()
        {
            return Err("a map has a wrong result".into());
        }
    }
    Ok(quantile(&rates, 0.5).and_then(|rate| readings([(ITEMS, rate)])))
}

fn efficiency(pool: &impl Contestant, scale: &Scale) -> Outcome<Option<Readings>> {
    let tasks = scale.busy_tasks;
    let began = Instant::now();
    pool.burst(Work::Busy, 1_000, tasks)?;
    let ideal = tasks as f64 * 1e-3 / 2.0;
    Ok(readings([(
        EFFICIENCY,
        ideal / began.elapsed().as_secs_f64(),
    )]))
}

fn echo(
    pool: &impl Contestant,
    bytes: usize,
    text: bool,
    scale: &Scale,
) -> Outcome<Option<Readings>> {
    let mut payload = if text {
        Payload::Text("x".repeat(bytes))
    } else {
        Payload::Bytes((0..bytes).map(|index| index as u8).collect())
    };
    let copy = payload.clone();
    // Each side's pages are there before it is timed.
    match pool.echo(payload)? {
        Some(echoed) if echoed == copy => payload = echoed,
        Some(_) => return Err("an echo differs".into()),
        None => return Ok(None),
    }
    let rounds = (scale.echo_bytes / bytes).max(1);
    let began = Instant::now();
    for _ in 0..rounds {
        payload = pool.echo(payload)?.ok_or("no echo")?;
    }
    let time = began.elapsed().as_secs_f64();
    Ok(readings([(BYTES, (bytes * rounds) as f64 / time)]))
}

fn start<C: Contestant>(workload: Workload, scale: &Scale) -> Outcome<Option<Readings>> {
    let starts = match workload {
        Workload::FirstStart => 1,
        _ => scale.starts,
    };
    let mut times = Vec::new();
    for _ in 0..starts {
        let began = Instant::now();
        let pool = C::start(4)?;
        call(&pool)?;
        times.push(began.elapsed().as_secs_f64());
        pool.stop()?;
    }
    Ok(quantile(&times, 0.5).and_then(|time| readings([(TIME, time)])))
}

fn stream<C: Contestant>(pool: &C, order: Order, scale: &Scale) -> Outcome<Option<Readings>> {
    let items = scale.stream_items / C::BURST_DIVISOR as u64;
    let began = Instant::now();
    let Some(sum) = pool.stream(items, order)? else {
        return Ok(None);
    };
    let time = began.elapsed().as_secs_f64();
    if sum != (0..items).sum::<u64>() {
        return Err("a stream has wrong results".into());
    }
    Ok(readings([(PER_ITEM, time / items as f64)]))
}

/// Every worker sleeps meanwhile; unless the tasks are all queued before one awakes, there is no reading.
fn queued<C: Contestant>(pool: &C, scale: &Scale) -> Outcome<Option<Readings>> {
    let (tasks, rest) = (scale.queued / C::BURST_DIVISOR, Duration::from_secs(1));
    let sleeping: Vec<C::Handle> = (0..scale.workers)
        .map(|_| pool.submit(Work::Sleep, rest.as_micros() as u64))
        .collect::<Outcome<_>>()?;
    std::thread::sleep(rest / 10);
    let began = Instant::now();
    let mut handles = Vec::with_capacity(tasks);
    let (submitted, bytes) = crate::memory::grown(|| {
        for _ in 0..tasks {
            handles.push(pool.submit(Work::Noop, 1)?);
        }
        Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    });
    submitted?;
    let in_time = began.elapsed() < rest / 2;
    for handle in sleeping.into_iter().chain(handles) {
        pool.wait(handle)?;
    }
    if !in_time {
        return Err("its queue does not take so many tasks while its workers sleep".into());
    }
    // A handle is where its owner keeps it, here in a vector that was there before.
    let handle = size_of::<C::Handle>() as f64;
    Ok(readings([(PER_TASK, bytes as f64 / tasks as f64 + handle)]))
}

fn idle_memory<C: Contestant>(pool: &C, scale: &Scale) -> Outcome<Option<Readings>> {
    let handles: Vec<C::Handle> = (0..scale.workers * 4)
        .map(|_| pool.submit(Work::Sleep, 20_000))
        .collect::<Outcome<_>>()?;
    let mut workers = Vec::new();
    for handle in handles {
        workers.push(u32::try_from(pool.wait(handle)?)?);
    }
    workers.sort_unstable();
    workers.dedup();
    if workers.contains(&std::process::id()) {
        return Ok(None);
    }
    let sizes: Vec<f64> = workers
        .iter()
        .map(|pid| usage::proportional_set_size(*pid))
        .collect::<Outcome<_>>()?;
    let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
    Ok(readings([(PSS, mean)]))
}
