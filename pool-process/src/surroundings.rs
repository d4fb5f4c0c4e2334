//! What a worker has around it: working directory, environment, limits, where it writes; as they were when its
//! pool was made, however old the process is that it comes from.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::fcntl::{OFlag, open};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, dup2_stderr, dup2_stdout, fchdir};
use serde::{Deserialize, Serialize};

use crate::{codec, lifeline};

/// The surroundings of a pool's workers: what is sent as bytes, and what as descriptors.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// [`Written`], encoded once for all workers.
    written: Vec<u8>,
    /// What a worker may have of memory at most, where that is limited.
    pub(crate) memory: Option<u64>,
    fds: Fds,
}

/// The part that is sent as bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Written {
    environment: Vec<(Vec<u8>, Vec<u8>)>,
    umask: Option<u32>,
    blocked: Vec<i32>,
    limits: Vec<(rlim_t, rlim_t)>,
    cpus: Vec<usize>,
}

/// The part that is sent as descriptors, in this order.
#[derive(Debug)]
struct Fds {
    lifeline: OwnedFd,
    cwd: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// Limits that a worker inherits, in the order in which they are sent.
const LIMITS: [Resource; 14] = [
    Resource::RLIMIT_AS,
    Resource::RLIMIT_CORE,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_LOCKS,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_MSGQUEUE,
    Resource::RLIMIT_NICE,
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_NPROC,
    Resource::RLIMIT_RTPRIO,
    Resource::RLIMIT_SIGPENDING,
    Resource::RLIMIT_STACK,
];

impl Surroundings {
    /// Those of the calling thread, now.
    pub(crate) fn here() -> io::Result<Surroundings> {
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.into_vec(), value.into_vec()))
            .collect();
        let mask = SigSet::thread_get_mask()?;
        let limits = LIMITS
            .iter()
            .map(|limit| getrlimit(*limit))
            .collect::<Result<_, _>>()?;
        let cpus = sched_getaffinity(Pid::from_raw(0))?;
        let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let written = Written {
            environment,
            umask: umask_of_this_process(),
            blocked: Signal::iterator()
                .filter(|signal| mask.contains(*signal))
                .map(|signal| signal as i32)
                .collect(),
            limits,
            cpus: (0..CpuSet::count())
                .filter(|cpu| cpus.is_set(*cpu) == Ok(true))
                .collect(),
        };
        let mut bytes = Vec::new();
        codec::encode(&written, &mut bytes).map_err(io::Error::other)?;
        Ok(Surroundings {
            written: bytes,
            memory: written.memory(),
            fds: Fds {
                lifeline: lifeline::end()?,
                cwd: open(".", directory, Mode::empty())?,
                stdout: or_null(io::stdout().as_fd())?,
                stderr: or_null(io::stderr().as_fd())?,
            },
        })
    }

    /// What is sent as bytes.
    pub(crate) fn written(&self) -> &[u8] {
        &self.written
    }

    /// The descriptors, as they are to be sent.
    pub(crate) fn fds(&self) -> [BorrowedFd<'_>; 4] {
        let Fds {
            lifeline,
            cwd,
            stdout,
            stderr,
        } = &self.fds;
        [lifeline, cwd, stdout, stderr].map(|fd| fd.as_fd())
    }
}

impl Written {
    /// The smallest limit of memory.
    fn memory(&self) -> Option<u64> {
        let limits = LIMITS.iter().zip(&self.limits);
        let memory = limits
            .filter(|(limit, _)| matches!(limit, Resource::RLIMIT_AS | Resource::RLIMIT_DATA));
        memory
            .map(|(_, (soft, _))| *soft)
            .filter(|soft| *soft != RLIM_INFINITY)
            .min()
    }

    /// Makes them those of this process, a worker that has nothing yet. Limits that cannot be had are left alone:
    /// they are no looser than what the pool's process has itself.
    pub(crate) fn adopt(&self, fds: Vec<OwnedFd>) -> io::Result<()> {
        let Ok([lifeline, cwd, stdout, stderr]) = <[OwnedFd; 4]>::try_from(fds) else {
            return Err(io::Error::other(
                "the descriptors of the surroundings did not come along",
            ));
        };
        lifeline::hold(lifeline)?;
        fchdir(cwd.as_fd())?;
        dup2_stdout(stdout.as_fd())?;
        dup2_stderr(stderr.as_fd())?;
        let environment = self.environment.iter().map(|(name, value)| {
            (
                OsString::from_vec(name.clone()),
                OsString::from_vec(value.clone()),
            )
        });
        crate::environment::replace(environment.collect());
        if let Some(mode) = self.umask.and_then(Mode::from_bits) {
            umask(mode);
        }
        for (limit, (soft, hard)) in LIMITS.iter().zip(&self.limits) {
            if getrlimit(*limit).ok() != Some((*soft, *hard)) {
                let _ = setrlimit(*limit, *soft, *hard);
            }
        }
        let mut cpus = CpuSet::new();
        for cpu in &self.cpus {
            cpus.set(*cpu)?;
        }
        // The CPUs may have gone meanwhile; then any will do.
        let _ = sched_setaffinity(Pid::from_raw(0), &cpus);
        let blocked: SigSet = self
            .blocked
            .iter()
            .filter_map(|signal| Signal::try_from(*signal).ok())
            .collect();
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&blocked), None)?;
        Ok(())
    }
}

/// The mode mask can only be read by setting it, which other threads would see; the kernel tells it elsewhere.
fn umask_of_this_process() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

/// A copy of a standard stream; one that the program has closed is /dev/null to its workers.
fn or_null(stream: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    match stream.try_clone_to_owned() {
        Ok(fd) => Ok(fd),
        Err(error) if error.raw_os_error() == Some(nix::libc::EBADF) => {
            Ok(File::options().write(true).open("/dev/null")?.into())
        }
        Err(error) => Err(error),
    }
}
