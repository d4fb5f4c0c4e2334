//! CPython's pools, where there is a CPython: a script measures one row in a process of its own.

use std::process::{Command, Stdio};

use crate::contestant::Outcome;
use crate::rival::{Readings, Rival};
use crate::scale::Scale;
use crate::workload::Workload;

const SCRIPT: &str = include_str!("pools.py");

/// A pool of CPython's `multiprocessing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Python {
    /// `multiprocessing.pool.ThreadPool`.
    Threads,
    /// `multiprocessing.Pool`, with start method fork.
    Processes,
}

impl Python {
    /// Its column.
    #[must_use]
    pub fn column(self) -> Box<dyn Rival> {
        Box::new(self)
    }

    fn command(self, row: &str, workers: usize, calls: usize, items: usize, scale: f64) -> Command {
        let kind = match self {
            Python::Threads => "thread",
            Python::Processes => "process",
        };
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT, kind, row]);
        command.args([workers.to_string(), calls.to_string(), items.to_string()]);
        command.arg(scale.to_string());
        command
    }
}

impl Rival for Python {
    fn name(&self) -> &str {
        match self {
            Python::Threads => "CPython ThreadPool",
            Python::Processes => "CPython Pool (fork)",
        }
    }

    fn absent(&self) -> Option<String> {
        let probe = Command::new("python3")
            .args(["-c", "import multiprocessing.pool"])
            .stderr(Stdio::null())
            .status();
        match probe {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("python3 ended by {status}")),
            Err(error) => Some(format!("python3: {error}")),
        }
    }

    fn measure(&self, workload: Workload, scale: &Scale) -> Outcome<Option<Readings>> {
        let (calls, items) = match workload {
            Workload::OneAtATime => (scale.calls, 0),
            Workload::Cold => (scale.cold_calls, 0),
            Workload::Burst => (0, scale.burst / 10),
            Workload::Map => (0, scale.map_items),
            Workload::MapOne => (0, scale.map_one_items / 10),
            Workload::Efficiency => (scale.busy_tasks, 0),
            Workload::Echo { .. } => (0, scale.echo_bytes),
            Workload::Start => (scale.starts.min(5), 0),
            Workload::Stream(_) => (0, scale.stream_items as usize / 5),
            Workload::Queued => (0, scale.queued),
            Workload::IdleMemory => (0, 0),
            // Its own first pool differs little from later ones, and a script's clock would be what paces arrivals.
            Workload::FirstStart | Workload::Open { .. } => return Ok(None),
        };
        if *self == Python::Threads && workload == Workload::IdleMemory {
            return Ok(None);
        }
        let patience = scale.patience.as_secs_f64();
        let output = self
            .command(&workload.id(), scale.workers, calls, items, patience)
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("python3 ended by {}", output.status).into());
        }
        let readings: Readings = serde_json::from_slice(&output.stdout)?;
        Ok(Some(readings).filter(|readings| !readings.is_empty()))
    }

    fn program(
        &self,
        workload: Workload,
        workers: usize,
        tasks: usize,
    ) -> Outcome<Option<Command>> {
        let row = format!("do-{}", workload.id());
        Ok(Some(self.command(&row, workers, tasks, 0, 0.0)))
    }
}
