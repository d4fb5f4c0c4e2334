//! Every kind of step there is, and every key that stands beside one.

use super::{Form, form};
use crate::case::call::{
    Blank, Call, ImapOptions, Limits, MapAsyncOptions, MapOptions, PoolOptions,
};
use crate::case::language::{Shape as S, Word, word};

const LIMITS: Limits<Blank> = Limits::none();

const MAP: MapOptions<Blank> = MapOptions {
    pool: (),
    keys: (),
    chunksize: None,
    limits: LIMITS,
};

const MAP_ASYNC: MapAsyncOptions<Blank> = MapAsyncOptions {
    pool: (),
    keys: (),
    chunksize: None,
    handle: (),
    callback: None,
    error_callback: None,
    timeout: None,
    limits: LIMITS,
};

const IMAP: ImapOptions<Blank> = ImapOptions {
    pool: (),
    keys: (),
    chunksize: None,
    read_ahead: None,
    endless: false,
    iterator: (),
    limits: LIMITS,
};

/// Every kind of step, in the order in which a list of them is shown.
pub(in crate::case) const FORMS: &[Form] = &[
    form(
        "pool",
        S::NewPool,
        "makes a pool of so many workers; it is the one that steps without `on` mean from now on",
        "- pool: { size: 2, name: p }",
    )
    .calls(Call::Pool(PoolOptions { pool: (), size: None, maxtasksperchild: None, max_worker_age: None, initializer: None, queue: None })),
    form(
        "apply",
        S::Call,
        "runs one task and waits for its value, which is the result",
        "- apply: func(1)\n  as: value",
    )
    .calls(Call::Apply { pool: (), key: (), limits: LIMITS })
    .yields(),
    form(
        "apply_async",
        S::Call,
        "hands one task to the pool and goes on; the result is a handle",
        "- apply_async: func(1)\n  as: handle\n  takes: 0",
    )
    .calls(Call::ApplyAsync { pool: (), key: (), handle: (), callback: None, error_callback: None, timeout: None, limits: LIMITS })
    .yields(),
    form(
        "map",
        S::Task,
        "runs a task for each item and waits; the result is the list of values, in the order of the items",
        "- map: func\n  over: range(6)\n  as: values",
    )
    .calls(Call::Map(MAP))
    .yields(),
    form(
        "map_async",
        S::Task,
        "hands a task for each item to the pool and goes on; the result is one handle for the list of values",
        "- map_async: func\n  over: \"[3, 1, 2]\"\n  as: handle",
    )
    .calls(Call::MapAsync(MAP_ASYNC))
    .yields(),
    form(
        "starmap",
        S::Task,
        "as `map`, and each item is a tuple of arguments",
        "- starmap: add\n  over: \"[(0, 1), (2, 3)]\"\n  as: sums",
    )
    .calls(Call::Starmap(MAP))
    .yields(),
    form(
        "starmap_async",
        S::Task,
        "as `map_async`, and each item is a tuple of arguments",
        "- starmap_async: add\n  over: \"[(0, 1), (2, 3)]\"\n  as: handle",
    )
    .calls(Call::StarmapAsync(MAP_ASYNC))
    .yields(),
    form(
        "imap",
        S::Task,
        "runs a task for each item; the result is an iterator over the values, in the order of the items",
        "- imap: func\n  over: range(6)\n  as: iterator",
    )
    .calls(Call::Imap(IMAP))
    .yields(),
    form(
        "imap_unordered",
        S::Task,
        "as `imap`, and the values come as tasks end",
        "- imap_unordered: func\n  over: range(6)\n  as: iterator",
    )
    .calls(Call::ImapUnordered(IMAP))
    .yields(),
    form(
        "next",
        S::Expr,
        "waits for the next value of an iterator, which is the result",
        "- next: it\n  as: value",
    )
    .calls(Call::Next { iterator: (), timeout: None })
    .yields(),
    form(
        "get",
        S::Expr,
        "waits for what a handle stands for: the value is the result, an error ends the step",
        "- get: r\n  timeout: 1\n  raises: TimedOut",
    )
    .calls(Call::Get { handle: (), timeout: None })
    .yields(),
    form(
        "wait",
        S::Expr,
        "waits until a handle has its value or error; never fails",
        "- wait: r\n  timeout: 1",
    )
    .calls(Call::Wait { handle: (), timeout: None }),
    form(
        "ready",
        S::Expr,
        "whether a handle has its value or error",
        "- ready: r\n  as: there",
    )
    .calls(Call::Ready { handle: () })
    .yields(),
    form(
        "successful",
        S::Expr,
        "whether a handle has its value, not an error; `NotReady` where it has neither",
        "- successful: r\n  raises: NotReady",
    )
    .calls(Call::Successful { handle: () })
    .yields(),
    form(
        "cancel",
        S::Expr,
        "ends the job of a handle, or an imap, early: what has not started never will; the result is whether that changed anything",
        "- cancel: r\n  as: changed",
    )
    .calls(Call::Cancel { work: () })
    .yields(),
    form(
        "cancel_token",
        S::Name,
        "cancels all submissions that were given this token, and those that will be",
        "- apply_async: func(1)\n  cancel_on: stop\n- cancel_token: stop",
    )
    .calls(Call::CancelToken { token: () }),
    form(
        "cancelled",
        S::Nothing,
        "inside a task: whether it is no longer wanted, as it was cancelled or is late",
        "- cancelled:\n  as: unwanted",
    )
    .calls(Call::Cancelled {})
    .yields(),
    form(
        "close",
        S::PoolName,
        "the pool takes no more work; what it has still runs",
        "- close",
    )
    .calls(Call::Close { pool: () }),
    form(
        "terminate",
        S::PoolName,
        "the pool drops what waits, and stops what runs where its workers can be stopped",
        "- terminate",
    )
    .calls(Call::Terminate { pool: () }),
    form(
        "join",
        S::PoolName,
        "waits until all workers have left; refused before `close` or `terminate`",
        "- join:\n  raises: StillRunning",
    )
    .calls(Call::Join { pool: (), timeout: None }),
    form(
        "stats",
        S::PoolName,
        "what a pool has counted: tasks (chunks) it was given, those that have ended or never will run, errors",
        "- stats:\n  as: counts",
    )
    .calls(Call::Stats { pool: () })
    .yields(),
    form(
        "drop",
        S::PoolName,
        "lets go of a pool, as the end of its scope does",
        "- drop",
    )
    .calls(Call::Drop { pool: () }),
    form(
        "process",
        S::Call,
        "makes a bare `Process` (on threads, its twin) that will run one task; the result is the process",
        "- process: func(1)\n  as: other",
    )
    .calls(Call::Process { process: (), key: (), daemon: false })
    .yields(),
    form("start", S::Expr, "starts a process", "- start: p").calls(Call::Start { process: () }),
    form(
        "join_process",
        S::Expr,
        "waits until a process has ended",
        "- join_process: p\n  timeout: 1",
    )
    .calls(Call::JoinProcess { process: (), timeout: None }),
    form(
        "is_alive",
        S::Expr,
        "whether a process runs",
        "- is_alive: p\n  as: alive",
    )
    .calls(Call::IsAlive { process: () })
    .yields(),
    form(
        "exitcode",
        S::Expr,
        "how a process ended: `None` before its end, its code, or minus the signal",
        "- exitcode: p\n  as: code",
    )
    .calls(Call::Exitcode { process: () })
    .yields(),
    form(
        "terminate_process",
        S::Expr,
        "sends SIGTERM to a process",
        "- terminate_process: p",
    )
    .calls(Call::TerminateProcess { process: () }),
    form("kill", S::Expr, "sends SIGKILL to a process", "- kill: p").calls(Call::Kill { process: () }),
    form(
        "kill_worker",
        S::Expr,
        "sends SIGKILL to the worker that ran the task of a handle, whatever it does now",
        "- kill_worker: r",
    ),
    form(
        "print",
        S::Template,
        "prints a line",
        "- print: \"{r} at {clock}\"",
    ),
    form(
        "sleep",
        S::Expr,
        "waits so many units of virtual time",
        "- sleep: 1.5",
    ),
    form(
        "let",
        S::Bindings,
        "gives variables their values",
        "- let: { results: [], name: \"'Ann'\" }",
    ),
    form(
        "check",
        S::Expr,
        "fails the case unless the expression is true",
        "- check: 1 < 2",
    ),
    form(
        "for",
        S::Loop,
        "does the steps under `do` once for each element of a list",
        "- for: i in range(3)\n  do:\n    - apply_async: func(i)",
    )
    .beside(&["do"])
    .must(&["do"]),
    form(
        "if",
        S::Expr,
        "does one of two lists of steps; `else` may be left out",
        "- if: 1 < 2\n  then:\n    - print: less\n  else:\n    - print: more",
    )
    .beside(&["then", "else"])
    .must(&["then"]),
];

/// Keys that stand beside a step's own key, never alone.
pub(in crate::case) const BESIDE: &[Word] = &[
    word(
        "as",
        S::Name,
        "the variable that keeps the result",
        "- apply: func(1)\n  as: value",
    ),
    word(
        "into",
        S::Name,
        "the list that the result is added to, made where there is none",
        "- for: i in range(3)\n  do:\n    - apply_async: func(i)\n      into: handles",
    ),
    word(
        "takes",
        S::Time,
        "how long the step must take; 0 says that it does not block",
        "- close:\n  takes: 0",
    ),
    word(
        "raises",
        S::Error,
        "the error that the step must end with: one of a pool's, or one that a task raises",
        "- join:\n  raises: StillRunning",
    ),
    word(
        "blocks",
        S::Forever,
        "that the step must never return",
        "- get: r\n  blocks: forever",
    ),
    word(
        "in",
        S::Name,
        "the thread of the program that does the step, made at its first; main goes on at once",
        "- apply: func(1)\n  in: other",
    ),
    word(
        "on",
        S::Name,
        "the pool that is meant; without it, the one made last",
        "- close:\n  on: pool",
    ),
    word(
        "over",
        S::Expr,
        "the items, a list",
        "- map: func\n  over: range(6)",
    ),
    word(
        "chunksize",
        S::Expr,
        "items per chunk, which one worker does in one go; without it, the pool's own choice",
        "- map: func\n  over: range(6)\n  chunksize: 2",
    ),
    word(
        "endless",
        S::Bool,
        "that the input does not end with these items: who reads further waits for ever",
        "- imap: func\n  over: range(12)\n  endless: true\n  as: iterator",
    ),
    word(
        "read_ahead",
        S::Expr,
        "chunks that may be in the pool, or done and not yet taken; without it, the pool's own choice",
        "- imap: func\n  over: range(6)\n  read_ahead: 2\n  as: iterator",
    ),
    word(
        "callback",
        S::Task,
        "the task that gets the value, in the program itself, before the handle is ready",
        "- apply_async: func(1)\n  callback: func",
    ),
    word(
        "error_callback",
        S::Task,
        "the task that gets the error's message instead",
        "- apply_async: func(1)\n  error_callback: func",
    ),
    word(
        "timeout",
        S::Expr,
        "how long the step waits at most; a submission, for a place in a queue that has a bound",
        "- get: r\n  timeout: 0.5\n  raises: TimedOut",
    ),
    word(
        "deadline",
        S::Expr,
        "how long each task may run, from its start: a call, or a chunk",
        "- apply_async: func(1)\n  deadline: 1",
    ),
    word(
        "expiry",
        S::Expr,
        "how long a submission may take as a whole, in the queue and while it runs",
        "- apply_async: func(1)\n  expiry: 2",
    ),
    word(
        "retries",
        S::Expr,
        "how often a task is tried again that was lost with its worker",
        "- apply_async: func(1)\n  retries: 2",
    ),
    word(
        "retry_pause",
        S::Expr,
        "the time before it is tried again, which doubles with each",
        "- apply_async: func(1)\n  retries: 2\n  retry_pause: 0.5",
    ),
    word(
        "retry_if",
        S::Name,
        "the error that is tried again as well, where a task raises it",
        "- apply_async: fails(1)\n  retries: 2\n  retry_if: Busy",
    ),
    word(
        "cancel_on",
        S::Name,
        "the token that cancels the submission; it is made where it is first named",
        "- apply_async: func(1)\n  cancel_on: stop\n- cancel_token: stop",
    ),
    word(
        "daemon",
        S::Bool,
        "that the program's end ends the process instead of waiting for it",
        "- process: func(1)\n  daemon: true\n  as: other",
    ),
    word(
        "do",
        S::Steps,
        "the steps of a `for`",
        "- for: i in [1, 2]\n  do:\n    - print: \"{i}\"",
    ),
    word(
        "then",
        S::Steps,
        "the steps of an `if` whose condition holds",
        "- if: 1 < 2\n  then:\n    - close",
    ),
    word(
        "else",
        S::Steps,
        "the steps of an `if` whose condition does not hold",
        "- if: 1 > 2\n  then:\n    - close\n  else:\n    - terminate",
    ),
];
