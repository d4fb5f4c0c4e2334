//! The system calls that `nix` lacks, each with a safe face.
//!
//! # Safety
//!
//! Every call here hands the kernel plain numbers, descriptors that are borrowed for the time of the call, or
//! pointers to locals that outlive it; nothing the kernel writes is read before it said that it wrote it.
#![expect(unsafe_code, reason = "system calls without a safe wrapper elsewhere")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpid, gettid};

// Each module uses only those above it.

// Descriptors.
mod descriptors;

// What belongs to a thread.
mod thread;

// Lists of descriptors that are read at an exit and in a forked child.
pub(crate) mod listed;

// Files in memory whose size nobody can change.
pub(crate) mod memory_file;

// The pipe that ends a worker with its parent.
pub(crate) mod lifeline;

pub(crate) use descriptors::{
    above_standard, epoll, eventfd, fill_standard, inherited, is_inherited, null, received,
    signals, timer,
};
pub(crate) use thread::{
    Capabilities, Signals, block, core_cookie, flag, ignore, io_priority, is_dumpable, is_filtered,
    memory_policy, page_size, personality, root, scheduling, session_keyring, set_dumpable,
    set_nice, weigh_session,
};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Status {
    /// It left with this code.
    Exited(i32),
    /// This signal ended it.
    Killed {
        /// The signal's number.
        signal: i32,
        /// Whether a core was dumped.
        core_dumped: bool,
    },
    /// Somebody else took its status, and the kernel does not tell.
    Unknown,
}

impl Status {
    /// What a status of `waitpid` says.
    pub(crate) fn of(status: i32) -> Status {
        match status & 0x7f {
            0 => Status::Exited(status >> 8 & 0xff),
            signal => Status::Killed {
                signal,
                core_dumped: status & 0x80 != 0,
            },
        }
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Says what an error of the system is about, before what the system says.
pub(crate) fn about<E: Into<io::Error>>(what: &str) -> impl FnOnce(E) -> io::Error {
    move |error| {
        let error = error.into();
        io::Error::new(error.kind(), format!("{what}: {error}"))
    }
}

/// Waits until a descriptor has something to read, or has ended; false when this long was over first.
pub(crate) fn readable_within(fd: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<bool> {
    // A time that cannot be reached is no limit.
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut watched = [PollFd::new(fd, PollFlags::POLLIN)];
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        // Rounded up, since a wait of zero would spin through the last millisecond.
        let left = left.map(|left| {
            let millis = left.as_millis() + u128::from(!left.is_zero());
            PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut watched, left.unwrap_or(PollTimeout::NONE)) {
            Ok(0) if end.is_some_and(|end| end <= Instant::now()) => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A descriptor that stands for a process: readable once it has ended, and never another process's.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the descriptor is new and nobody else's.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0);
        // Descriptors fit into a c_int.
        check(fd as libc::c_int).and_then(|fd| above_standard(OwnedFd::from_raw_fd(fd)))
    }
}

/// What is wrong where a process cannot be watched by a descriptor.
pub(crate) fn no_pidfd(error: io::Error) -> io::Error {
    about(match error.raw_os_error() {
        // So old containers refuse what they do not know.
        Some(libc::ENOSYS | libc::EPERM) => {
            "pidfd_open is missing (it needs Linux 5.3, and neither valgrind nor an old container in between)"
        }
        _ => "a process cannot be watched (pidfd_open)",
    })(error)
}

/// Sends a signal to the process behind a descriptor; one that has ended already is no error.
pub(crate) fn pidfd_signal(process: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    match pidfd_send(process, signal as i32, 0) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other,
    }
}

/// Kills what is left of the group that the process behind a descriptor leads, or has led: Linux from 6.9 on, others
/// refuse it. No other group is ever meant, also where the number of the process is somebody else's by now.
pub(crate) fn pidfd_kill_group(process: BorrowedFd<'_>) -> io::Result<()> {
    /// `PIDFD_SIGNAL_PROCESS_GROUP` of the kernel's `<linux/pidfd.h>`.
    const GROUP: libc::c_uint = 1 << 2;
    pidfd_send(process, libc::SIGKILL, GROUP)
}

/// Whether nobody has taken the status of the process behind a descriptor: its number is still its own.
pub(crate) fn is_unreaped(process: BorrowedFd<'_>) -> bool {
    let asked = pidfd_send(process, 0, 0);
    // Who may not signal it is told so only while it is there.
    !asked.is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
}

fn pidfd_send(process: BorrowedFd<'_>, signal: i32, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: a borrowed descriptor, numbers, and no information to go with them.
    let sent = unsafe {
        let (fd, none) = (process.as_raw_fd(), ptr::null::<libc::siginfo_t>());
        libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, none, flags)
    };
    check(sent as libc::c_int).map(drop)
}

/// Takes the status of the child behind a descriptor; `None` while it runs.
///
/// Where the status went elsewhere (to a `waitpid(-1)` in the same process, or nowhere because SIGCHLD is ignored),
/// or the process is not a child, what the kernel keeps is told, or else [`Status::Unknown`].
pub(crate) fn take_status(process: BorrowedFd<'_>) -> Option<Status> {
    let fd = process.as_raw_fd().unsigned_abs();
    match wait(libc::P_PIDFD, fd, libc::WEXITED | libc::WNOHANG) {
        Ok(ended) => ended.map(|(_, status)| status),
        Err(_) => Some(kept_status(process).unwrap_or(Status::Unknown)),
    }
}

/// How a process ended, by what the kernel keeps of one that was reaped for those who hold a descriptor of it: Linux
/// from 6.15 on.
pub(crate) fn kept_status(process: BorrowedFd<'_>) -> Option<Status> {
    /// `struct pidfd_info` of the kernel's `<linux/pidfd.h>`, as it was first.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        mask: u64,
        cgroup: u64,
        pids_and_ids: [u32; 11],
        exit_code: i32,
    }
    /// `PIDFD_INFO_EXIT`.
    const EXIT: u64 = 1 << 3;
    /// `PIDFD_GET_INFO`, with the size of the above in it.
    const GET_INFO: u32 = 0xc040_ff0b;
    let mut info = Info {
        mask: EXIT,
        ..Info::default()
    };
    // SAFETY: a borrowed descriptor, and room of the size that is part of the request.
    let told = unsafe { libc::ioctl(process.as_raw_fd(), GET_INFO as _, &raw mut info) };
    (check(told).is_ok() && info.mask & EXIT != 0).then(|| Status::of(info.exit_code))
}

/// Takes the status of a child that has ended.
pub(crate) fn take_child_status(pid: i32) -> Status {
    let ended = wait(
        libc::P_PID,
        pid.unsigned_abs(),
        libc::WEXITED | libc::WNOHANG,
    );
    ended
        .ok()
        .flatten()
        .map_or(Status::Unknown, |(_, status)| status)
}

/// A child that has ended and whose status was not taken. For processes whose children are all of our making.
pub(crate) fn ended_child() -> Option<i32> {
    let ended = wait(
        libc::P_ALL,
        0,
        libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
    );
    ended.ok().flatten().map(|(pid, _)| pid)
}

/// Waits for one child to end; false when there is none. For processes whose children are all of our making.
pub(crate) fn await_child() -> bool {
    wait(libc::P_ALL, 0, libc::WEXITED).is_ok()
}

/// Kills every child, and says whether there may be any; false also where the system does not list them.
pub(crate) fn kill_children() -> bool {
    let list = format!("/proc/self/task/{}/children", std::process::id());
    let Ok(children) = std::fs::read_to_string(list) else {
        return false;
    };
    let children: Vec<i32> = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect();
    for pid in &children {
        // SAFETY: a number: that of a child whose status nobody but this thread takes.
        unsafe { libc::kill(*pid, libc::SIGKILL) };
    }
    !children.is_empty()
}

/// `waitid`: who ended and how, or nobody yet.
fn wait(
    kind: libc::idtype_t,
    id: libc::id_t,
    options: libc::c_int,
) -> io::Result<Option<(i32, Status)>> {
    loop {
        // SAFETY: an all-zero siginfo_t is valid, and the kernel fills it or leaves it as it is.
        let (result, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (libc::waitid(kind, id, &raw mut info, options), info)
        };
        match check(result) {
            // SAFETY: waitid fills the fields of a SIGCHLD, or leaves the zeros.
            Ok(_) => return Ok(unsafe { status(&info) }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// # Safety
///
/// The information must be that of a SIGCHLD, or all zero.
unsafe fn status(info: &libc::siginfo_t) -> Option<(i32, Status)> {
    // SAFETY: the caller's promise.
    let (pid, value) = unsafe { (info.si_pid(), info.si_status()) };
    let status = match info.si_code {
        _ if pid == 0 => return None,
        libc::CLD_EXITED => Status::Exited(value),
        code => Status::Killed {
            signal: value,
            core_dumped: code == libc::CLD_DUMPED,
        },
    };
    Some((pid, status))
}

/// Closes every descriptor that was inherited through `exec`, except the three standard ones.
///
/// What constructors of this program opened is spared where it is marked to be closed on `exec`: it cannot
/// have been inherited. To be called before anything of this crate has opened one.
pub(crate) fn close_inherited() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open = open
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let inherited: Vec<RawFd> = open.filter(|fd| *fd > 2 && survives_exec(*fd)).collect();
    for fd in inherited {
        // SAFETY: whoever opened it did so in another program; nothing in this one knows of it.
        unsafe { libc::close(fd) };
    }
}

/// Closes every descriptor but the three standard ones and this one.
pub(crate) fn close_all_but(kept: RawFd) {
    let close = |first: RawFd, last: RawFd| {
        if first <= last {
            // SAFETY: plain numbers. The caller is a process that was just forked, in which nothing that owns
            // one of these descriptors is used or dropped any more.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    };
    close(3, kept - 1);
    close(kept.max(2) + 1, RawFd::MAX);
}

fn survives_exec(fd: RawFd) -> bool {
    // SAFETY: a number, which need not be open.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

/// Has the kernel kill the caller's whole process group when the last reader of this pipe is gone.
pub(crate) fn die_with(lifeline: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: it has no preconditions.
    signal_on(lifeline, unsafe { -libc::getpid() }, libc::SIGKILL)
}

/// Has the kernel continue this process, should somebody have stopped it, whenever its end of a socket has something
/// to read, or its other end is closed. In one that runs nothing happens.
pub(crate) fn continue_on_input(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: it has no preconditions.
    signal_on(socket, unsafe { libc::getpid() }, libc::SIGCONT)
}

/// Has the kernel send a signal to a process, or to minus a group, at every event of this descriptor.
fn signal_on(fd: BorrowedFd<'_>, to: libc::pid_t, signal: libc::c_int) -> io::Result<()> {
    let fd = fd.as_raw_fd();
    // SAFETY: plain numbers on a borrowed descriptor.
    unsafe {
        check(libc::fcntl(fd, libc::F_SETOWN, to))?;
        check(libc::fcntl(fd, F_SETSIG, signal))?;
        let flags = check(libc::fcntl(fd, libc::F_GETFL))?;
        check(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_ASYNC))?;
    }
    Ok(())
}

/// `F_SETSIG` of `<fcntl.h>`, which the libc crate does not name.
const F_SETSIG: libc::c_int = 10;

/// The lowest address that the calling thread's stack may grow to; 0 where the system does not say.
pub(crate) fn stack_floor() -> usize {
    thread_local! {
        static FLOOR: usize = look_up_stack_floor();
    }
    FLOOR.try_with(|floor| *floor).unwrap_or(0)
}

fn look_up_stack_floor() -> usize {
    let (mut floor, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes are filled in by the first call, read by the second where that has succeeded, and freed once.
    unsafe {
        let mut attributes = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) == 0 {
            if libc::pthread_attr_getstack(&raw const attributes, &raw mut floor, &raw mut size)
                != 0
            {
                floor = ptr::null_mut();
            }
            libc::pthread_attr_destroy(&raw mut attributes);
        }
    }
    let floor = floor as usize;
    // Some C libraries say how far the first thread's stack has grown, not how far it may.
    match getpid() == gettid() {
        true => floor.min((floor + size).saturating_sub(first_stack())),
        false => floor,
    }
}

/// The room that the first thread of a process has for its stack.
pub(crate) fn first_stack() -> usize {
    /// Where there is no limit: what is usual.
    const USUAL: usize = 8 << 20;
    match getrlimit(Resource::RLIMIT_STACK) {
        Ok((soft, _)) if soft != RLIM_INFINITY => usize::try_from(soft).unwrap_or(USUAL),
        _ => USUAL,
    }
}

/// Signals a process and its group; one that does not lead it yet, or has left it, alone. The number must be its own.
pub(crate) fn signal_group(pid: Pid, signal: Signal) {
    // One that is gone already is what was wanted.
    if killpg(pid, signal) == Err(Errno::ESRCH) {
        let _ = kill(pid, signal);
    }
}

/// Ends the process at once: no destructors, no `atexit`, no flush.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Writes out what C's `stdio` holds back.
pub(crate) fn flush_c_streams() {
    // SAFETY: a null pointer means every stream.
    unsafe { libc::fflush(ptr::null_mut()) };
}

/// Has a function called when the process ends normally, by `exit` or by a return from `main`.
pub(crate) fn at_exit(handler: extern "C" fn()) {
    // SAFETY: a function that lives as long as the process. There is room for 32, and where there is no more
    // memory the handler is not called, which is what happens to a process that is killed.
    unsafe { libc::atexit(handler) };
}

/// Has functions called before each fork of this process, and after it in the parent and in the child. They run on the thread
/// that forks; the last takes no lock that another one may hold.
pub(crate) fn at_forks(
    before: extern "C" fn(),
    in_parent: extern "C" fn(),
    in_child: extern "C" fn(),
) {
    // SAFETY: functions that live as long as the process. Where there is no memory for it, a child keeps what it has a copy of.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}

/// Closes what is behind this number, and leaves the number to something that says nothing: a socket without another end.
pub(crate) fn empty_numbered(fd: RawFd) {
    // SAFETY: plain numbers: the descriptors that are closed here are this function's own.
    unsafe {
        let nothing = libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        if nothing < 0 || libc::dup3(nothing, fd, libc::O_CLOEXEC) < 0 {
            libc::close(fd);
        }
        if nothing >= 0 {
            libc::close(nothing);
        }
    }
}

/// Waits until the process behind this descriptor has ended. A number that is no such descriptor is left alone.
pub(crate) fn wait_for_numbered(pidfd: RawFd) {
    let mut ended = libc::pollfd {
        fd: pidfd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one record, on this stack.
    while unsafe { libc::poll(&raw mut ended, 1, -1) } < 0
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
}

/// Kills the process behind this descriptor. A number that is no such descriptor is left alone.
pub(crate) fn kill_numbered(pidfd: RawFd) {
    // SAFETY: plain numbers, and no information to go with them.
    unsafe {
        let none = ptr::null::<libc::siginfo_t>();
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, none, 0)
    };
}

/// Whether this program has got rights at its start that its caller has not: then its environment is not to be trusted.
pub(crate) fn is_privileged() -> bool {
    // SAFETY: a number, which the system need not know.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
