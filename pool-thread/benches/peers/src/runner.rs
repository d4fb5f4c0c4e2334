//! The command line: repetition by repetition, row by row, each rival in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::contestant::Outcome;
use crate::inner;
use crate::machine::Machine;
use crate::markdown;
use crate::noise::{self, BusyLoops};
use crate::open_loop::Arrivals;
use crate::raw;
use crate::rival::{Readings, Rival};
use crate::scale::Scale;
use crate::svg;
use crate::syscalls;
use crate::table::{Raw, Table};
use crate::usage;
use crate::workload::{Load, Row, SYSTEM_CALLS, Setting, Workload, rows};

/// What a program compares.
pub struct Suite {
    /// The heading.
    pub title: &'static str,
    /// The directory of its package.
    pub package: &'static str,
    /// Whether its pools have processes.
    pub processes: bool,
    /// The columns; the first is ours.
    pub rivals: Vec<Box<dyn Rival>>,
}

const USAGE: &str = "--short | --full  [--only ROW[,ROW..]] [--out DIR]";

/// Does what the command line says.
#[must_use]
pub fn run(suite: &Suite) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (first, rest) = match arguments.split_first() {
        Some((first, rest)) => (first.as_str(), rest),
        None => ("", &arguments[..]),
    };
    let outcome = descriptors().and_then(|()| match first {
        noise::BUSY_LOOP => noise::busy_loop(),
        inner::MEASURE => inner::answer(rest, suite.processes, &suite.rivals),
        inner::DO => inner::obey(rest, suite.processes, &suite.rivals),
        _ => Order::parse(&arguments).and_then(|order| report(suite, &order)),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", suite.title);
            ExitCode::FAILURE
        }
    }
}

/// Some rivals hold descriptors for each task.
fn descriptors() -> Outcome<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// What was asked for.
struct Order {
    full: bool,
    only: Vec<String>,
    out: Option<PathBuf>,
}

impl Order {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut order = Order {
            full: false,
            only: Vec::new(),
            out: None,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--short" => order.full = false,
                "--full" => order.full = true,
                "--only" => {
                    let ids = arguments.next().ok_or(USAGE)?;
                    order.only = ids.split(',').map(str::to_owned).collect();
                }
                "--out" => order.out = Some(arguments.next().ok_or(USAGE)?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(order)
    }
}

fn report(suite: &Suite, order: &Order) -> Outcome<()> {
    let workers = std::thread::available_parallelism()?.get();
    let scale = if order.full {
        Scale::full(suite.processes, workers)
    } else {
        Scale::short(suite.processes, workers)
    };
    let wanted = |row: &Row| order.only.is_empty() || order.only.contains(&row.workload.id());
    let rows: Vec<Row> = rows(suite.processes).into_iter().filter(wanted).collect();
    let (began, (all_before, own_before)) = (Instant::now(), usage::machine()?);
    let mut run = Run::new(suite, &scale, &rows);
    for repetition in 0..scale.repetitions {
        eprintln!(
            "repetition {} of {}, {} s",
            repetition + 1,
            scale.repetitions,
            began.elapsed().as_secs()
        );
        run.repetition(repetition)?;
    }
    run.system_calls()?;
    let (all, own) = usage::machine()?;
    let others = (all - all_before) - (own - own_before);
    let share = others / began.elapsed().as_secs_f64() / workers as f64;
    run.table.machine.used_by_others = Some(share.clamp(0.0, 1.0));
    eprintln!("{} s", began.elapsed().as_secs());
    let page = markdown::page(&run.table);
    print!("{page}");
    let name = format!(
        "{}-{}",
        if suite.processes {
            "processes"
        } else {
            "threads"
        },
        scale.name
    );
    let out = order
        .out
        .clone()
        .unwrap_or_else(|| Path::new(suite.package).join("target/peers"));
    fs::create_dir_all(&out)?;
    fs::write(out.join(format!("{name}.md")), &page)?;
    let json = serde_json::to_string_pretty(&run.table.json())?;
    fs::write(out.join(format!("{name}.json")), json + "\n")?;
    fs::write(out.join(format!("{name}.svg")), svg::chart(&run.table))?;
    eprintln!("written to {}", out.display());
    Ok(())
}

struct Run<'s> {
    rivals: Vec<&'s dyn Rival>,
    scale: &'s Scale,
    rows: &'s [Row],
    table: Table,
}

impl<'s> Run<'s> {
    fn new(suite: &'s Suite, scale: &'s Scale, rows: &'s [Row]) -> Self {
        let mut left_out = Vec::new();
        let mut rivals: Vec<&dyn Rival> = Vec::new();
        for rival in &suite.rivals {
            match rival.absent() {
                Some(reason) => left_out.push(format!("{}: {reason}", rival.name())),
                None => rivals.push(&**rival),
            }
        }
        let package = Path::new(suite.package);
        let table = Table {
            title: suite.title.to_owned(),
            mode: scale.name,
            repetitions: scale.repetitions,
            workers: scale.workers,
            machine: Machine::new(command(package), scale.workers),
            rivals: rivals.iter().map(|rival| rival.name().to_owned()).collect(),
            limits: Vec::new(),
            lines: Table::new_lines(rows, rivals.len()),
            left_out,
        };
        Run {
            rivals,
            scale,
            rows,
            table,
        }
    }

    /// Who begins changes from one repetition to the next.
    fn turn(&self, repetition: usize) -> Vec<usize> {
        let number = self.rivals.len();
        (0..number)
            .map(|place| (place + repetition) % number)
            .collect()
    }

    fn repetition(&mut self, repetition: usize) -> Outcome<()> {
        self.limits()?;
        let mut busy = None;
        for row in self.rows {
            if matches!(row.workload, Workload::Open { .. }) {
                continue;
            }
            match (row.setting, &busy) {
                (Setting::Busy, None) => busy = Some(BusyLoops::start(2)?),
                (Setting::Busy, Some(_)) => {}
                (Setting::Quiet | Setting::OneCpu, _) => busy = None,
            }
            for rival in self.turn(repetition) {
                let it = self.rivals[rival];
                let alone = row.workload.alone() || row.setting == Setting::OneCpu;
                let readings = if alone {
                    inner::measure(it, *row, self.scale)
                } else {
                    it.measure(row.workload, self.scale)
                };
                self.keep(*row, rival, readings);
            }
        }
        self.arrivals(repetition);
        Ok(())
    }

    fn limits(&mut self) -> Outcome<()> {
        for limit in raw::limits()? {
            match self
                .table
                .limits
                .iter_mut()
                .find(|raw| raw.name == limit.name)
            {
                Some(raw) => raw.samples.push(limit.value),
                None => self.table.limits.push(Raw {
                    name: limit.name,
                    unit: limit.unit,
                    samples: vec![limit.value],
                }),
            }
        }
        Ok(())
    }

    fn keep(&mut self, row: Row, rival: usize, readings: Outcome<Option<Readings>>) {
        match readings {
            Ok(Some(readings)) => self.table.add(row, rival, &readings),
            Ok(None) => {}
            Err(error) => {
                let what = format!(
                    "{}, {}: {error}",
                    row.workload.title(),
                    self.rivals[rival].name()
                );
                self.table.leave_out(what);
            }
        }
    }

    /// The capacities of all, then all loads.
    fn arrivals(&mut self, repetition: usize) {
        let mut capacities: Vec<(u64, Vec<Option<f64>>)> = Vec::new();
        for row in self.rows {
            let Workload::Open { micros, load } = row.workload else {
                continue;
            };
            if capacities.last().is_none_or(|(of, _)| *of != micros) {
                capacities.push((micros, self.capacities(micros, *row)));
            }
            let Some((_, of)) = capacities.last() else {
                continue;
            };
            let of = of.clone();
            let slowest = of.iter().flatten().copied().reduce(f64::min);
            for rival in self.turn(repetition) {
                let full = match load {
                    Load::OfSlowest(_) => slowest.filter(|_| of[rival].is_some()),
                    Load::OfOwn(_) => of[rival],
                };
                let Some(full) = full else {
                    continue;
                };
                let rate = full * load.part();
                let arrivals = Arrivals::new(micros, rate, self.scale.arrivals);
                let readings = self.rivals[rival].arrivals(arrivals, self.scale);
                self.keep(*row, rival, readings);
            }
        }
    }

    fn capacities(&mut self, micros: u64, row: Row) -> Vec<Option<f64>> {
        let mut found = Vec::new();
        for rival in 0..self.rivals.len() {
            match self.rivals[rival].capacity(micros, self.scale) {
                Ok(capacity) => found.push(capacity),
                Err(error) => {
                    self.keep(row, rival, Err(error));
                    found.push(None);
                }
            }
        }
        found
    }

    fn system_calls(&mut self) -> Outcome<()> {
        if let Some(reason) = syscalls::unavailable() {
            self.table
                .leave_out(format!("system calls per task: {reason}"));
            return Ok(());
        }
        for row in self.rows.iter().filter(|row| row.setting == Setting::Quiet) {
            if !matches!(row.workload, Workload::OneAtATime | Workload::Burst) {
                continue;
            }
            for rival in 0..self.rivals.len() {
                let counted = syscalls::per_task(self.rivals[rival], row.workload, self.scale);
                let readings = counted.map(|counted| {
                    counted.map(|calls| Readings::from([(SYSTEM_CALLS.to_owned(), calls)]))
                });
                self.keep(*row, rival, readings);
            }
        }
        Ok(())
    }
}

/// As it can be given again from the root of the repository.
fn command(package: &Path) -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let parts: Vec<&str> = package.iter().filter_map(|part| part.to_str()).collect();
    let inside = parts[parts.len().saturating_sub(3)..].join("/");
    format!(
        "cargo run --release --manifest-path {inside}/Cargo.toml -- {}",
        arguments.join(" ")
    )
    .trim_end_matches(" -- ")
    .to_owned()
}
