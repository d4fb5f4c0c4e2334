//! Why a worker was lost, as the error of its task tells it.

use nix::sys::signal::Signal;
use pool_core::backend::Unit;
use pool_core::{Cause, TaskError, WorkerLost};

use crate::sys::Status;

use super::remote_job::RemoteJob;

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
    memory: Option<u64>,
) -> TaskError {
    let hint = hint_at_memory(&cause, memory);
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
    memory: Option<u64>,
    workers: u32,
) -> TaskError {
    let mut hint = format!("{workers} workers ended like this while it was handed to them");
    if let Some(memory) = hint_at_memory(&cause, memory) {
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
    lost.hint = hint;
    TaskError::WorkerLost(Box::new(lost))
}

/// That a worker has met its limit of memory, where it may be so.
fn hint_at_memory(cause: &Cause, memory: Option<u64>) -> Option<String> {
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

fn name(signal: i32) -> String {
    match Signal::try_from(signal) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("signal {signal}"),
    }
}
