//! What several test programs need. Nothing here waits for a time to pass: a test waits for an event, and gives up
//! after [`BOUND`], which is only reached where something is broken.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use pool_core::backend::TimeSource;
use pool_process::{Cause, Pool, Portable, Process, ProcessPool, TaskError, Timers, WorkerLost};

pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// What takes longer is broken. Things that the contract wants within a second have this long on a machine that is
/// busy with something else.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// A pool by the default way, one by re-exec, and one without shared memory: what holds for one holds for the others.
pub(crate) fn each_way(size: usize, check: impl Fn(&ProcessPool) -> Outcome) -> Outcome {
    check(&ProcessPool::new(size)?)?;
    let on_sockets = ProcessPool::builder().size(size).shared_memory(false);
    check(&on_sockets.build()?)?;
    check(&ProcessPool::builder().size(size).reexec().build()?)
}

/// As [`each_way`], and by a raw fork.
pub(crate) fn every_way(size: usize, check: impl Fn(&ProcessPool) -> Outcome) -> Outcome {
    each_way(size, &check)?;
    // SAFETY: the tasks of these tests need nothing that another thread of the program may hold.
    check(&unsafe { ProcessPool::builder().size(size).raw_fork() }.build()?)
}

/// Runs this in a process of its own, which must not fail: it changes what all threads of a process share.
pub(crate) fn apart(check: fn(()) -> ()) -> Outcome {
    apart_with(check, ())
}

/// As [`apart`], with an argument.
pub(crate) fn apart_with<A: Portable>(check: fn(A), argument: A) -> Outcome {
    let process = Process::new(check, argument);
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(0), "see its message above");
    Ok(())
}

/// Copies this program into a directory. Another process does it: a file that is open for writing cannot be started, and what is
/// open here any other test may hand down to a child for a moment.
pub(crate) fn copy_into(directory: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let file = directory.join("program");
    let copied = Command::new("cp")
        .arg(std::env::current_exe()?)
        .arg(&file)
        .status()?;
    assert!(copied.success());
    Ok(file)
}

/// Whether this runs as root; says what is skipped where it does not.
pub(crate) fn is_root(what: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip(what, "it needs root");
    }
    root
}

/// Says that something is not tested here.
pub(crate) fn skip(what: &str, why: &str) {
    // Not by `eprintln`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}

/// From now on this thread is somebody else, who may do nothing.
pub(crate) fn become_nobody() {
    const NOBODY: u32 = 65534;
    // SAFETY: plain numbers, and no list.
    unsafe {
        assert_eq!(nix::libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(nix::libc::setgid(NOBODY), 0);
        assert_eq!(nix::libc::setuid(NOBODY), 0);
    }
}

/// From now on the system knows this call no more, as far as this thread is concerned, and what it starts.
pub(crate) fn forget_call(number: nix::libc::c_long) {
    refuse_call(number, None, nix::libc::ENOSYS);
}

/// From now on the system refuses this call with this error, or only where its argument of an index has a value, as far as this thread is
/// concerned, and what it starts.
pub(crate) fn refuse_call(number: nix::libc::c_long, argument: Option<(u32, u32)>, errno: i32) {
    use nix::libc::{self, sock_filter, sock_fprog};
    let of = |code: u32, jt, jf, k| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = |at| of(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let unless = |value, skip| of(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, skip, value);
    // The number of the call is the first thing that a filter can look at; its arguments begin 16 bytes behind that.
    let mut filter = vec![load(0), unless(number as u32, 1)];
    if let Some((index, value)) = argument {
        filter[1] = unless(number as u32, 3);
        filter.extend([load(16 + 8 * index), unless(value, 1)]);
    }
    let refuse = libc::SECCOMP_RET_ERRNO | errno as u32;
    filter.push(of(libc::BPF_RET | libc::BPF_K, 0, 0, refuse));
    let allow = libc::SECCOMP_RET_ALLOW;
    filter.push(of(libc::BPF_RET | libc::BPF_K, 0, 0, allow));
    let program = sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: a program of that length, which the kernel checks and copies.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program),
            0
        );
    }
}

/// The loss that a failure must be.
pub(crate) fn loss<T: std::fmt::Debug, E: std::fmt::Debug>(
    result: Result<T, TaskError<E>>,
) -> WorkerLost {
    match result {
        Err(TaskError::WorkerLost(lost)) => *lost,
        other => panic!("not a lost worker: {other:?}"),
    }
}

/// The signal that a worker must have died of.
pub(crate) fn signal_of(lost: &WorkerLost) -> &str {
    match &lost.cause {
        Cause::Signal { name, .. } => name,
        other => panic!("not a signal: {other:?}"),
    }
}

/// Checks the cause of a death whose status went elsewhere: what the kernel keeps, if it is one that does.
pub(crate) fn is_kept(lost: &WorkerLost, cause: &Cause) {
    if kernel() >= (6, 15) || !matches!(lost.cause, Cause::Unknown(_)) {
        assert_eq!(lost.cause, *cause, "{lost}");
    }
}

/// The version of the kernel, as far as it decides what it can be asked for.
pub(crate) fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc");
    let mut parts = release
        .split(['.', '-'])
        .map_while(|part| part.parse().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

pub(crate) fn pid(_: ()) -> u32 {
    std::process::id()
}

/// A task that dies.
pub(crate) fn raise(signal: i32) {
    let signal = Signal::try_from(signal).expect("a signal");
    nix::sys::signal::raise(signal).expect("it can be raised");
}

/// A task that ends when it is killed, and not before.
pub(crate) fn never_end(_: ()) {
    loop {
        nix::unistd::pause();
    }
}

/// A clock that stands still: what is done in time without it was not done by a timer.
pub(crate) fn no_time() -> Timers {
    struct Still;
    impl TimeSource for Still {
        fn arm(&self, _after: Duration, _alarm: pool_core::backend::Alarm) -> u64 {
            0
        }
        fn disarm(&self, _timer: u64) {}
    }
    Timers::bound(Arc::new(Still))
}

/// A clock that stands still until the function is called, which has every timer expire that is armed then.
pub(crate) fn time_by_hand() -> (Timers, impl Fn()) {
    #[derive(Default)]
    struct ByHand(Mutex<(u64, BTreeMap<u64, pool_core::backend::Alarm>)>);
    impl ByHand {
        fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, pool_core::backend::Alarm>)> {
            self.0.lock().expect("whole")
        }
    }
    impl TimeSource for ByHand {
        fn arm(&self, _after: Duration, alarm: pool_core::backend::Alarm) -> u64 {
            let (last, armed) = &mut *self.lock();
            *last += 1;
            armed.insert(*last, alarm);
            *last
        }
        fn disarm(&self, timer: u64) {
            let alarm = self.lock().1.remove(&timer);
            drop(alarm);
        }
    }
    let clock = Arc::new(ByHand::default());
    let expire = {
        let clock = clock.clone();
        move || {
            let armed = std::mem::take(&mut clock.lock().1);
            armed.into_values().for_each(|alarm| alarm());
        }
    };
    (Timers::bound(clock), expire)
}

/// Waits for something to read, or for an end.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> bool {
    let end = Instant::now() + BOUND;
    let mut watched = [PollFd::new(fd, PollFlags::POLLIN)];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match poll(&mut watched, PollTimeout::try_from(left).expect("short")) {
            Err(Errno::EINTR) => {}
            other => return other.expect("it can be polled") > 0,
        }
    }
}

/// A process, watched by its descriptor: it is told from a later one with its number.
pub(crate) struct Watch(u32, Option<OwnedFd>);

impl Watch {
    /// Watches a process, which may have ended.
    pub(crate) fn over(pid: u32) -> Watch {
        // SAFETY: plain numbers; the descriptor is new and nobody else's.
        let fd = unsafe {
            let fd = nix::libc::syscall(nix::libc::SYS_pidfd_open, pid, 0);
            i32::try_from(fd)
                .ok()
                .filter(|fd| *fd >= 0)
                .map(|fd| OwnedFd::from_raw_fd(fd))
        };
        Watch(pid, fd)
    }

    /// Signals it, if it is there.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Watch(_, Some(fd)) = self {
            // SAFETY: a descriptor of a process, a number, and no information to go with it.
            unsafe {
                let (fd, none) = (fd.as_raw_fd(), std::ptr::null::<nix::libc::siginfo_t>());
                nix::libc::syscall(nix::libc::SYS_pidfd_send_signal, fd, signal as i32, none, 0);
            }
        }
    }

    /// Waits until it has ended, which it must.
    pub(crate) fn ends(&self) {
        let Watch(pid, fd) = self;
        let ended = fd.as_ref().is_none_or(|fd| readable(fd.as_fd()));
        assert!(ended, "process {pid} is still there ({:?})", state(*pid));
    }
}

/// A place in the test's process where others report and then wait to be let go. They wait for ever: the end of the
/// test's process, or of their own, ends it.
pub(crate) struct Gate {
    listener: UnixListener,
    name: String,
}

/// One who waits at a gate, until this is dropped.
pub(crate) struct Guest {
    pub(crate) pid: u32,
    pub(crate) word: String,
    _stream: UnixStream,
}

impl Gate {
    pub(crate) fn new() -> Gate {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("pool-process-test-{}-{number}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let listener = UnixListener::bind_addr(&address).expect("nobody else has this name");
        Gate { listener, name }
    }

    /// What is to be handed to [`wait_at`].
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    /// Waits until so many are here.
    pub(crate) fn guests(&self, count: usize) -> Vec<Guest> {
        (0..count)
            .map(|_| {
                assert!(readable(self.listener.as_fd()), "nobody came to the gate");
                let (mut stream, _) = self.listener.accept().expect("somebody is there");
                stream.set_read_timeout(Some(BOUND)).expect("a bound");
                let mut head = [0; 5];
                stream.read_exact(&mut head).expect("who it is");
                let [a, b, c, d, length] = head;
                let mut word = vec![0; length.into()];
                stream.read_exact(&mut word).expect("what it says");
                Guest {
                    pid: u32::from_le_bytes([a, b, c, d]),
                    word: String::from_utf8(word).expect("text"),
                    _stream: stream,
                }
            })
            .collect()
    }
}

/// In a task: goes to a gate and waits there. Returns its process id.
pub(crate) fn wait_at(gate: String) -> u32 {
    wait_with(&gate, "")
}

/// As [`wait_at`], with something to say.
pub(crate) fn wait_with(gate: &str, word: &str) -> u32 {
    let address = SocketAddr::from_abstract_name(gate).expect("a name");
    let mut stream = UnixStream::connect_addr(&address).expect("the gate is there");
    let mut report = std::process::id().to_le_bytes().to_vec();
    report.push(u8::try_from(word.len()).expect("short"));
    report.extend_from_slice(word.as_bytes());
    stream.write_all(&report).expect("it is heard");
    // The end is what is waited for.
    let _ = stream.read(&mut [0]);
    std::process::id()
}

/// The process ids of all workers of a pool of this size.
pub(crate) fn everybody(pool: &ProcessPool, size: usize) -> BTreeSet<u32> {
    let gate = Gate::new();
    let handles: Vec<_> = (0..size)
        .map(|_| {
            pool.apply_async(wait_at, gate.name())
                .expect("a running pool")
        })
        .collect();
    // They are all there at once, so each is another.
    let pids = gate.guests(size).iter().map(|guest| guest.pid).collect();
    for handle in handles {
        handle.get().expect("it was let go");
    }
    pids
}

/// A process that a worker leaves behind: it lives for a minute, unless it is killed. Its process id.
pub(crate) fn linger(_: ()) -> u32 {
    let child = Command::new("sleep").arg("60").spawn();
    child.expect("sleep is there").id()
}

/// From now on this process does not listen to SIGTERM.
pub(crate) fn ignore_sigterm() {
    // SAFETY: to ignore a signal calls no handler.
    unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.expect("it can be ignored");
}

/// All processes that descend from this one.
pub(crate) fn descendants(of: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = vec![of];
    while let Some(pid) = open.pop() {
        for task in fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let children = children
                .split_whitespace()
                .filter_map(|child| child.parse().ok());
            open.extend(children.filter(|child| found.insert(*child)));
        }
    }
    found
}

/// Threads of this process that live. One that was joined may stand in /proc for a moment yet: the kernel wakes the
/// joiner before it takes the thread off its list, but after it has marked it as leaving.
pub(crate) fn threads() -> usize {
    const PF_EXITING: u64 = 0x4;
    let tasks = fs::read_dir("/proc/self/task").expect("/proc");
    let lives = |task: fs::DirEntry| {
        // A thread that goes between the two looks is not counted.
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        let flags = stat.rsplit_once(')')?.1.split_whitespace().nth(6)?;
        Some(flags.parse::<u64>().ok()? & PF_EXITING == 0)
    };
    tasks
        .flatten()
        .filter_map(lives)
        .filter(|lives| *lives)
        .count()
}

/// Field of a process's line in /proc, counted from its state.
fn stat(pid: u32, field: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(field).map(str::to_owned)
}

pub(crate) fn state(pid: u32) -> Option<String> {
    stat(pid, 0)
}

pub(crate) fn parent(pid: u32) -> u32 {
    let parent = stat(pid, 1).and_then(|parent| parent.parse().ok());
    parent.expect("it is there")
}

/// Whether a process is there and is no zombie.
pub(crate) fn lives(pid: u32) -> bool {
    state(pid).is_some_and(|state| !matches!(&*state, "Z" | "X"))
}

/// Stops a process, and waits until it stands still. The kernel tells that to the parent of the process alone, which
/// is the fork server, so this looks again and again.
pub(crate) fn stop(pid: u32) {
    kill(pid, Signal::SIGSTOP);
    let end = Instant::now() + BOUND;
    while state(pid).as_deref() != Some("T") {
        assert!(Instant::now() < end, "process {pid} does not stop");
        std::thread::yield_now();
    }
}

/// Sends a signal to a process.
pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a process id"));
    nix::sys::signal::kill(pid, signal).expect("it is there");
}
