//! The body of every task and callback: it says who runs it and does what the harness orders.

use std::ffi::OsString;
use std::hint::black_box;
use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::str::FromStr;
use std::sync::OnceLock;
use std::thread;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, close, getpid, gettid};
use pool_core::current_worker;
use serde_json::Value;

use super::ORPHANED;
use super::named::{Answer, bad};
use super::parcel::Parcel;
use crate::protocol::{
    Begin, Call, Done, ErrorReply, Order, SOCKET_VARIABLE, line, parse_order, read_line,
};

/// Where the harness is, as `hello` said; a worker that is a process of its own has it from its environment.
static SOCKET: OnceLock<String> = OnceLock::new();

/// How a body calls the pool, where the pool is in this very process.
static CALLS: OnceLock<Box<MakeCall>> = OnceLock::new();

type MakeCall = dyn Fn(Call) -> Answer + Send + Sync;

/// Lets bodies of this process make calls.
pub(super) fn set_calls(make: impl Fn(Call) -> Answer + Send + Sync + 'static) {
    // One program has one adapter.
    CALLS.get_or_init(|| Box::new(make));
}

/// Remembers where the harness is.
pub(super) fn set_socket(path: String) {
    // A second `hello` of the same program names the same socket.
    SOCKET.get_or_init(|| path);
}

/// What a body comes to.
pub(super) type Ended = Result<Parcel<Value>, Parcel<ErrorReply>>;

/// What a task is given to run.
///
/// # Errors
/// What the harness orders it to raise.
///
/// # Panics
/// Where the harness orders it.
pub fn task(key: u64) -> Answer {
    unpacked(parcel(key))
}

/// What a task of `starmap` is given to run: its tuple was unpacked.
///
/// # Errors
/// As [`task`].
///
/// # Panics
/// As [`task`].
pub fn task_of_two(key: u64, second: String) -> Answer {
    unpacked(parcel_of_two(key, second))
}

fn unpacked(ended: Ended) -> Answer {
    ended
        .map(|parcel| parcel.content)
        .map_err(|parcel| parcel.content)
}

/// As [`task`], for pools that can be told that what it comes to cannot travel.
pub(super) fn parcel(key: u64) -> Ended {
    obey(Begin {
        args: 1,
        ..begin(key)
    })
}

/// As [`parcel`], unpacked by `starmap`.
pub(super) fn parcel_of_two(key: u64, _second: String) -> Ended {
    obey(Begin {
        args: 2,
        ..begin(key)
    })
}

/// What a bare process runs: nobody takes its value, and its error ends it as a panic does.
pub(super) fn bare(key: u64) {
    if let Err(error) = task(key) {
        panic!("{}: {}", error.kind, error.text);
    }
}

/// What a worker runs before its first task, by the number that its pool was given.
///
/// # Errors
/// What the harness orders it to raise.
///
/// # Panics
/// Where the harness orders it.
pub fn initializer(number: u64) -> Result<(), String> {
    let begin = Begin {
        initializer: true,
        ..begin(number)
    };
    match obey(begin) {
        Ok(_) => Ok(()),
        Err(Parcel { content, .. }) => Err(format!("{}: {}", content.kind, content.text)),
    }
}

/// What a callback runs: it gets the value of the job, or its error.
///
/// # Panics
/// Where the harness orders it, or orders an error.
pub fn callback(key: u64, outcome: Answer) {
    let (value, error) = match outcome {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    };
    if let Err(Parcel { content, .. }) = obey(Begin {
        callback: true,
        value,
        error,
        ..begin(key)
    }) {
        panic!("{}: {}", content.kind, content.text);
    }
}

/// Who begins.
fn begin(key: u64) -> Begin {
    let worker = current_worker().map(|worker| worker.name);
    let name = worker.or_else(|| thread::current().name().map(str::to_owned));
    Begin {
        begin: key,
        pid: getpid().as_raw(),
        tid: gettid().as_raw(),
        name: name.unwrap_or_default(),
        args: 1,
        callback: false,
        initializer: false,
        value: None,
        error: None,
    }
}

/// Says who begins and does as it is told until an order ends the body.
fn obey(begin: Begin) -> Ended {
    let path = SOCKET
        .get()
        .map(OsString::from)
        .or_else(|| std::env::var_os(SOCKET_VARIABLE));
    let path = path.ok_or_else(|| broken(&format!("{SOCKET_VARIABLE} is not set")))?;
    let mut harness = UnixStream::connect(path)
        .map(BufReader::new)
        .map_err(|e| broken(&e))?;
    let mut kept = Kept::default();
    let mut say = line(&begin);
    let last = loop {
        harness
            .get_mut()
            .write_all(say.as_bytes())
            .map_err(|e| broken(&e))?;
        let Ok(Some(order)) = read_line(&mut harness) else {
            // Nobody will tell this body how to go on.
            std::process::exit(ORPHANED.into());
        };
        match parse_order(&order).map_err(|e| broken(&e))? {
            Order::SpawnChild(_) => kept.children.push(sleeper().map_err(|e| broken(&e))?),
            Order::Allocate(mib) => kept.memory.push(pages(mib)?),
            Order::IgnoreSigterm(_) => block_sigterm().map_err(|e| broken(&e))?,
            // Who is stopped has not ended.
            Order::Signal(name) if name == "STOP" => {
                kill(Pid::this(), Signal::SIGSTOP).map_err(|e| broken(&e))?;
                return nothing();
            }
            Order::Call(call) => {
                say = line(&match self::call(call) {
                    Ok(value) => serde_json::json!({ "ok": value }),
                    Err(error) => serde_json::json!({ "error": error }),
                });
                continue;
            }
            last => break last,
        }
        say = line(&Done { done: true });
    };
    drop(harness);
    let value = end(last);
    drop(kept);
    value
}

/// Makes a call from inside a body.
fn call(call: Call) -> Answer {
    match CALLS.get() {
        Some(make) => make(call),
        None => Err(bad("the pool cannot be reached from this process".into())),
    }
}

/// What a body holds until it ends.
#[derive(Default)]
struct Kept {
    memory: Vec<Vec<u8>>,
    children: Vec<Child>,
}

/// Carries out the order that ends a body.
fn end(order: Order) -> Ended {
    match order {
        Order::Return(value) => Ok(Parcel::sent(value)),
        Order::Raise(error) => Err(Parcel::sent(error)),
        Order::ReturnUnsendable(_) => Ok(Parcel::stuck(Value::Null)),
        Order::RaiseUnsendable(_) => Err(Parcel::stuck(broken(&"an error that cannot travel"))),
        Order::Panic(text) => panic!("{text}"),
        Order::Exit(code) => std::process::exit(code),
        Order::Signal(name) => {
            let signal = Signal::from_str(&format!("SIG{name}")).map_err(|e| broken(&e))?;
            kill(Pid::this(), signal).map_err(|e| broken(&e))?;
            nothing()
        }
        Order::CloseFds(_) => {
            close_all().map_err(|e| broken(&e))?;
            nothing()
        }
        // These end nothing, and are carried out where they are read.
        Order::SpawnChild(_) | Order::Allocate(_) | Order::IgnoreSigterm(_) | Order::Call(_) => {
            nothing()
        }
    }
}

fn nothing() -> Ended {
    Ok(Parcel::sent(Value::Null))
}

/// A child that outlives the task unless somebody ends it. It waits without a time limit: a timed wait is not rest.
fn sleeper() -> io::Result<Child> {
    Command::new("sleep").arg("infinity").spawn()
}

/// A worker has one thread: what that does not take, nobody takes.
fn block_sigterm() -> nix::Result<()> {
    SigSet::from(Signal::SIGTERM).thread_block()
}

/// So many MiB, each page written to.
fn pages(mib: u64) -> Result<Vec<u8>, ErrorReply> {
    let size = usize::try_from(mib)
        .ok()
        .and_then(|mib| mib.checked_mul(1 << 20));
    let size = size.ok_or_else(|| broken(&format!("{mib} MiB are more than can be addressed")))?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(size).map_err(|e| broken(&e))?;
    memory.resize(size, 1);
    Ok(black_box(memory))
}

/// Closes every file descriptor of this process, as careless code does.
fn close_all() -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open {
        // The one that listed them is closed already.
        let _ = close(fd);
    }
    Ok(())
}

/// The puppet itself failed: an error that no case expects.
fn broken(why: &dyn std::fmt::Display) -> ErrorReply {
    ErrorReply {
        kind: "Puppet".into(),
        text: why.to_string(),
    }
}
