//! This program, started by itself to measure one thing: with a fresh heap, on one CPU, or under a tracer.

use std::process::Command;

use crate::contestant::{Contestant, Outcome};
use crate::noise;
use crate::rival::{Readings, Rival};
use crate::scale::Scale;
use crate::work::Work;
use crate::workload::{Row, Setting, Workload, rows};

/// The argument by which this program measures one row of one rival and prints it.
pub(crate) const MEASURE: &str = "--measure";
/// The argument by which it does so many tasks of a row for one rival.
pub(crate) const DO: &str = "--do";
const ONE_CPU: &str = "one-cpu";
const ALL_CPUS: &str = "all-cpus";

/// One repetition of a row in a program of its own.
pub(crate) fn measure(rival: &dyn Rival, row: Row, scale: &Scale) -> Outcome<Option<Readings>> {
    let cpus = match row.setting {
        Setting::OneCpu => ONE_CPU,
        Setting::Quiet | Setting::Busy => ALL_CPUS,
    };
    let output = Command::new(std::env::current_exe()?)
        .args([MEASURE, &row.workload.id(), rival.name(), cpus, scale.name])
        .arg(scale.workers.to_string())
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The other side of [`measure`].
pub(crate) fn answer(
    arguments: &[String],
    processes: bool,
    rivals: &[Box<dyn Rival>],
) -> Outcome<()> {
    let [id, name, cpus, scale, workers] = arguments else {
        return Err(format!("{MEASURE} ROW RIVAL CPUS SCALE WORKERS").into());
    };
    let workers = workers.parse()?;
    let scale = match scale.as_str() {
        "full" => Scale::full(processes, workers),
        _ => Scale::short(processes, workers),
    };
    if cpus == ONE_CPU {
        noise::keep_to_one_cpu()?;
    }
    let workload = named(id, processes)?;
    let readings = find(rivals, name)?.measure(workload, &scale)?;
    println!("{}", serde_json::to_string(&readings)?);
    Ok(())
}

/// A program that does so many tasks of W1 or W2 in a pool and nothing else.
pub(crate) fn command<C: Contestant>(
    workload: Workload,
    workers: usize,
    tasks: usize,
) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([DO, &workload.id(), C::NAME]);
    command.args([workers.to_string(), tasks.to_string()]);
    Ok(command)
}

/// The other side of [`command`].
pub(crate) fn obey(
    arguments: &[String],
    processes: bool,
    rivals: &[Box<dyn Rival>],
) -> Outcome<()> {
    let [id, name, workers, tasks] = arguments else {
        return Err(format!("{DO} ROW RIVAL WORKERS TASKS").into());
    };
    find(rivals, name)?.perform(named(id, processes)?, workers.parse()?, tasks.parse()?)
}

/// So many tasks of a row, not timed.
pub(crate) fn perform<C: Contestant>(
    workload: Workload,
    workers: usize,
    tasks: usize,
) -> Outcome<()> {
    let pool = C::start(workers)?;
    if workload == Workload::Burst {
        pool.burst(Work::Noop, 1, tasks)?;
    } else {
        for _ in 0..tasks {
            pool.wait(pool.submit(Work::Noop, 1)?)?;
        }
    }
    pool.stop()
}

fn named(id: &str, processes: bool) -> Outcome<Workload> {
    rows(processes)
        .into_iter()
        .map(|row| row.workload)
        .find(|workload| workload.id() == id)
        .ok_or_else(|| format!("there is no row {id}").into())
}

fn find<'r>(rivals: &'r [Box<dyn Rival>], name: &str) -> Outcome<&'r dyn Rival> {
    rivals
        .iter()
        .find(|rival| rival.name() == name)
        .map(|rival| &**rival)
        .ok_or_else(|| format!("there is no rival {name}").into())
}
