//! Why a worker was lost, as the error of its task tells it.

use nix::sys::signal::Signal;
use pool_core::backend::{LostCall, Unit};
use pool_core::{Cause, TaskError, WorkerLost};

use crate::sys::Status;

use crate::replay;

use super::remote_job::{RemoteJob, job_context_bytes};

/// The cause of a death, in the words of pool-core.
pub(crate) fn of(status: Status) -> Cause {
    match status {
        Status::Exited(code) => Cause::Exit(code),
        Status::Killed {
            signal,
            core_dumped,
        } => Cause::Signal {
            signal,
            name: name(signal),
            core_dumped,
        },
        Status::Unknown => Cause::Unknown(
            "its exit status went to another part of the program, or with the fork server, and this kernel does not \
             keep it"
                .to_owned(),
        ),
    }
}

/// The failure of a unit whose worker was lost while it ran.
pub(crate) fn lost(
    pid: u32,
    cause: Cause,
    (job, unit): (&dyn RemoteJob, &Unit),
    hint: Option<String>,
) -> TaskError {
    loss(pid, cause, (job, unit), true, hint)
}

/// The failure of a unit for which no worker could be started.
pub(crate) fn never_started(reason: String, unit: (&dyn RemoteJob, &Unit)) -> TaskError {
    loss(0, Cause::Start(reason), unit, false, None)
}

/// The failure of a unit that so many workers have not lived to receive.
pub(crate) fn never_received(
    pid: u32,
    cause: Cause,
    unit: (&dyn RemoteJob, &Unit),
    memory: Option<String>,
    workers: u32,
) -> TaskError {
    let mut hint = format!("{workers} workers ended like this while it was handed to them");
    if let Some(memory) = memory {
        hint = format!("{hint}; {memory}");
    }
    loss(pid, cause, unit, false, Some(hint))
}

fn loss(
    pid: u32,
    cause: Cause,
    (job, unit): (&dyn RemoteJob, &Unit),
    begun: bool,
    hint: Option<String>,
) -> TaskError {
    let mut lost = WorkerLost::new(pid, cause, job.describe(unit));
    lost.items = job.as_job().items(unit);
    lost.begun = begun;
    lost.attempts = job.as_job().attempts(unit);
    lost.hint = hint;
    if begun {
        lost.call = kept(job, unit);
    }
    TaskError::WorkerLost(Box::new(lost))
}

/// The call of a unit, to be saved and run again; `None` where its argument was taken, cannot be encoded again, or is too long.
fn kept(job: &dyn RemoteJob, unit: &Unit) -> Option<LostCall> {
    let context = job_context_bytes(job, unit).ok()?;
    let mut task = Vec::new();
    let last = job.encode(unit, &mut task).ok()?;
    let length = task.len() + last.len() + context.as_ref().map_or(0, Vec::len);
    if task.is_empty() || length > MOST_KEPT {
        return None;
    }
    task.extend_from_slice(last);
    Some(LostCall {
        head: replay::head,
        call: replay::write(context.as_deref(), &task).into(),
    })
}

/// A lost call of so many bytes, its context included, is kept with its error.
const MOST_KEPT: usize = 64 << 20;

/// That a worker has met its limit of memory, or that the system had none left, where it may be so. The kernel counts how many
/// processes it has killed to get memory: `killed` says whether these have become more since the worker was started.
pub(crate) fn hint_at_memory(
    cause: &Cause,
    memory: Option<u64>,
    killed: impl FnOnce() -> bool,
) -> Option<String> {
    let kill = Signal::SIGKILL as i32;
    if matches!(cause, Cause::Signal { signal, .. } if *signal == kill) && killed() {
        return Some(
            "the system ran out of memory, and its kernel has killed a process".to_owned(),
        );
    }
    let bytes = memory.filter(|_| may_be_memory(cause))?;
    Some(match bytes >> 20 {
        0 => format!("its memory is limited to {bytes} bytes"),
        mebibytes => format!("its memory is limited to {mebibytes} MiB"),
    })
}

/// Whether a worker that could get no more memory may die like this.
fn may_be_memory(cause: &Cause) -> bool {
    let of = [Signal::SIGABRT, Signal::SIGSEGV, Signal::SIGBUS].map(|signal| signal as i32);
    matches!(cause, Cause::Signal { signal, .. } if of.contains(signal))
}

/// How many processes the kernel has killed to get memory, in this system or in one of its control groups; 0 where it does not say.
pub(crate) fn kills_for_memory() -> u64 {
    let counts = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    count_of_kills(&counts)
}

fn count_of_kills(counts: &str) -> u64 {
    let mut lines = counts.lines();
    let count = lines.find_map(|line| line.strip_prefix("oom_kill "));
    count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

fn name(signal: i32) -> String {
    match Signal::try_from(signal) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_the_kernel_has_killed_for_memory_is_told_from_others() {
        assert_eq!(count_of_kills("pgfault 1\noom_kill 3\nnuma_hit 4\n"), 3);
        assert_eq!(count_of_kills("drop_pagecache 5\n"), 0);
        let death = |signal: Signal| Cause::Signal {
            signal: signal as i32,
            name: signal.as_str().to_owned(),
            core_dumped: false,
        };
        let hint = |signal, killed| hint_at_memory(&death(signal), None, || killed);
        assert!(hint(Signal::SIGKILL, true).is_some_and(|hint| hint.contains("out of memory")));
        assert_eq!(hint(Signal::SIGKILL, false), None);
        assert_eq!(hint(Signal::SIGSEGV, true), None);
    }
}
