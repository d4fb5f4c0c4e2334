//! The small pool's workers: a thread each, which does the work itself or has a process for it.

use std::any::Any;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, getppid};
use serde_json::{Value, json};
use spec_harness::adapter::{Answer, puppet};
use spec_harness::case::ast::Kind;
use spec_harness::protocol::{Begin, ErrorReply, FromAdapter, Order, SOCKET_VARIABLE, line};

use crate::flaws::Flaw;
use crate::pool::{Errand, Pool, error};

/// Who runs the bodies.
pub(crate) enum Hands {
    Own,
    Process(Box<Worker>),
}

pub(crate) struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Starts that may fail one after the other.
const TRIES: u32 = 5;

/// The pause after the first of them; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Who does the next errand.
enum Next {
    Same(Hands),
    /// A new worker.
    New(Hands),
    Nobody,
}

/// How a body ended.
enum End {
    With(Answer),
    /// Its process went with it.
    Died,
}

impl Hands {
    pub(crate) fn new(pool: &Arc<Pool>) -> Hands {
        match pool.nature.kind {
            Kind::Thread => Hands::Own,
            Kind::Process => {
                let program = std::env::current_exe().expect("this program has a path");
                let mut child = Command::new(program)
                    .arg("worker")
                    .process_group(0)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("a worker can be started");
                pool.lock().pids.insert(child.id().cast_signed());
                let (orders, answers) = (child.stdin.take(), child.stdout.take());
                Hands::Process(Box::new(Worker {
                    child,
                    orders: orders.expect("it is piped"),
                    answers: BufReader::new(answers.expect("it is piped")),
                }))
            }
        }
    }

    /// The process.
    fn pid(&self) -> Option<i32> {
        match self {
            Hands::Own => None,
            Hands::Process(worker) => Some(worker.child.id().cast_signed()),
        }
    }

    /// Whether the process has ended, though nobody has told it to.
    fn have_died(&self) -> bool {
        let Some(pid) = self.pid().map(Pid::from_raw) else {
            return false;
        };
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        !matches!(waitid(Id::Pid(pid), look), Ok(WaitStatus::StillAlive))
    }

    fn run(&mut self, what: &str, key: u64, with: &Answer) -> End {
        match self {
            Hands::Own => End::With(perform(what, key, with.clone())),
            Hands::Process(worker) => worker.run(what, key, with).map_or(End::Died, End::With),
        }
    }

    /// Sees a process to its end.
    fn bury(self, pool: &Pool) {
        let Hands::Process(mut worker) = self else {
            return;
        };
        if pool.has(Flaw::LeakedWorker) {
            std::mem::forget(worker.orders);
            return;
        }
        drop(worker.orders);
        let pid = Pid::from_raw(worker.child.id().cast_signed());
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        // Until it is asked how it ended, its number is nobody else's.
        let _ = waitid(Id::Pid(pid), ended);
        pool.lock().pids.remove(&pid.as_raw());
        // What it has started and left behind.
        let _ = killpg(pid, Signal::SIGKILL);
        if !pool.has(Flaw::UnreapedWorker) {
            let _ = worker.child.wait();
        }
    }
}

impl Worker {
    fn run(&mut self, what: &str, key: u64, with: &Answer) -> Option<Answer> {
        let with = FromAdapter::Reply {
            id: key,
            result: with.clone(),
        };
        let order = line(&json!([what, with.to_line()]));
        self.orders.write_all(order.as_bytes()).ok()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).ok()?;
        match FromAdapter::parse(&answer) {
            Ok(FromAdapter::Reply { result, .. }) => Some(result),
            _ => None,
        }
    }
}

/// A worker's process: does as it is told until it is told nothing more.
pub(crate) fn main() {
    for order in std::io::stdin().lines() {
        let Ok(order) = order else { return };
        let Ok((what, with)) = serde_json::from_str::<(String, String)>(&order) else {
            return;
        };
        let Ok(FromAdapter::Reply { id, result }) = FromAdapter::parse(&with) else {
            return;
        };
        let result = perform(&what, id, result);
        let answer = FromAdapter::Reply { id, result }.to_line();
        let mut out = std::io::stdout();
        if out
            .write_all(answer.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return;
        }
    }
}

fn perform(what: &str, key: u64, with: Answer) -> Answer {
    let body = || match what {
        "two" => puppet::task_of_two(key, "arg2".into()),
        "initializer" => {
            let made = puppet::initializer(key);
            made.map(|()| Value::Null)
                .map_err(|why| error("Raised", &why))
        }
        "callback" => {
            puppet::callback(key, with);
            Ok(Value::Null)
        }
        "disguised callback" => Ok(in_disguise(key, with).unwrap_or_default()),
        _ => puppet::task(key),
    };
    let came = catch_unwind(AssertUnwindSafe(body));
    came.unwrap_or_else(|panic| Err(error("Panicked", &message(&*panic))))
}

/// A callback that says that it runs in the parent.
fn in_disguise(key: u64, with: Answer) -> Option<Value> {
    let socket = UnixStream::connect(std::env::var_os(SOCKET_VARIABLE)?).ok()?;
    let begin = Begin {
        begin: key,
        pid: getppid().as_raw(),
        tid: getppid().as_raw(),
        name: "callbacks".into(),
        args: 1,
        callback: true,
        initializer: false,
        value: with.as_ref().ok().cloned(),
        error: with.err(),
    };
    (&socket).write_all(line(&begin).as_bytes()).ok()?;
    let mut order = String::new();
    BufReader::new(&socket).read_line(&mut order).ok()?;
    match serde_json::from_str(&order) {
        Ok(Order::Return(value)) => Some(value),
        _ => None,
    }
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// The life of one of the first workers.
pub(crate) fn begin(pool: &Arc<Pool>, number: usize, hands: Hands) {
    match start(pool, hands) {
        Ok(hands) => work(pool, number, hands),
        Err(why) => {
            refuse(pool, number, &why);
            pool.worker_gone();
        }
    }
}

/// The life of one that takes another's place.
fn replace(pool: &Arc<Pool>, number: usize, hands: Hands) {
    if pool.has(Flaw::InitializerForTheFirstOnly) {
        work(pool, number, hands);
    } else {
        begin(pool, number, hands);
    }
}

/// Runs the initializer, more than once where it fails.
fn start(pool: &Arc<Pool>, mut hands: Hands) -> Result<Hands, ErrorReply> {
    let Some(number) = pool.initializer else {
        return Ok(hands);
    };
    loop {
        let end = if pool.has(Flaw::InitializerInTheParent) {
            Hands::Own.run("initializer", number, &Ok(Value::Null))
        } else {
            hands.run("initializer", number, &Ok(Value::Null))
        };
        let failed = !matches!(end, End::With(Ok(_)));
        if !failed || pool.has(Flaw::InitializerFailureIgnored) {
            pool.started();
            return Ok(hands);
        }
        hands.bury(pool);
        let tries = pool.start_failed();
        let gives_up = tries >= TRIES && !pool.has(Flaw::InitializerTriedForEver);
        if gives_up || !pool.pause(FIRST_PAUSE * 2_u32.pow((tries - 1).min(8))) {
            return Err(error("WorkerLost", "the worker could not start"));
        }
        hands = Hands::new(pool);
    }
}

/// Fails what nobody can do.
fn refuse(pool: &Arc<Pool>, number: usize, why: &ErrorReply) {
    while let Some(errand) = pool.next(number, None) {
        let place = errand.chunk.items.start;
        let why = pool.left(errand.start).unwrap_or_else(|| why.clone());
        pool.chunk_ended(errand.chunk.job, Some((place, why)));
    }
}

/// A worker's life after its start.
fn work(pool: &Arc<Pool>, number: usize, mut hands: Hands) {
    let (mut done, mut chunks) = (0, 0);
    let is_old = Arc::new(AtomicBool::new(false));
    let ages = is_old.clone();
    let _age = pool
        .age
        .map(|age| pool.after(age, move |_| ages.store(true, Ordering::SeqCst)));
    while let Some(errand) = pool.next(number, hands.pid()) {
        if is_old.load(Ordering::SeqCst) && !pool.is_terminated() {
            pool.put_back_first(errand);
            hands.bury(pool);
            let (pool, hands) = (pool.clone(), Hands::new(pool));
            thread::spawn(move || replace(&pool, number, hands));
            return;
        }
        if hands.have_died() && !pool.has(Flaw::IdleDeathLosesTheNext) {
            // It never began.
            pool.put_back_first(errand);
            hands.bury(pool);
            if pool.has(Flaw::IdleDeathNotReplaced) {
                return pool.worker_gone();
            }
            return replace(pool, number, Hands::new(pool));
        }
        if pool.has(Flaw::InitializerPerTask)
            && let Some(initializer) = pool.initializer.filter(|_| chunks > 0)
        {
            hands.run("initializer", initializer, &Ok(Value::Null));
        }
        let items = errand.keys.len() as u64;
        pool.nature.manner.dawdle();
        hands = match do_errand(pool, errand, hands, &mut done) {
            Next::Same(hands) => hands,
            Next::New(hands) => return replace(pool, number, hands),
            Next::Nobody => return pool.worker_gone(),
        };
        if chunks == 4 && pool.has(Flaw::WorkersWearOut) {
            hands.bury(pool);
            return pool.worker_gone();
        }
        chunks += if pool.has(Flaw::ShareCountsItems) {
            items
        } else {
            1
        };
        if pool.share.is_some_and(|share| chunks >= share) && !pool.is_terminated() {
            hands.bury(pool);
            if pool.has(Flaw::ShareEndsTheWorker) || pool.is_drained() {
                return pool.worker_gone();
            }
            let (pool, hands) = (pool.clone(), Hands::new(pool));
            thread::spawn(move || replace(&pool, number, hands));
            return;
        }
    }
    hands.bury(pool);
    pool.worker_gone();
}

/// Does a chunk; gives who does the next one.
fn do_errand(pool: &Arc<Pool>, errand: Errand, mut hands: Hands, done: &mut usize) -> Next {
    let job = errand.chunk.job;
    let what = if errand.star && !pool.has(Flaw::StarmapPacks) {
        "two"
    } else {
        "task"
    };
    let nothing = Ok(Value::Null);
    let mut failed = None;
    for (place, key) in errand.chunk.items.clone().zip(&errand.keys) {
        let mut end = hands.run(what, *key, &nothing);
        *done += 1;
        if pool.has(Flaw::TaskRunsTwice) && *done == 2 {
            end = hands.run(what, *key, &nothing);
        }
        pool.nature.manner.dawdle();
        match end {
            End::With(Err(raised)) if pool.fails_for_now(errand.start, &errand.chunk, &raised) => {
                return Next::Same(hands);
            }
            End::With(Err(raised)) if !errand.of_imap => {
                let panicked = raised.kind == "Panicked";
                failed.get_or_insert((place, raised));
                if panicked && pool.has(Flaw::PanicLosesTheWorker) {
                    pool.left(errand.start);
                    pool.chunk_ended(job, failed);
                    hands.bury(pool);
                    return Next::Nobody;
                }
                if !pool.has(Flaw::ChunkGoesOn) {
                    break;
                }
            }
            End::With(answer) => {
                pool.item_ended(job, place, answer);
                let mut rest = errand.chunk.clone();
                rest.items.start = place + 1;
                if pool.has(Flaw::ChunkChangesWorkers) && !rest.items.is_empty() {
                    pool.left(errand.start);
                    pool.put_back(rest);
                    return Next::Same(hands);
                }
            }
            End::Died => {
                let early = pool.left(errand.start);
                hands.bury(pool);
                return after_death(pool, errand, place, early).map_or(Next::Nobody, Next::New);
            }
        }
    }
    match pool.left(errand.start) {
        None => pool.chunk_ended(job, failed),
        // It was told to end, and has not listened in time.
        early @ Some(_) if pool.nature.kind == Kind::Process => {
            hands.bury(pool);
            let place = errand.chunk.items.start;
            return after_death(pool, errand, place, early).map_or(Next::Nobody, Next::New);
        }
        // It has ended for its job before.
        Some(_) => {}
    }
    if pool.calls_back_on_workers() {
        let what = if pool.has(Flaw::CallbackInDisguise) {
            "disguised callback"
        } else {
            "callback"
        };
        while let Some(callback) = pool.take_callback() {
            hands.run(what, callback.key, &callback.with);
            pool.callback_returned(&callback);
        }
    }
    Next::Same(hands)
}

/// A process has died with what it did; gives who takes its place.
fn after_death(
    pool: &Arc<Pool>,
    errand: Errand,
    place: usize,
    early: Option<ErrorReply>,
) -> Option<Hands> {
    let lost = error("WorkerLost", "the worker's process has died");
    match pool.nature.flaw {
        _ if pool.is_terminated() => {}
        _ if early.is_some() => pool.chunk_ended(errand.chunk.job, early.map(|why| (place, why))),
        Some(Flaw::DeathHangs) => {}
        Some(Flaw::DeathTellsTheNext) => {
            pool.fail_next(&lost);
            pool.chunk_ended(errand.chunk.job, Some((place, lost)));
        }
        Some(Flaw::DeathRunsItAgain) => pool.put_back(errand.chunk),
        Some(Flaw::DeathFailsNeighbours) => pool.fail_all(&lost, false),
        Some(Flaw::DeathBreaksThePool) => pool.fail_all(&lost, true),
        _ if pool.try_again(errand.chunk.clone()) => {}
        _ => pool.chunk_ended(errand.chunk.job, Some((place, lost))),
    }
    if pool.died() > 2 && pool.has(Flaw::ThirdDeathIsTheLast) {
        return None;
    }
    let replaced = !pool.has(Flaw::DeathNotReplaced) && !pool.has(Flaw::DeathBreaksThePool);
    let goes_on = pool.has(Flaw::TerminateKeepsTheQueue) || !pool.is_drained();
    (replaced && goes_on).then(|| Hands::new(pool))
}

/// Starts what nobody ends.
pub(crate) fn leave_a_process_behind() {
    let started = Command::new("sleep")
        .arg("infinity")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    drop(started.expect("there is a program `sleep`"));
}
