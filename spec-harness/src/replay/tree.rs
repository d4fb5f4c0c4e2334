//! Every process of one run: finds them, looks whether they are at rest, and leaves none behind.
//!
//! A process belongs to the run when it descends from the adapter, or carries one of the run's marks (a limit that is inherited, a variable
//! of the environment), or is of the adapter's session. The harness is the subreaper: whoever loses its parent becomes
//! its child, and is found there; where the harness has no other children, also without any mark. Looking through `/proc` for new processes is dear, and only done when the
//! kernel has given out a new number since everybody was known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::procfs::{self, LastPid, Level, Stat, ThreadFiles};
use super::quiet::{self, First};
use super::sys;
use crate::history::NOT_KNOWN;

/// The processes of one run.
#[derive(Debug)]
pub(super) struct Tree {
    root: i32,
    mark: u64,
    marker: String,
    /// Threads by process and number.
    threads: BTreeMap<(i32, i32), ThreadFiles>,
    processes: BTreeMap<i32, Process>,
    last_pid: LastPid,
    /// What `last_pid` was when everybody was known.
    complete_at: Option<u64>,
    /// How the adapter itself ended.
    root_ended: Option<i32>,
}

#[derive(Debug)]
struct Process {
    start: u64,
    name: String,
}

/// A worker that was met at work: a thread, by numbers that nobody else has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Worker {
    pid: i32,
    tid: i32,
    start: u64,
}

impl Worker {
    /// Nothing where it has gone already.
    pub(super) fn met(pid: i32, tid: i32) -> Option<Worker> {
        let start = procfs::thread_stat(pid, tid)?.start;
        Some(Worker { pid, tid, start })
    }

    /// Kills its process, where it is there.
    pub(super) fn kill(&self) {
        let stat = procfs::thread_stat(self.pid, self.tid);
        if stat.is_some_and(|stat| stat.start == self.start) {
            // It may have gone in this very moment, which is what is wanted.
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
    }

    /// What is to be said of it while the kernel knows it, be it as a zombie.
    pub(super) fn left(&self) -> Option<String> {
        let stat =
            procfs::thread_stat(self.pid, self.tid).filter(|stat| stat.start == self.start)?;
        let Worker { pid, tid, .. } = self;
        let who = match stat.state {
            // The kernel takes it off its list in a moment.
            'X' => return None,
            'Z' if pid != tid => return None,
            'Z' => format!("the zombie of {}", stat.name),
            _ => format!("the worker {}", stat.name),
        };
        Some(format!("{who} (pid {pid}, tid {tid})"))
    }
}

/// How often each thread, by process and number, was put on a CPU.
pub(super) type RunCounts = Vec<((i32, i32), u64)>;

/// What a look at all threads came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rest {
    /// All sleep.
    Asleep {
        /// One who sleeps with a time limit, if there is such a one.
        timed: Option<String>,
        /// The run counts of all who sleep without.
        counts: RunCounts,
        /// Those of all who sleep with one.
        timers: RunCounts,
    },
    /// Somebody is awake, or was between the looks.
    Awake(String),
    /// The kernel has given out a number meanwhile, as far as one can see to a process or thread of somebody else.
    Disturbed,
}

impl Rest {
    /// Whether all sleep and nobody has a time limit.
    pub(super) fn is_proven(&self) -> bool {
        matches!(self, Rest::Asleep { timed: None, .. })
    }
}

impl Tree {
    pub(super) fn new(root: i32, mark: u64, marker: String) -> Tree {
        Tree {
            root,
            mark,
            marker,
            threads: BTreeMap::new(),
            processes: BTreeMap::new(),
            last_pid: LastPid::open(),
            complete_at: None,
            root_ended: None,
        }
    }

    /// The adapter's process.
    pub(super) fn root(&self) -> i32 {
        self.root
    }

    /// How the adapter ended: its exit code, or the negative signal.
    pub(super) fn root_ended(&self) -> Option<i32> {
        self.root_ended
    }

    /// What can be read of the adapter.
    pub(super) fn level(&mut self) -> Level {
        self.search();
        let levels = self.threads.values().map(ThreadFiles::level);
        levels
            .reduce(|a, b| if a == Level::Full { b } else { a })
            .unwrap_or(Level::Nothing)
    }

    /// Whether all threads of all processes are at rest, by the two looks of [`quiet`].
    pub(super) fn look(&mut self) -> Rest {
        let before = self.last_pid.read();
        let mut asleep = Vec::with_capacity(self.threads.len());
        let mut ended = Vec::new();
        let mut timed = None;
        let mut timers = Vec::new();
        for (id, thread) in &mut self.threads {
            match quiet::first_look(thread) {
                First::Asleep(runs, None) => asleep.push((*id, runs)),
                First::Asleep(runs, Some(call)) => {
                    timers.push((*id, runs));
                    timed = Some((*id, call));
                }
                First::Ended => ended.push(*id),
                First::Awake => {
                    let who = *id;
                    return Rest::Awake(self.describe(who, "is awake"));
                }
            }
        }
        for id in ended {
            self.ended(id);
        }
        // Between the looks: who is being started has a number already and cannot be seen yet, but whoever starts it is
        // awake until then.
        let known = before.is_some() && before == self.complete_at;
        if !known && self.search() {
            return Rest::Awake("a process or thread was started".to_owned());
        }
        for (id, runs) in &asleep {
            let slept = self
                .threads
                .get_mut(id)
                .is_some_and(|t| quiet::second_look(t, *runs));
            if !slept {
                return Rest::Awake(self.describe(*id, "ran"));
            }
        }
        if self.last_pid.read() != before {
            return Rest::Disturbed;
        }
        self.complete_at = before;
        let timed =
            timed.map(|(id, call)| self.describe(id, &format!("waits with a time limit ({call})")));
        Rest::Asleep {
            timed,
            counts: asleep,
            timers,
        }
    }

    /// The processes that have not ended, by name; the adapter is not among them.
    pub(super) fn left(&mut self) -> Vec<String> {
        self.search();
        let left = self.processes.iter().filter(|(pid, _)| **pid != self.root);
        left.map(|(pid, process)| format!("{} (pid {pid})", process.name))
            .collect()
    }

    /// Whether no process of the run lives any more.
    pub(super) fn is_empty(&mut self) -> bool {
        self.reap_root();
        self.root_ended.is_some() && self.left().is_empty()
    }

    /// Nanoseconds that all of them have spent on a CPU.
    pub(super) fn cpu_time(&self) -> u64 {
        self.threads
            .values()
            .filter_map(ThreadFiles::cpu_time)
            .sum()
    }

    /// Kills everything that belongs to the run and waits until it has gone. True when that succeeded.
    pub(super) fn kill_all(&mut self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            self.search();
            for (pid, process) in &self.processes {
                // The number may have been given to somebody else by now.
                if procfs::stat(*pid).is_some_and(|stat| stat.start == process.start) {
                    // It may have gone in this very moment, which is what is wanted.
                    let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
                }
            }
            self.reap_root();
            if self.root_ended.is_some() && self.processes.is_empty() {
                return true;
            }
            if Instant::now() > until {
                return false;
            }
            // The dying need a CPU, not a certain time; there is no message to wait for.
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Takes note of an adapter that has ended.
    pub(super) fn reap_root(&mut self) {
        if self.root_ended.is_some() {
            return;
        }
        let root = Pid::from_raw(self.root);
        let peek = WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT | WaitPidFlag::WEXITED;
        if waitid(Id::Pid(root), peek) == Ok(WaitStatus::StillAlive) {
            return;
        }
        // The kernel takes milliseconds to bury a process whose files in /proc are open.
        self.forget(self.root);
        self.root_ended = match waitpid(root, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => Some(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(-(signal as i32)),
            Err(Errno::ECHILD) => Some(NOT_KNOWN),
            _ => None,
        };
        self.complete_at = None;
    }

    /// Finds processes and threads that are new, forgets those that are gone; says whether it met anybody new, who may
    /// have gone meanwhile.
    fn search(&mut self) -> bool {
        let mut anybody = false;
        let mut work: Vec<i32> = self.processes.keys().copied().collect();
        if self.root_ended.is_none() {
            work.push(self.root);
        }
        let mut met = BTreeSet::new();
        loop {
            let Some(pid) = work.pop() else {
                // Last, as a parent that ends meanwhile leaves its children there.
                work = self.orphans();
                work.retain(|pid| !met.contains(pid));
                if work.is_empty() {
                    return anybody;
                }
                continue;
            };
            if !met.insert(pid) {
                continue;
            }
            let known = self.processes.get(&pid);
            let Some(stat) = procfs::stat(pid) else {
                anybody |= known.is_none();
                self.forget(pid);
                continue;
            };
            if known.is_some_and(|process| process.start != stat.start) {
                // Somebody else has got the number.
                anybody = true;
                self.forget(pid);
                continue;
            }
            if matches!(stat.state, 'Z' | 'X') && procfs::threads(pid).len() <= 1 {
                self.buried(pid, &stat);
                continue;
            }
            self.processes.insert(
                pid,
                Process {
                    start: stat.start,
                    name: stat.name,
                },
            );
            for tid in procfs::threads(pid) {
                work.extend(procfs::children(pid, tid).unwrap_or_default());
                if self.threads.contains_key(&(pid, tid)) {
                    continue;
                }
                anybody = true;
                if let Ok(files) = ThreadFiles::open(pid, tid) {
                    self.threads.insert((pid, tid), files);
                }
            }
        }
    }

    /// Children of the harness that belong to this run although the adapter is not their parent any more.
    fn orphans(&mut self) -> Vec<i32> {
        let own = std::process::id() as i32;
        let children = procfs::threads(own).into_iter();
        let children = children.flat_map(|tid| procfs::children(own, tid).unwrap_or_default());
        let unknown =
            children.filter(|pid| !sys::started(*pid) && !self.processes.contains_key(pid));
        let unknown: Vec<i32> = unknown.collect();
        if unknown.is_empty() {
            return unknown;
        }
        let runs = sys::runs();
        let started = |pid: &i32| runs.values().any(|root| root == pid);
        let of_this_run = |pid: &i32| {
            let Some(stat) = procfs::stat(*pid) else {
                return false;
            };
            let mark = procfs::locks_limit(*pid);
            let others = mark.is_some_and(|mark| mark != self.mark && runs.contains_key(&mark));
            mark == Some(self.mark)
                || stat.session == self.root
                || procfs::has_marker(*pid, &self.marker) == Some(true)
                || sys::is_alone() && !others
        };
        let unknown = unknown.into_iter().filter(|pid| !started(pid));
        unknown.filter(of_this_run).collect()
    }

    /// A process is a zombie: the harness buries its own, the others are their parents' affair.
    fn buried(&mut self, pid: i32, stat: &Stat) {
        if pid == self.root {
            self.reap_root();
            return;
        }
        self.forget(pid);
        if stat.parent == std::process::id() as i32 {
            // Nobody else waits for it; if somebody did, it is gone as well.
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        }
    }

    /// A thread has ended.
    fn ended(&mut self, (pid, tid): (i32, i32)) {
        if pid != tid {
            self.threads.remove(&(pid, tid));
            return;
        }
        // A leader that has ended stays as a zombie while other threads of it live.
        match procfs::stat(pid) {
            Some(_) if procfs::threads(pid).len() > 1 => {}
            Some(stat) => self.buried(pid, &stat),
            None => self.forget(pid),
        }
        self.complete_at = None;
    }

    fn forget(&mut self, pid: i32) {
        self.processes.remove(&pid);
        self.threads.retain(|(owner, _), _| *owner != pid);
    }

    /// A process and those that started it, up to the one that the harness has started.
    pub(super) fn line_of(&self, pid: i32) -> BTreeSet<i32> {
        let mut line = BTreeSet::from([self.root]);
        let mut next = Some(pid);
        while let Some(pid) = next.filter(|pid| line.insert(*pid)) {
            next = procfs::stat(pid).map(|stat| stat.parent);
        }
        line
    }

    /// The name of a thread, while it is there.
    pub(super) fn name(&self, id: (i32, i32)) -> Option<String> {
        Some(self.threads.get(&id)?.stat()?.name)
    }

    fn describe(&self, (pid, tid): (i32, i32), what: &str) -> String {
        let stat = self.threads.get(&(pid, tid)).and_then(ThreadFiles::stat);
        let name = stat.map(|stat| stat.name).unwrap_or_default();
        format!("thread {name} (tid {tid}) of process {pid} {what}")
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if self.root_ended.is_none() || !self.processes.is_empty() {
            self.kill_all(Duration::from_secs(2));
        }
        sys::runs().remove(&self.mark);
    }
}
