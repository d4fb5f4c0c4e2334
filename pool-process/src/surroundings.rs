//! What a worker has around it: working directory, environment, limits, where it writes; as they were when its
//! pool was made, however old the process is that it comes from.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, dup2_stderr, dup2_stdout, fchdir};
use serde::{Deserialize, Serialize};

use crate::identity::{self, Account, Identity, LIMITS};
use crate::sys::{self, Signals, about};
use crate::{codec, environment, lifeline};

/// The surroundings of a pool's workers: what is sent as bytes, what as descriptors, and what is only inherited.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// [`Written`], encoded once for all workers.
    written: Vec<u8>,
    /// What a worker may have of memory at most, where that is limited.
    pub(crate) memory: Option<u64>,
    /// Who the thread is that has made the pool.
    pub(crate) identity: Identity,
    fds: Fds,
}

/// The part that is sent as bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Written {
    environment: Vec<(Vec<u8>, Vec<u8>)>,
    umask: u32,
    blocked: Signals,
    ignored: Signals,
    limits: Vec<(rlim_t, rlim_t)>,
    cpus: Vec<usize>,
    dumpable: bool,
}

/// The part that is sent as descriptors, in this order, behind the worker's end of its lifeline.
#[derive(Debug)]
struct Fds {
    stdout: OwnedFd,
    stderr: OwnedFd,
    /// None where the pool's thread may not enter its own directory: its children are in it, and nobody can go there.
    directory: Option<OwnedFd>,
}

impl Surroundings {
    /// Those of the calling thread, now.
    pub(crate) fn here() -> io::Result<Surroundings> {
        let variables = environment::here()
            .map(|(name, value)| (name.into_vec(), value.into_vec()))
            .collect();
        let account = Account::here()?;
        let directory = identity::directory()?;
        let cpus = sched_getaffinity(Pid::from_raw(0))
            .map_err(about("the CPUs that may be used cannot be read"))?;
        let written = Written {
            environment: variables,
            umask: account.umask()?,
            blocked: account.blocked()?,
            ignored: account.ignored()?,
            limits: identity::limits()?,
            cpus: (0..CpuSet::count())
                .filter(|cpu| cpus.is_set(*cpu) == Ok(true))
                .collect(),
            dumpable: sys::is_dumpable(),
        };
        let mut bytes = Vec::new();
        codec::encode(&written, &mut bytes).map_err(io::Error::other)?;
        let null = sys::null()?;
        let stream = |copy: io::Result<Option<OwnedFd>>, name| match copy.map_err(about(name))? {
            Some(stream) => Ok(stream),
            None => null.try_clone(),
        };
        Ok(Surroundings {
            written: bytes,
            memory: written.memory(),
            identity: Identity::of(&account, directory.is_none())?,
            fds: Fds {
                stdout: stream(
                    sys::inherited(io::stdout()),
                    "standard output cannot be copied",
                )?,
                stderr: stream(
                    sys::inherited(io::stderr()),
                    "standard error cannot be copied",
                )?,
                directory,
            },
        })
    }

    /// What is sent as bytes.
    pub(crate) fn written(&self) -> &[u8] {
        &self.written
    }

    /// The descriptors, as they are to be sent, with a worker's end of its lifeline.
    pub(crate) fn fds<'a>(&'a self, lifeline: &'a OwnedFd) -> Vec<BorrowedFd<'a>> {
        let Fds {
            stdout,
            stderr,
            directory,
        } = &self.fds;
        let all = [lifeline, stdout, stderr].into_iter().chain(directory);
        all.map(AsFd::as_fd).collect()
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

    /// Makes them those of this process, a worker that has nothing yet. A limit that is refused is left alone: it is that
    /// of a process with the same identity, hard limits included.
    pub(crate) fn adopt(&self, fds: Vec<OwnedFd>) -> io::Result<()> {
        let mut fds = fds.into_iter();
        let (Some(lifeline), Some(stdout), Some(stderr), directory) =
            (fds.next(), fds.next(), fds.next(), fds.next())
        else {
            return Err(io::Error::other(
                "the descriptors of the surroundings did not come along",
            ));
        };
        lifeline::hold(lifeline)?;
        if let Some(directory) = directory {
            fchdir(directory.as_fd()).map_err(about("the working directory cannot be entered"))?;
        }
        dup2_stdout(stdout.as_fd()).map_err(about("standard output cannot be set"))?;
        dup2_stderr(stderr.as_fd()).map_err(about("standard error cannot be set"))?;
        let variables = self.environment.iter().map(|(name, value)| {
            (
                OsString::from_vec(name.clone()),
                OsString::from_vec(value.clone()),
            )
        });
        environment::replace(variables.collect());
        umask(Mode::from_bits_truncate(self.umask));
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
        sys::weigh_session();
        sys::set_dumpable(self.dumpable)
            .map_err(about("who may look at the process cannot be set"))?;
        sys::ignore(self.ignored);
        sys::block(self.blocked).map_err(about("signals cannot be blocked"))
    }
}
