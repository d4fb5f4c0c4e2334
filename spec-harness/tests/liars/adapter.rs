//! A small adapter of a small pool, which does as it should but for one lie. It writes its messages itself, so that each of them can be
//! wrong.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use nix::unistd::gettid;
use serde_json::{Value, json};

/// What the adapter does otherwise than it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// It tells the truth.
    Honest,
    /// Its program ends with exit code 70.
    EndsWith70,
    /// Its program ends by a signal.
    EndsBySignal,
    /// A job gives one more than its task returned.
    OneMore,
    /// It can do nothing.
    CanNothing,
    /// It takes the newest task first, and says so.
    NewestFirst,
    /// Workers that it calls processes are its own threads.
    OwnThreads,
    /// Workers that it calls processes are threads of one other process.
    OneProcess,
    /// Tasks name a thread that is none.
    NoSuchThread,
    /// It leaves a process in a session of its own and without the run's marks.
    Daemon,
    /// A worker leaves such a process.
    DaemonOfTask,
    /// There is an empty line between its messages.
    BlankLine,
    /// Its lines end as on Windows.
    CarriageReturn,
    /// It answers another request than it was asked.
    WrongId,
    /// It says that it can do what nobody asks for.
    UnknownAbility,
    /// It is honest, can let go of handles, and ends with the number of those that it still has.
    CountsHandles,
    /// Hello is answered by a child, and what it calls processes are threads of its parent.
    Spokesman,
    /// It polls every 30 ms and says 1 ms.
    UnderstatedPolls,
}

impl Lie {
    const ALL: [Lie; 18] = [
        Lie::Honest,
        Lie::EndsWith70,
        Lie::EndsBySignal,
        Lie::OneMore,
        Lie::CanNothing,
        Lie::NewestFirst,
        Lie::OwnThreads,
        Lie::OneProcess,
        Lie::NoSuchThread,
        Lie::Daemon,
        Lie::DaemonOfTask,
        Lie::BlankLine,
        Lie::CarriageReturn,
        Lie::WrongId,
        Lie::UnknownAbility,
        Lie::CountsHandles,
        Lie::Spokesman,
        Lie::UnderstatedPolls,
    ];

    /// By its name on the command line.
    pub(crate) fn named(name: &str) -> Option<Lie> {
        Lie::ALL.into_iter().find(|lie| format!("{lie:?}") == name)
    }

    fn hello(self) -> Value {
        let mut can = vec!["pool", "apply", "apply_async", "get", "close", "join"];
        match self {
            Lie::CanNothing => can.clear(),
            Lie::UnknownAbility => can.push("call_backs"),
            Lie::CountsHandles => can.push("drop_handle"),
            _ => {}
        }
        let declines = match self {
            Lie::NewestFirst => json!({"O5": "the newest first"}),
            Lie::OneMore | Lie::EndsWith70 | Lie::EndsBySignal => {
                let rows = [
                    "O1", "O4", "O5", "O6", "R1", "R3", "L4", "L9", "L10", "W2", "W3",
                ];
                rows.into_iter()
                    .map(|row| (row.to_owned(), json!("so")))
                    .collect()
            }
            _ => json!({}),
        };
        let kinds = match self {
            Lie::OwnThreads | Lie::OneProcess | Lie::DaemonOfTask | Lie::Spokesman => ["process"],
            _ => ["thread"],
        };
        let polls = (self == Lie::UnderstatedPolls).then_some("1ms");
        json!({"name": "a small pool", "version": "1", "kinds": kinds, "can": can, "declines": declines, "polls": polls})
    }
}

/// What a task or a call came to, as a reply says it: `ok` or `error`.
type Answer = Value;

fn ok(value: &Value) -> Answer {
    json!({"ok": value})
}

fn error(kind: &str) -> Answer {
    json!({"error": {"kind": kind, "text": "so"}})
}

/// A task that waits, and who is told what it came to.
type Task = (u64, Sender<Answer>);

/// The tasks that wait, and whether no more will come.
#[derive(Default)]
struct Queue {
    tasks: Mutex<(Vec<Task>, bool)>,
    changed: Condvar,
}

struct Pool {
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<()>>,
}

impl Queue {
    fn take(&self, lie: Lie) -> Option<Task> {
        let mut tasks = self.tasks.lock().expect("nobody panics under it");
        loop {
            if !tasks.0.is_empty() {
                let at = if lie == Lie::NewestFirst {
                    tasks.0.len() - 1
                } else {
                    0
                };
                return Some(tasks.0.remove(at));
            }
            if tasks.1 {
                return None;
            }
            if lie == Lie::UnderstatedPolls {
                drop(tasks);
                thread::sleep(Duration::from_millis(30));
                tasks = self.tasks.lock().expect("nobody panics under it");
            } else {
                tasks = self.changed.wait(tasks).expect("nobody panics under it");
            }
        }
    }
}

struct Adapter {
    lie: Lie,
    socket: String,
    crew: Crew,
    pools: HashMap<String, Pool>,
    handles: HashMap<String, Receiver<Answer>>,
}

/// Who runs tasks.
#[derive(Clone)]
enum Crew {
    Threads,
    /// A process for each task.
    Processes,
    /// One process for all.
    One(Arc<Helper>),
}

/// Serves the harness until main returns.
pub(crate) fn main(lie: Lie) {
    let mut adapter = Adapter {
        lie,
        socket: String::new(),
        crew: Crew::Threads,
        pools: HashMap::new(),
        handles: HashMap::new(),
    };
    let requests = std::io::stdin().lock().lines();
    for request in requests.map_while(Result::ok) {
        let request: Value = serde_json::from_str(&request).expect("the harness speaks JSON");
        if request["cmd"] == "exit" {
            break;
        }
        let answer = adapter.call(&request);
        adapter.reply(request["id"].as_u64().expect("a number"), &answer);
    }
    match lie {
        Lie::EndsWith70 => std::process::exit(70),
        Lie::EndsBySignal => raise(Signal::SIGKILL).expect("it is allowed"),
        Lie::Daemon => daemon(),
        Lie::CountsHandles => std::process::exit(adapter.handles.len() as i32),
        _ => {}
    }
    std::process::exit(0)
}

impl Adapter {
    fn reply(&self, id: u64, answer: &Value) {
        let id = if self.lie == Lie::WrongId { id + 7 } else { id };
        let mut reply = answer.clone();
        reply["id"] = json!(id);
        let end = match self.lie {
            Lie::BlankLine => "\n\n",
            Lie::CarriageReturn => "\r\n",
            _ => "\n",
        };
        if self.lie == Lie::Spokesman {
            let mut says = Command::new("/bin/echo");
            says.arg(reply.to_string()).status().expect("it is there");
            return;
        }
        let mut out = std::io::stdout().lock();
        write!(out, "{reply}{end}")
            .and_then(|()| out.flush())
            .unwrap_or(());
    }

    fn call(&mut self, request: &Value) -> Answer {
        let name = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
        let key = || request["key"].as_u64().expect("a number");
        match name("cmd").as_str() {
            "hello" => {
                self.socket = name("socket");
                if name("kind") == "process" {
                    self.crew = match self.lie {
                        Lie::OwnThreads | Lie::Spokesman => Crew::Threads,
                        Lie::OneProcess => Crew::One(Helper::start(&self.socket)),
                        _ => Crew::Processes,
                    };
                }
                return ok(&self.lie.hello());
            }
            "pool" => {
                let size = request["size"].as_u64().expect("a number");
                if size == 0 {
                    return error("InvalidSize");
                }
                let pool = self.pool(size);
                self.pools.insert(name("pool"), pool);
            }
            "apply" | "apply_async" if self.is_closed(&name("pool")) => return error("NotRunning"),
            "apply" => {
                return self
                    .submit(&name("pool"), key())
                    .recv()
                    .expect("it answers");
            }
            "apply_async" => {
                let handle = self.submit(&name("pool"), key());
                self.handles.insert(name("handle"), handle);
            }
            "get" => {
                let handle = &self.handles[&name("handle")];
                let answer = match request["timeout"].as_f64() {
                    None => handle.recv().ok(),
                    Some(limit) => handle.recv_timeout(Duration::from_secs_f64(limit)).ok(),
                };
                let answer = answer.unwrap_or_else(|| error("TimedOut"));
                return match answer["ok"].as_i64() {
                    Some(value) if self.lie == Lie::OneMore => ok(&json!(value + 1)),
                    _ => answer,
                };
            }
            "drop_handle" => drop(self.handles.remove(&name("handle"))),
            "close" => self.end_of(&name("pool")),
            "join" if !self.is_closed(&name("pool")) => return error("StillRunning"),
            "join" => {
                let pool = self.pools.remove(&name("pool")).expect("it was made");
                pool.workers
                    .into_iter()
                    .for_each(|worker| worker.join().expect("it ends"));
            }
            other => panic!("{other} is not in `can`"),
        }
        ok(&Value::Null)
    }

    fn is_closed(&self, pool: &str) -> bool {
        let queue = &self.pools[pool].queue;
        queue.tasks.lock().expect("nobody panics under it").1
    }

    fn pool(&self, size: u64) -> Pool {
        let queue = Arc::<Queue>::default();
        let work = || {
            let (queue, lie, socket) = (queue.clone(), self.lie, self.socket.clone());
            let crew = self.crew.clone();
            thread::spawn(move || {
                while let Some((key, done)) = queue.take(lie) {
                    let value = match &crew {
                        Crew::Threads => puppet(&socket, key, lie),
                        Crew::Processes => in_a_process(&socket, key, lie),
                        Crew::One(helper) => helper.run(key),
                    };
                    // Whoever asked may have gone.
                    done.send(value).unwrap_or(());
                }
            })
        };
        let workers = (0..size).map(|_| work()).collect();
        Pool { queue, workers }
    }

    fn submit(&self, pool: &str, key: u64) -> Receiver<Answer> {
        let (done, answer) = mpsc::channel();
        let queue = &self.pools[pool].queue;
        queue
            .tasks
            .lock()
            .expect("nobody panics under it")
            .0
            .push((key, done));
        queue.changed.notify_one();
        answer
    }

    fn end_of(&self, pool: &str) {
        let queue = &self.pools[pool].queue;
        queue.tasks.lock().expect("nobody panics under it").1 = true;
        queue.changed.notify_all();
    }
}

/// A task: says who runs it, and returns what it is told.
pub(crate) fn puppet(socket: &str, key: u64, lie: Lie) -> Answer {
    let mut harness = UnixStream::connect(socket)
        .map(BufReader::new)
        .expect("it listens");
    let tid = match lie {
        Lie::NoSuchThread => 1,
        _ => gettid().as_raw(),
    };
    let begin = json!({"begin": key, "pid": std::process::id(), "tid": tid});
    writeln!(harness.get_mut(), "{begin}").expect("it reads");
    let mut order = String::new();
    harness.read_line(&mut order).expect("it orders");
    let order: Value = serde_json::from_str(&order).unwrap_or_default();
    if lie == Lie::DaemonOfTask {
        daemon();
    }
    match (&order["raise"], &order["panic"]) {
        (Value::Null, Value::Null) => ok(&order["return"]),
        (Value::Null, text) => json!({"error": {"kind": "Panicked", "text": text}}),
        (raised, _) => json!({"error": raised}),
    }
}

fn in_a_process(socket: &str, key: u64, lie: Lie) -> Answer {
    let output = this(&["task", socket, &key.to_string(), &format!("{lie:?}")]).output();
    serde_json::from_slice(&output.expect("it can be started").stdout).unwrap_or_default()
}

/// This very program with other arguments.
fn this(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it is there"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Leaves a process that is in a session of its own, knows nothing of the run, and whose parent has gone.
fn daemon() {
    let left = Command::new("/bin/sh")
        .args(["-c", "setsid -f sleep infinity"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    left.expect("there is a shell");
}

/// One process that runs every task on a thread of its own.
pub(crate) struct Helper {
    keys: Mutex<Child>,
    waiting: Arc<Mutex<HashMap<u64, Sender<Answer>>>>,
}

impl Helper {
    fn start(socket: &str) -> Arc<Helper> {
        let mut helper = this(&["helper", socket]);
        let helper = helper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = helper.expect("it can be started");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let waiting = Arc::<Mutex<HashMap<u64, Sender<Answer>>>>::default();
        let told = waiting.clone();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).expect("it writes JSON");
                let key = line[0].as_u64().expect("a number");
                let done = told.lock().expect("nobody panics under it").remove(&key);
                done.expect("it was asked")
                    .send(line[1].clone())
                    .unwrap_or(());
            }
        });
        Arc::new(Helper {
            keys: Mutex::new(child),
            waiting,
        })
    }

    fn run(&self, key: u64) -> Answer {
        let (done, answer) = mpsc::channel();
        self.waiting
            .lock()
            .expect("nobody panics under it")
            .insert(key, done);
        let mut child = self.keys.lock().expect("nobody panics under it");
        writeln!(child.stdin.as_mut().expect("a pipe"), "{key}").expect("it reads");
        drop(child);
        answer.recv().unwrap_or_default()
    }

    /// The process itself.
    pub(crate) fn main(socket: &str) {
        for key in std::io::stdin().lock().lines().map_while(Result::ok) {
            let (socket, key) = (socket.to_owned(), key.parse().expect("a number"));
            thread::spawn(move || {
                let value = puppet(&socket, key, Lie::Honest);
                println!("{}", json!([key, value]));
            });
        }
    }
}
