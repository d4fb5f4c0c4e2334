//! What the system says of the calling thread, and of nobody else.
//!
//! # Safety
//!
//! As in the module above.

use std::ffi::c_long;
use std::io;

use nix::libc;

use super::{about, check};

/// How a thread is scheduled: `struct sched_attr` of the kernel's `<linux/sched/types.h>`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
struct Scheduling {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    util_min: u32,
    util_max: u32,
}

/// Policy, nice value, priority and the like, as a child of this thread gets them.
pub(crate) fn scheduling() -> Vec<u64> {
    /// `SCHED_FLAG_RESET_ON_FORK`: children begin anew.
    const RESET: u64 = 1;
    /// `SCHED_CAPACITY_SCALE`: all that a CPU can do.
    const FULL: u32 = 1024;
    let mut told = Scheduling::default();
    // SAFETY: the calling thread, and room of the size that is given.
    unsafe {
        let size = size_of::<Scheduling>();
        libc::syscall(libc::SYS_sched_getattr, 0, &raw mut told, size, 0);
    }
    let shares_time = |policy: u32| {
        matches!(
            policy as i32,
            libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE
        )
    };
    if told.flags & RESET != 0 {
        told.flags &= !RESET;
        if shares_time(told.policy) {
            told.nice = told.nice.max(0);
        } else {
            (told.policy, told.priority, told.nice) = (libc::SCHED_OTHER as u32, 0, 0);
        }
        // As wide as can be, where the kernel has such bounds.
        told.util_min = 0;
        told.util_max = if told.util_max == 0 { 0 } else { FULL };
    }
    if shares_time(told.policy) {
        // The length of its turns, and nothing that was granted.
        (told.runtime, told.deadline, told.period) = (0, 0, 0);
    }
    vec![
        told.policy.into(),
        told.flags,
        told.nice as u64,
        told.priority.into(),
        told.runtime,
        told.deadline,
        told.period,
        told.util_min.into(),
        told.util_max.into(),
    ]
}

/// Bytes of a page of memory.
pub(crate) fn page_size() -> u64 {
    // SAFETY: it takes a number, and every system has this one.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Sets the nice value of the calling thread.
pub(crate) fn set_nice(nice: i32) -> nix::Result<()> {
    // SAFETY: plain numbers; zero is the calling thread.
    nix::errno::Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

/// Where the system shares its time among sessions first (autogroup, see `sched(7)`), a nice value counts only within one. To
/// be called by a process that has a session of its own: it is given the nice value of this thread.
pub(crate) fn weigh_session() {
    // SAFETY: plain numbers; zero is the calling thread, and whoever may ask it anything may ask this.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    if nice != 0 {
        // There may be no such sharing, and one without rights may do this only every tenth of a second.
        let _ = std::fs::write("/proc/self/autogroup", nice.to_string());
    }
}

/// The priority of input and output.
pub(crate) fn io_priority() -> u64 {
    /// `IOPRIO_WHO_PROCESS`.
    const PROCESS: c_long = 1;
    // SAFETY: plain numbers; zero is the calling thread.
    unsafe { libc::syscall(libc::SYS_ioprio_get, PROCESS, 0) as u64 }
}

/// Where its memory is to come from.
pub(crate) fn memory_policy() -> Vec<u64> {
    /// Bits of a set of nodes: no kernel is built with more nodes.
    const NODES: usize = 1024;
    let (mut mode, mut nodes) = (0_i32, vec![0_u64; NODES / 64 + 1]);
    // SAFETY: room for a number, and for as many bits as are said.
    unsafe {
        let (mode, nodes) = (&raw mut mode, nodes.as_mut_ptr());
        libc::syscall(libc::SYS_get_mempolicy, mode, nodes, NODES + 1, 0, 0)
    };
    nodes.push(mode as u64);
    nodes
}

/// The number of the session's keyring.
pub(crate) fn session_keyring() -> u64 {
    /// `KEYCTL_GET_KEYRING_ID`.
    const GET_ID: c_long = 0;
    /// `KEY_SPEC_SESSION_KEYRING`.
    const SESSION: c_long = -3;
    // SAFETY: plain numbers; it is asked for, not made.
    unsafe { libc::syscall(libc::SYS_keyctl, GET_ID, SESSION, 0) as u64 }
}

/// What the system runs programs like.
pub(crate) fn personality() -> u64 {
    // SAFETY: this number asks, and sets nothing.
    unsafe { libc::personality(0xffff_ffff) as u64 }
}

/// Whether others may look at this process's memory, and it leaves a core.
pub(crate) fn is_dumpable() -> bool {
    flag(libc::PR_GET_DUMPABLE) == 1
}

/// From now on others may look at this process's memory, and it leaves a core, or neither.
pub(crate) fn set_dumpable(dumpable: bool) -> io::Result<()> {
    let dumpable = libc::c_ulong::from(dumpable);
    // SAFETY: plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, dumpable, 0, 0, 0) }).map(drop)
}

/// Whether a filter of system calls is in force.
pub(crate) fn is_filtered() -> bool {
    flag(libc::PR_GET_SECCOMP) > 0
}

/// What `prctl` answers to a question without arguments; an error is an answer, too.
pub(crate) fn flag(question: libc::c_int) -> libc::c_int {
    // SAFETY: plain numbers, to a question that needs no memory.
    unsafe { libc::prctl(question, 0, 0, 0, 0) }
}

/// The group of threads with which it may share a core.
pub(crate) fn core_cookie() -> u64 {
    /// `PR_SCHED_CORE` of the kernel's `<linux/prctl.h>`.
    const CORE: libc::c_int = 62;
    let mut cookie = 0_u64;
    // SAFETY: to get (0) that of the calling (0) thread (0), and room for it.
    unsafe { libc::prctl(CORE, 0, 0, 0, &raw mut cookie) };
    cookie
}

/// Which directory is its root: the device, the number there, the mount.
pub(crate) fn root() -> Vec<u64> {
    /// `STATX_MNT_ID` of the kernel's `<linux/stat.h>`.
    const MOUNT: libc::c_uint = 0x1000;
    // SAFETY: a path that is a constant, and room that may be all zero.
    let told = unsafe {
        let mut told: libc::statx = std::mem::zeroed();
        let wanted = libc::STATX_INO | MOUNT;
        libc::statx(libc::AT_FDCWD, c"/".as_ptr(), 0, wanted, &raw mut told);
        told
    };
    vec![
        told.stx_dev_major.into(),
        told.stx_dev_minor.into(),
        told.stx_ino,
        told.stx_mnt_id,
    ]
}

/// What a thread may do beyond what its user may. The set that bounds them is handed down by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) permitted: u64,
    pub(crate) effective: u64,
    pub(crate) inheritable: u64,
    pub(crate) ambient: u64,
}

impl Capabilities {
    /// What a program has that a thread with these starts: as root all that `bounding` leaves, otherwise the ambient ones.
    pub(crate) fn after_exec(self, as_root: bool, bounding: u64) -> Capabilities {
        let all = if as_root {
            bounding | self.inheritable
        } else {
            self.ambient
        };
        Capabilities {
            permitted: all,
            effective: all,
            ..self
        }
    }

    /// Those of these that may be had.
    pub(crate) fn within(self, bound: u64) -> Capabilities {
        Capabilities {
            permitted: self.permitted & bound,
            effective: self.effective & bound,
            ..self
        }
    }

    /// Starts a program, for which those of these that it would not have are lent to it: it has to [`set`](Self::set) what it
    /// is to keep.
    pub(crate) fn lend<T>(
        self,
        missing: u64,
        start: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if missing == 0 {
            return start();
        }
        let lent = Capabilities {
            inheritable: self.inheritable | missing,
            ambient: self.ambient | missing,
            ..self
        };
        // Of this thread alone, until the program has been started.
        let started = lent
            .set()
            .map_err(about(
                "a new program cannot be given this thread's capabilities",
            ))
            .and_then(|()| start());
        // To have fewer is never refused.
        let _ = self.set();
        started
    }

    /// Makes exactly these the calling thread's.
    pub(crate) fn set(self) -> io::Result<()> {
        /// `_LINUX_CAPABILITY_VERSION_3`, whose sets have two halves.
        const VERSION: u32 = 0x2008_0522;
        let Capabilities {
            permitted,
            effective,
            inheritable,
            ambient,
        } = self;
        let header = [VERSION, 0];
        let half =
            |shift: u32| [effective, permitted, inheritable].map(|set| (set >> shift) as u32);
        let sets = [half(0), half(32)];
        // SAFETY: the records of `capset(2)`, for the calling thread.
        let done = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
        check(done as libc::c_int)?;
        for number in 0..u64::BITS {
            let order = if ambient >> number & 1 == 1 {
                libc::PR_CAP_AMBIENT_RAISE
            } else {
                libc::PR_CAP_AMBIENT_LOWER
            };
            // SAFETY: plain numbers.
            let done = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, order, number, 0, 0) };
            // One that the kernel does not know is not there.
            if done < 0 && order == libc::PR_CAP_AMBIENT_RAISE {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

/// Signals, as bits from the first on.
pub(crate) type Signals = u64;

fn numbers(set: Signals) -> impl Iterator<Item = libc::c_int> {
    (1..=64).filter(move |number| set >> (number - 1) & 1 == 1)
}

/// Blocks exactly these signals for the calling thread.
pub(crate) fn block(signals: Signals) -> io::Result<()> {
    // SAFETY: a set on this stack, made empty first; what the C library keeps for itself it leaves out.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for number in numbers(signals) {
            libc::sigaddset(&raw mut set, number);
        }
        match libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Ignores these signals, and no others; handlers of others stay. SIGCHLD and SIGPIPE are left as they are.
pub(crate) fn ignore(signals: Signals) {
    for number in numbers(u64::MAX) {
        if matches!(
            number,
            libc::SIGKILL | libc::SIGSTOP | libc::SIGCHLD | libc::SIGPIPE
        ) {
            continue;
        }
        let wanted = signals >> (number - 1) & 1 == 1;
        // SAFETY: a record on this stack that may be all zero; to ignore a signal, or not to, calls no handler. What the
        // C library keeps for itself it refuses.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(number, std::ptr::null(), &raw mut action) != 0
                || (action.sa_sigaction == libc::SIG_IGN) == wanted
            {
                continue;
            }
            action = std::mem::zeroed();
            action.sa_sigaction = if wanted { libc::SIG_IGN } else { libc::SIG_DFL };
            libc::sigaction(number, &raw const action, std::ptr::null_mut());
        }
    }
}
