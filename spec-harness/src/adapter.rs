//! The adapter of a Rust pool: makes any [`pool_core::Pool`] speak the protocol `spec/1` in one line of `main`.
//! For a pool that is none of those there is [`serve`], which leaves to its [`Program`] what each call does.
//!
//! ```text
//! stdin ──▶ reader ──▶ main's calls   (the thread that called adapter_main)
//!              ├─────▶ t1's calls     (a thread made at its first call)
//!              └─────▶ fire           (a timer's alarm, on the reader itself)
//! ```
//!
//! Every call is made on the thread that it names and is answered when it returns. Tasks and callbacks are
//! puppets, which talk to the harness over connections of their own.

mod calls;
mod clock;
mod handle;
mod hello;
mod named;
mod parcel;
pub mod puppet;
mod wire;

use std::collections::HashMap;
use std::io::{self, BufReader};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use pool_core::{Pool, StartError, TaskStats, Timers};

use crate::protocol::{
    Call, Command, Control, ErrorReply, Hello, Request, VERSION, WorkerKind, read_line,
};
use calls::Calls;
use clock::HarnessClock;
use named::bad;
use wire::Replies;

pub use named::Answer;

/// Exit code of an adapter, or of its worker, whose harness has gone.
const ORPHANED: u8 = 70;

/// An implementation that the harness can try: how its pools are made, and what it has beside them.
///
/// Implement it for a type of your own, which may be empty, and call [`adapter_main`].
pub trait Implementation: 'static {
    /// Its pools.
    type Pool: Pool + Send + Sync + 'static;

    /// As reports name it: `pool-thread`.
    const NAME: &'static str;
    /// Its version.
    const VERSION: &'static str;
    /// What its workers are.
    const KIND: WorkerKind;
    /// Whether its workers can be given a share of tasks.
    const SHARES: bool = false;
    /// Whether a pool can bound how long its workers live.
    const AGES: bool = false;
    /// Whether its workers can begin by an initializer.
    const INITIALIZES: bool = false;
    /// Whether its queue can have a bound.
    const BOUNDS: bool = false;
    /// Whether its pools count what they do.
    const COUNTS: bool = false;
    /// Rows of the contract that it does not follow on purpose, each with the reason.
    const DECLINES: &'static [(&'static str, &'static str)] = &[];
    /// The longest time (`50ms`) that one of its threads sleeps before it looks again by itself, where one does.
    const POLLS: Option<&'static str> = None;
    /// The commands that its bare processes obey, `process` among them; empty when it has none.
    const BARE: &'static [&'static str] = &[];

    /// Makes a pool whose only source of time is `timers`.
    ///
    /// # Errors
    /// As the pool's constructor.
    fn pool(wish: PoolWish, timers: Timers) -> Result<Self::Pool, StartError>;

    /// What a pool has counted. It is asked for only where [`Implementation::COUNTS`] is true.
    fn stats(pool: &Self::Pool) -> TaskStats {
        let _ = pool;
        TaskStats::default()
    }

    /// Makes a bare process (or its thread twin) that will run `body(key)` and whose only source of time is
    /// `timers`; `None` when there is no such thing.
    fn bare(body: fn(u64), key: u64, daemon: bool, timers: Timers) -> Option<Box<dyn Bare>> {
        let _ = (body, key, daemon, timers);
        None
    }
}

/// A pool as a program asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolWish {
    /// Number of workers; `None` is the default size.
    pub size: Option<usize>,
    /// Tasks (chunks) after which a worker leaves and is replaced; `None` is no bound. It is asked for only where
    /// [`Implementation::SHARES`] is true.
    pub maxtasksperchild: Option<NonZeroUsize>,
    /// How long a worker lives before another takes its place; `None` is no bound. It is asked for only where
    /// [`Implementation::AGES`] is true.
    pub max_worker_age: Option<Duration>,
    /// The number with which each worker is to call [`puppet::initializer`] before its first task. It is asked for
    /// only where [`Implementation::INITIALIZES`] is true.
    pub initializer: Option<u64>,
    /// Tasks (chunks) that may wait for a worker; `None` is no bound. It is asked for only where
    /// [`Implementation::BOUNDS`] is true.
    pub queue: Option<usize>,
}

/// A bare process, or its thread twin. What it lacks, its [`Implementation::BARE`] does not list, and is not asked of it.
pub trait Bare: Send + Sync {
    /// Starts it.
    ///
    /// # Errors
    /// As the implementation's own.
    fn start(&self) -> Result<(), ErrorReply>;

    /// Waits until it has ended, or the time is over.
    ///
    /// # Errors
    /// As the implementation's own.
    fn join(&self, limit: Option<Duration>) -> Result<(), ErrorReply>;

    /// Whether it runs.
    ///
    /// # Errors
    /// As the implementation's own.
    fn is_alive(&self) -> Result<bool, ErrorReply>;

    /// `None` while it runs, its exit code, or the negative number of the signal that ended it.
    ///
    /// # Errors
    /// As the implementation's own.
    fn exitcode(&self) -> Result<Option<i32>, ErrorReply> {
        Err(lacking("exitcode"))
    }

    /// The operating system's number.
    ///
    /// # Errors
    /// As the implementation's own.
    fn pid(&self) -> Result<Option<u32>, ErrorReply> {
        Err(lacking("pid"))
    }

    /// Stops it by SIGTERM.
    ///
    /// # Errors
    /// As the implementation's own.
    fn terminate(&self) -> Result<(), ErrorReply> {
        Err(lacking("terminate_process"))
    }

    /// Stops it by SIGKILL.
    ///
    /// # Errors
    /// As the implementation's own.
    fn kill(&self) -> Result<(), ErrorReply> {
        Err(lacking("kill"))
    }
}

/// What an adapter serves the harness with: the pools, handles and iterators of one program, by their names.
pub trait Program: Send + Sync + 'static {
    /// How it introduces itself when it is asked for workers of this kind; nothing where it has none.
    fn hello(&self, kind: WorkerKind) -> Option<Hello>;

    /// Makes a call and waits for its return, on the thread of the program that calls.
    ///
    /// # Errors
    /// The call's own by its portable name, or `Protocol` where the request makes no sense.
    fn call(&self, call: Call) -> Answer;

    /// Does what else the harness asks for, of what the program can.
    ///
    /// # Errors
    /// `Protocol` where the request makes no sense.
    fn control(&self, control: Control) -> Answer {
        Err(bad(format!(
            "this program does nothing such as {control:?}"
        )))
    }

    /// As [`call`](Program::call), on the thread of a task or callback, which calls from inside.
    ///
    /// # Errors
    /// As [`call`](Program::call).
    fn call_from_body(&self, call: Call) -> Answer {
        self.call(call)
    }

    /// Lets go of everything that is still open, as a `main` does that returns.
    fn leave(&self);
}

/// Serves the harness on stdin and stdout until it says `exit`, then drops what is still open, as a `main` does
/// that returns. What workers write to stdout goes to stderr.
///
/// ```no_run
/// # use pool_core::{Pool, StartError, Timers};
/// # fn with<S: spec_harness::adapter::Implementation>() {
/// fn main_of<S: spec_harness::adapter::Implementation>() -> std::process::ExitCode {
///     spec_harness::adapter::adapter_main::<S>()
/// }
/// # main_of::<S>();
/// # }
/// ```
pub fn adapter_main<S: Implementation>() -> ExitCode {
    serve(Calls::<S>::new)
}

/// The same for a program of any pool, which is made with timers whose time the harness tells; one that arms
/// them says that it can `timers`. Its tasks and callbacks run what is in [`puppet`].
pub fn serve<P: Program>(program: impl FnOnce(Timers) -> P) -> ExitCode {
    let (requests, replies) = match wire::take_standard_streams() {
        Ok((requests, replies)) => (requests, Arc::new(Replies::new(replies))),
        Err(error) => {
            eprintln!("the standard streams cannot be used: {error}");
            return ExitCode::FAILURE;
        }
    };
    let clock = Arc::new(HarnessClock::new(replies.clone()));
    let program = Arc::new(program(Timers::bound(clock.clone())));
    let reachable = program.clone();
    puppet::set_calls(move |command| reachable.call_from_body(command));
    let (main, main_calls) = mpsc::channel();
    let reader = Reader {
        main,
        others: HashMap::new(),
        program: program.clone(),
        clock,
        replies: replies.clone(),
    };
    let started = thread::Builder::new()
        .name("requests".into())
        .spawn(move || reader.run(BufReader::new(requests)));
    if let Err(error) = started {
        eprintln!("no thread to read requests: {error}");
        return ExitCode::FAILURE;
    }
    perform(&*program, &main_calls, &replies);
    program.leave();
    ExitCode::SUCCESS
}

/// Makes one thread's calls, in order, until main is told to return.
fn perform(program: &impl Program, requests: &Receiver<Request>, replies: &Replies) {
    for request in requests {
        let answer = match request.command {
            Command::Call(call) => program.call(call),
            Command::Control(Control::Exit {}) => return,
            Command::Control(Control::Hello {
                protocol,
                socket,
                kind,
            }) => greet(program, protocol, socket, kind),
            Command::Control(control) => program.control(control),
        };
        replies.reply(request.id, answer);
    }
}

/// Answers hello, and remembers where puppets connect.
fn greet(program: &impl Program, protocol: u32, socket: String, kind: WorkerKind) -> Answer {
    let hello = program.hello(kind).filter(|_| protocol == VERSION);
    let hello =
        hello.ok_or_else(|| bad(format!("there is no {kind:?} of spec/{protocol} here")))?;
    puppet::set_socket(socket);
    serde_json::to_value(hello).map_err(|e| bad(e.to_string()))
}

/// Hands each request to the thread that is to make the call.
struct Reader<P> {
    main: Sender<Request>,
    others: HashMap<String, Sender<Request>>,
    program: Arc<P>,
    clock: Arc<HarnessClock>,
    replies: Arc<Replies>,
}

impl<P: Program> Reader<P> {
    /// Reads until the harness says no more; one that goes before main is told to return takes the program with
    /// it. While the program ends, timers still fire.
    fn run(mut self, mut requests: impl io::BufRead) {
        let mut leaving = false;
        loop {
            let line = match read_line(&mut requests) {
                Ok(Some(line)) => line,
                Ok(None) if leaving => return,
                Ok(None) => std::process::exit(ORPHANED.into()),
                Err(error) => refuse(&error),
            };
            let request = Request::parse(&line).unwrap_or_else(|breach| refuse(&breach));
            leaving |= matches!(request.command, Command::Control(Control::Exit {}));
            self.dispatch(request);
        }
    }

    fn dispatch(&mut self, request: Request) {
        if let Command::Control(Control::Fire { timer }) = request.command {
            self.clock.fire(timer);
            return self.replies.reply(request.id, Ok(serde_json::Value::Null));
        }
        if request.by == "main" {
            // Main stops listening only at `exit`, after which nothing is read.
            return self.main.send(request).unwrap_or(());
        }
        if let Some(thread) = self.others.get(&request.by) {
            return thread.send(request).unwrap_or(());
        }
        let (sender, requests) = mpsc::channel();
        let (program, replies) = (self.program.clone(), self.replies.clone());
        let started = thread::Builder::new()
            .name(request.by.clone())
            .spawn(move || perform(&*program, &requests, &replies));
        match started {
            Ok(_) => {
                self.others.insert(request.by.clone(), sender.clone());
                sender.send(request).unwrap_or(());
            }
            Err(error) => {
                let error = bad(format!("no thread: {error}"));
                self.replies.reply(request.id, Err(error));
            }
        }
    }
}

/// Ends the program over a line that is no request: nothing after it can be trusted.
fn refuse(error: &dyn std::error::Error) -> ! {
    eprintln!("no request of spec/1: {error}");
    std::process::exit(2)
}

/// What an implementation did not list, and was asked for all the same.
fn lacking(what: &str) -> ErrorReply {
    bad(format!("there is no {what} here"))
}
