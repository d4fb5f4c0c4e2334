//! Many tasks on nodes that somebody kills, cuts off and brings back meanwhile: `storm URL TASKS LOGS [retries]`. It says what came of
//! them, and fails where a handle did not resolve, a value is wrong, or a task ran twice that may not. `.ci/cluster-storm` runs it.
//!
//! Each task writes its number into a file of its worker's in the folder LOGS, which the nodes must see as well.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pool_cluster::prelude::*;

/// A task: its number, how long it takes in microseconds, and where it writes that it has run.
type Task = (u32, u64, String);

fn run((number, micros, logs): Task) -> Result<u64, Report> {
    let path = format!("{logs}/{}", std::process::id());
    let mut log = OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(log, "{number}")?;
    std::thread::sleep(Duration::from_micros(micros));
    Ok(u64::from(number) * 2 + 1)
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(tasks), Some(logs)) = (words.next(), words.next(), words.next()) else {
        return Err("storm URL TASKS LOGS [retries]".into());
    };
    let tasks: u32 = tasks.parse()?;
    let retries = words.next().is_some();
    fs::create_dir_all(&logs)?;
    let builder = ClusterPool::builder()
        .contact(Duration::from_secs(1))
        .patience(Duration::from_secs(60));
    let pool = builder.connect(&url)?;
    println!("{} workers at the start", pool.size());
    let began = Instant::now();
    let submit = |number| {
        let call = pool.try_call(run, (number, 1_000, logs.clone()));
        match retries {
            true => call.retries(20).submit(),
            false => call.submit(),
        }
    };
    let handles = (0..tasks).map(submit).collect::<Result<Vec<_>, _>>()?;
    let (mut right, mut lost, mut wrong) = (0, HashMap::<String, u32>::new(), 0);
    for (number, handle) in (0..u64::from(tasks)).zip(handles) {
        match handle.get() {
            Ok(value) if value == number * 2 + 1 => right += 1,
            Ok(_) => wrong += 1,
            Err(TaskError::WorkerLost(error)) => {
                let cause = error.cause.to_string();
                *lost
                    .entry(cause.split(" (pid").next().unwrap_or_default().to_owned())
                    .or_default() += 1;
            }
            Err(error) => {
                println!("task {number}: {error}");
                wrong += 1;
            }
        }
    }
    let time = began.elapsed();
    let stats = pool.stats();
    pool.close();
    pool.join()?;
    let mut runs = vec![0_u32; tasks as usize];
    for file in fs::read_dir(&logs)? {
        for line in fs::read_to_string(file?.path())?.lines() {
            if let Some(count) = line
                .parse()
                .ok()
                .and_then(|number: usize| runs.get_mut(number))
            {
                *count += 1;
            }
        }
    }
    let twice = runs.iter().filter(|count| **count > 1).count();
    let never = runs.iter().filter(|count| **count == 0).count();
    println!(
        "{tasks} tasks in {time:.1?}: {right} right, {} lost, {wrong} wrong; {twice} ran more than once, {never} never",
        lost.values().sum::<u32>()
    );
    for (cause, count) in lost {
        println!("  {count} {cause}");
    }
    println!(
        "{} nodes lost; units: {} lost, {} given back",
        stats.lost_nodes, stats.lost, stats.returned
    );
    let right_runs =
        wrong == 0 && (retries || twice == 0) && never + right as usize <= tasks as usize;
    Ok(if right_runs {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
