//! Names that the language gives: fates of tasks, errors of pools, abilities of implementations.

use super::{Named, named};
use crate::case::ast::Fate;

/// How a task can end.
pub(in crate::case) const FATES: [(Fate, Named); 5] = [
    (Fate::Done, named("done", "it returned a value")),
    (
        Fate::Raised,
        named("raised", "it ended with an error or a panic"),
    ),
    (
        Fate::Killed,
        named(
            "killed",
            "it was stopped while it ran: by `terminate`, by `cancel`, or at its deadline or expiry",
        ),
    ),
    (Fate::Lost, named("lost", "its worker died while it ran")),
    (Fate::Never, named("never", "it never began")),
];

/// Errors by which every pool refuses or fails, whatever its language calls them.
pub(crate) const ERRORS: &[Named] = &[
    named(
        "NotRunning",
        "the pool has been closed or terminated (Python: `ValueError`, pool not running)",
    ),
    named(
        "StillRunning",
        "`join` before `close` or `terminate` (Python: `ValueError`, pool is still running)",
    ),
    named(
        "NotReady",
        "`successful` before the result is there (Python: `ValueError`)",
    ),
    named(
        "TimedOut",
        "`timeout` has passed (Python: `multiprocessing.TimeoutError`)",
    ),
    named(
        "Terminated",
        "the pool was terminated before the result was there (Python waits for ever)",
    ),
    named(
        "WorkerLost",
        "the worker died while it ran the task (Python waits for ever)",
    ),
    named("InvalidSize", "a pool of no workers (Python: `ValueError`)"),
    named(
        "InvalidChunksize",
        "chunks of no items (Python: `ValueError` from `imap`, nonsense from `map`)",
    ),
    named(
        "InvalidReadAhead",
        "an `imap` that may read nothing ahead (ours alone: Python reads everything)",
    ),
    named(
        "WouldDeadlock",
        "a call that would wait for itself: `join` in a callback, `get` of the job whose callback runs",
    ),
    named("Taken", "the value has been taken already"),
    named(
        "Encode",
        "an argument or a value cannot travel (Python: `MaybeEncodingError`)",
    ),
    named("Decode", "what has travelled cannot be read"),
    named("Panicked", "the task panicked; its message is the panic's"),
    named(
        "Cancelled",
        "it was cancelled; so is the wait of a task for its own pool (ours alone: Python's pool cannot)",
    ),
    named(
        "DeadlineExceeded",
        "its `deadline` or `expiry` has passed before it had ended (ours alone)",
    ),
    named(
        "RetriesOfChunks",
        "`retries` of chunks of more than one item (ours alone)",
    ),
    named(
        "AlreadyStarted",
        "`start` of a process for the second time (Python: `AssertionError`)",
    ),
    named(
        "NotStarted",
        "`join_process` and the like before `start` (Python: `AssertionError`)",
    ),
    named(
        "QueueFull",
        "a queue with a bound has no place, or had none in time (ours alone: Python's has no bound)",
    ),
    named("InvalidQueue", "a queue of no places (ours alone)"),
    named("StopIteration", "`next` after the last result"),
];

/// What an implementation can be asked to have, by the names of the adapter protocol.
pub(in crate::case) const ABILITIES: &[Named] = &[
    named("pool", "makes pools"),
    named("apply", "`apply`"),
    named("apply_async", "`apply_async`"),
    named("map", "`map`"),
    named("map_async", "`map_async`"),
    named("starmap", "`starmap`"),
    named("starmap_async", "`starmap_async`"),
    named("imap", "`imap`"),
    named("imap_unordered", "`imap_unordered`"),
    named("next", "`next` of an iterator"),
    named("get", "`get` of a handle"),
    named("wait", "`wait` for a handle"),
    named("ready", "`ready` of a handle"),
    named("successful", "`successful` of a handle"),
    named("drop_handle", "lets go of a handle that nobody keeps"),
    named("close", "`close`"),
    named("terminate", "`terminate`"),
    named("join", "`join`"),
    named("join_timeout", "`join` with a `timeout`"),
    named("cancel", "`cancel` of a handle or an iterator"),
    named("cancel_token", "cancels many by a token"),
    named("cancelled", "a task can ask whether it is still wanted"),
    named("deadline", "a task can have a `deadline`"),
    named("expiry", "a submission can have an `expiry`"),
    named(
        "retries",
        "a task that was lost with its worker can be tried again",
    ),
    named(
        "retry_if",
        "a task that raises an error of one name can be tried again",
    ),
    named("stats", "tells what a pool has counted (ours alone)"),
    named("drop", "lets go of a pool"),
    named("process", "makes a bare Process, or its twin on threads"),
    named("start", "`start` of a Process"),
    named("join_process", "`join` of a Process"),
    named("is_alive", "`is_alive` of a Process"),
    named("exitcode", "`exitcode` of a Process"),
    named("pid", "tells the number of a Process"),
    named("kill", "`kill` of a Process"),
    named("terminate_process", "`terminate` of a Process"),
    named("callback", "calls back, for a value and for an error"),
    named("threads", "is called by several threads at a time"),
    named("timers", "its deadlines follow the harness's clock"),
    named("maxtasksperchild", "a pool can bound its workers' tasks"),
    named(
        "max_worker_age",
        "a pool can bound its workers' lives (ours alone)",
    ),
    named("worker_name", "a task can tell the name of its worker"),
    named("initializer", "a pool's workers can begin by a task"),
    named("queue", "a pool's queue can have a bound"),
    named(
        "return_unsendable",
        "a task's value can be such as cannot travel",
    ),
    named(
        "raise_unsendable",
        "a task's error can be such as cannot travel",
    ),
    named("exit_self", "a task can end its worker by `exit`"),
    named("kill_self", "a task can kill its worker"),
    named("stop_self", "a task can stop its worker"),
    named(
        "ignore_sigterm",
        "a task can have its worker ignore SIGTERM",
    ),
    named("close_fds", "a task can close its worker's descriptors"),
    named("spawn_child", "a task can start a child process"),
    named("allocate", "a task can take memory"),
    named("call_from_task", "a task can call its own pool"),
    named("call_from_callback", "a callback can call its pool"),
];
