//! The few system calls that have no safe wrapper here.
//!
//! # Safety
//! `spawn` runs a closure between fork and exec, and the child of `Sleeper` never calls exec: both make system calls and
//! nothing else, because another thread may have held any lock at the fork. `pidfd` passes two integers to the kernel and owns what it gets;
//! `how_it_ended` has it fill a structure of the size that the call names.
//! The signal handler stores into an atomic and does nothing else.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::libc;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, pause, setsid};

/// Held while a child exists that has not yet called exec: it has a copy of every descriptor of the harness.
static FORKING: Mutex<()> = Mutex::new(());

/// Closes a descriptor so that its other end sees the end of the stream at once: no child that is just being
/// started for another run has a copy.
pub(super) fn close_for_all(descriptor: impl Sized) {
    let _guard = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    drop(descriptor);
}

/// Runs that go on: the mark of each, and the process that was started for it.
static RUNS: Mutex<BTreeMap<u64, i32>> = Mutex::new(BTreeMap::new());

/// What this program started, by the marks of the runs for which it did.
pub(super) fn runs() -> MutexGuard<'static, BTreeMap<u64, i32>> {
    // No child exists meanwhile that has no place in it yet.
    let _forking = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this program started a process for a run that goes on; of one that is just being started nothing is known yet.
pub(super) fn started(pid: i32) -> bool {
    let runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
    runs.values().any(|root| *root == pid)
}

/// A number that no other run has. It becomes the limit of file locks, which the kernel has not applied since Linux 2.4.25, but still hands
/// on to every child and every program that is called: a process keeps it that leaves session, parent and environment behind.
fn new_mark() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let (_, most) = getrlimit(Resource::RLIMIT_LOCKS).unwrap_or((0, 0));
    most.min(i64::MAX as u64)
        .saturating_sub(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Starts a command as the leader of its own session, with a mark that all of its processes keep, to be killed by the kernel when
/// the thread that started it is gone.
pub(super) fn spawn(command: &mut Command) -> (u64, io::Result<Child>) {
    let parent = std::process::id();
    let mark = new_mark();
    // SAFETY: the closure makes four system calls, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            setsid()?;
            // Where a sandbox refuses this, environment and session are the marks that are left.
            let _ = setrlimit(Resource::RLIMIT_LOCKS, mark, mark);
            set_pdeathsig(Signal::SIGKILL)?;
            // The harness may have died before the line above.
            if getppid().as_raw() as u32 != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
    let _guard = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    // Returns after exec, or after its failure.
    let child = command.spawn();
    if let Ok(child) = &child {
        let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(mark, child.id() as i32);
    }
    (mark, child)
}

/// Whether every child of this program is one of a run, whoever started it.
static ALONE: AtomicBool = AtomicBool::new(false);

/// Says that this program starts nothing but runs: a child that it has not started was left by one of them.
pub(super) fn starts_nothing_else() {
    ALONE.store(true, Ordering::Relaxed);
}

/// See [`starts_nothing_else`].
pub(super) fn is_alone() -> bool {
    ALONE.load(Ordering::Relaxed)
}

/// A child that does nothing until this is dropped: the harness once more, so that nothing has to be on the machine to
/// be started.
#[derive(Debug)]
pub(super) struct Sleeper {
    child: Pid,
    _forking: MutexGuard<'static, ()>,
}

impl Sleeper {
    pub(super) fn start() -> io::Result<Sleeper> {
        let parent = getpid();
        let forking = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the child makes system calls and nothing else, and never returns from here.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Sleeper {
                child,
                _forking: forking,
            }),
            ForkResult::Child => {
                if set_pdeathsig(Signal::SIGKILL).is_ok() && getppid() == parent {
                    loop {
                        pause();
                    }
                }
                // SAFETY: ends the process at once; nothing of the harness is run or flushed.
                unsafe { libc::_exit(0) }
            }
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.as_raw()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It is this process's child and not yet waited for: the number is its own.
        let _ = kill(self.child, Signal::SIGKILL);
        let _ = waitpid(self.child, None);
    }
}

/// More than a few runs need.
const DESCRIPTORS: u64 = 4096;

/// Raises the soft limit of descriptors, where it is low and may be raised. Whoever is started has it, too.
pub(super) fn allow_descriptors() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < DESCRIPTORS.min(hard)
    {
        // Where this fails, the runs say what they lack.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS.min(hard), hard);
    }
}

static SHORT: AtomicBool = AtomicBool::new(false);

/// A result, with a note of it where it is an error for want of descriptors: what cannot be opened is taken to have
/// gone, and what is not accepted never to have called.
pub(super) fn noted<T>(result: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &result
        && matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
    {
        SHORT.store(true, Ordering::Relaxed);
    }
    result
}

/// Whether there has ever been a want of descriptors.
pub(super) fn was_short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether one of the signals of [`catch_signals`] came.
pub(super) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Makes SIGINT, SIGTERM and SIGHUP end the runs instead of the harness, the first time.
pub(super) fn catch_signals() -> io::Result<()> {
    extern "C" fn note(_: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    // A second signal finds the default action again: whoever is in a hurry gets it.
    let action = SigAction::new(
        SigHandler::Handler(note),
        SaFlags::SA_RESETHAND,
        SigSet::empty(),
    );
    // Where whoever started this ignores it, nobody could say how a child ended.
    let standard = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is set.
    unsafe { sigaction(Signal::SIGCHLD, &standard)? };
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler does nothing but an atomic store, which is allowed in any handler.
        unsafe { sigaction(signal, &action)? };
    }
    Ok(())
}

/// What the kernel says of a process by its descriptor (`struct pidfd_info`, its first version).
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// How a process ended that somebody else has waited for: its exit code, or the negative signal. Nothing where it has not, or where the
/// kernel is older than Linux 6.15.
pub(super) fn how_it_ended(pidfd: &OwnedFd) -> Option<i32> {
    /// `PIDFD_GET_INFO`, for a structure of 64 bytes.
    const GET_INFO: u64 = 0xc040_ff0b;
    /// `PIDFD_INFO_EXIT`.
    const EXIT: u64 = 1 << 3;
    let mut info = PidfdInfo {
        mask: EXIT,
        ..PidfdInfo::default()
    };
    // SAFETY: the structure has the size that the request names, and outlives the call.
    let answer = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO as _, &raw mut info) };
    let known = answer == 0 && info.mask & EXIT != 0;
    let status = known.then_some(info.exit_code)?;
    match status & 0x7f {
        0 => Some((status >> 8) & 0xff),
        signal => Some(-signal),
    }
}

/// A descriptor that becomes readable when the process has ended.
pub(super) fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: `pidfd_open` takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match i32::try_from(fd) {
        // SAFETY: the call returned a new descriptor, which nobody else knows.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
