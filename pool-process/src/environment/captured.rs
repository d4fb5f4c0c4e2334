//! The environment of the thread that makes a pool, captured for its workers.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::resource::{RLIM_INFINITY, Resource, rlim_t};
use nix::unistd::Pid;

use crate::identity::{self, Account, Identity, LIMITS};
use crate::sys::{self, about};
use crate::wire::codec;

use super::settings::Settings;
use super::variables;

/// The environment of a pool's workers: what is sent as bytes, what as descriptors, and what is only inherited.
#[derive(Debug)]
pub(crate) struct Environment {
    /// [`Settings`], encoded once for all workers.
    settings: Vec<u8>,
    /// The limit of a worker's memory, if there is one.
    pub(crate) memory: Option<u64>,
    /// Who the thread is that has made the pool.
    pub(crate) identity: Identity,
    fds: Fds,
}

/// The part that is sent as descriptors, in this order, behind the worker's end of its lifeline.
#[derive(Debug)]
struct Fds {
    stdout: OwnedFd,
    stderr: OwnedFd,
    /// None where the pool's thread may not enter its own directory: its children are in it, and nobody can go there.
    directory: Option<OwnedFd>,
}

/// What workers have otherwise than the thread that makes their pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// The most bytes of address space that a worker gets.
    pub(crate) memory: Option<u64>,
    /// The nice value.
    pub(crate) nice: Option<i32>,
    /// The CPUs that a worker may use.
    pub(crate) cpus: Option<Vec<usize>>,
}

impl Environment {
    /// The environment of the calling thread, now, but for these.
    pub(crate) fn here(overrides: &Overrides) -> io::Result<Environment> {
        let variables = variables::here()
            .map(|(name, value)| (name.into_vec(), value.into_vec()))
            .collect();
        let account = Account::here()?;
        let directory = identity::directory()?;
        let cpus = sched_getaffinity(Pid::from_raw(0))
            .map_err(about("the CPUs that may be used cannot be read"))?;
        let may_use = |cpu: &usize| cpus.is_set(*cpu) == Ok(true);
        let mut limits = identity::limits()?;
        if let Some(bytes) = overrides.memory {
            limit_memory(&mut limits, bytes)?;
        }
        let settings = Settings {
            variables,
            umask: account.umask()?,
            blocked: account.blocked()?,
            ignored: account.ignored()?,
            limits,
            cpus: match &overrides.cpus {
                None => (0..CpuSet::count()).filter(may_use).collect(),
                Some(cpus) => match cpus.iter().find(|cpu| !may_use(cpu)) {
                    None if cpus.is_empty() => {
                        return Err(io::Error::other("there is no CPU for the workers"));
                    }
                    None => cpus.clone(),
                    Some(cpu) => {
                        let refused = format!("CPU {cpu} is not one that this thread may use");
                        return Err(io::Error::other(refused));
                    }
                },
            },
            dumpable: sys::is_dumpable(),
            nice: overrides.nice,
        };
        let mut bytes = Vec::new();
        codec::encode(&settings, &mut bytes).map_err(io::Error::other)?;
        let null = sys::null()?;
        let stream = |copy: io::Result<Option<OwnedFd>>, name| match copy.map_err(about(name))? {
            Some(stream) => Ok(stream),
            None => null.try_clone(),
        };
        Ok(Environment {
            settings: bytes,
            memory: smallest_memory_limit(&settings.limits),
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
    pub(crate) fn settings(&self) -> &[u8] {
        &self.settings
    }

    /// The descriptors, as they are to be sent, with a worker's end of its lifeline, and its own stdout and stderr if it has any.
    pub(crate) fn fds<'a>(
        &'a self,
        lifeline: &'a OwnedFd,
        streams: Option<&'a [OwnedFd; 2]>,
    ) -> Vec<BorrowedFd<'a>> {
        let Fds {
            stdout,
            stderr,
            directory,
        } = &self.fds;
        let (stdout, stderr) = match streams {
            Some([stdout, stderr]) => (stdout, stderr),
            None => (stdout, stderr),
        };
        let all = [lifeline, stdout, stderr].into_iter().chain(directory);
        all.map(AsFd::as_fd).collect()
    }
}

/// Lowers the limit of the address space, the hard one included, so that no task raises it.
fn limit_memory(limits: &mut [(rlim_t, rlim_t)], bytes: u64) -> io::Result<()> {
    let mut all = LIMITS.iter().zip(limits);
    if let Some((_, (soft, hard))) = all.find(|(limit, _)| **limit == Resource::RLIMIT_AS) {
        if bytes > *hard {
            return Err(io::Error::other(format!(
                "a worker may not have {bytes} bytes of memory: this process may have no more than {hard}"
            )));
        }
        (*soft, *hard) = (bytes, bytes);
    }
    Ok(())
}

/// The smallest limit of memory.
fn smallest_memory_limit(limits: &[(rlim_t, rlim_t)]) -> Option<u64> {
    let limits = LIMITS.iter().zip(limits);
    let memory =
        limits.filter(|(limit, _)| matches!(limit, Resource::RLIMIT_AS | Resource::RLIMIT_DATA));
    memory
        .map(|(_, (soft, _))| *soft)
        .filter(|soft| *soft != RLIM_INFINITY)
        .min()
}
