//! Who a thread is: what the kernel lets it do, and what it hands down to its children whether they want it or not.
//!
//! A worker has the identity of the thread that made its pool, as it was then. A process can give most of it up but not
//! take it back, so it is not sent to a worker but inherited: a pool uses a fork server only if that was started by a
//! thread of the same identity, and a worker that comes later only comes from there.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, rlim_t};
use nix::sys::stat::{Mode, stat};

use crate::sys::{self, Capabilities, Signals, about};

/// Lines of a thread's status that say what it may do, and what an error calls them.
const LINES: [(&str, &str); 12] = [
    ("Uid", "user ids"),
    ("Gid", "group ids"),
    ("Groups", "supplementary groups"),
    ("CapInh", CAPABILITIES),
    ("CapPrm", CAPABILITIES),
    ("CapEff", CAPABILITIES),
    ("CapBnd", CAPABILITIES),
    ("CapAmb", CAPABILITIES),
    ("NoNewPrivs", "no_new_privs"),
    ("Seccomp", SECCOMP),
    ("Speculation_Store_Bypass", "speculation"),
    ("SpeculationIndirectBranch", "speculation"),
];
/// Lines that say what share it has of the machine.
const SHARE_LINES: [(&str, &str); 2] = [
    ("THP_enabled", "huge pages"),
    ("Mems_allowed", "memory nodes"),
];
const CAPABILITIES: &str = "capabilities";
const SECCOMP: &str = "seccomp filters";

/// Questions to `prctl`; those that the libc crate does not name are of the kernel's `<linux/prctl.h>`.
const FLAGS: [(libc::c_int, &str); 2] = [
    (libc::PR_GET_SECUREBITS, "securebits"),
    (66, "memory-deny-write-execute"),
];
const SHARE_FLAGS: [(libc::c_int, &str); 4] = [
    (libc::PR_GET_TIMERSLACK, "timer slack"),
    (libc::PR_MCE_KILL_GET, "machine check policy"),
    (58, "IO flusher"),
    (68, "memory merging"),
];

/// Namespaces that a child of a thread lives in.
const NAMESPACES: [(&str, &str); 8] = [
    ("mnt", "mount namespace"),
    ("net", "network namespace"),
    (CHILDREN, "PID namespace"),
    ("time_for_children", "time namespace"),
    ("user", "user namespace"),
    ("ipc", "IPC namespace"),
    ("uts", "UTS namespace"),
    ("cgroup", "cgroup namespace"),
];

const CHILDREN: &str = "pid_for_children";

/// Files whose content is.
const FILES: [(&str, &str); 2] = [
    ("attr/current", "security label"),
    ("loginuid", "login user id"),
];
const SHARE_FILES: [(&str, &str); 3] = [
    ("oom_score_adj", "oom_score_adj"),
    ("cgroup", "cgroup"),
    ("coredump_filter", "core dump filter"),
];

/// Limits that a worker has, in the order in which they are sent.
pub(crate) const LIMITS: [Resource; 15] = [
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
    Resource::RLIMIT_RSS,
    Resource::RLIMIT_RTPRIO,
    Resource::RLIMIT_SIGPENDING,
    Resource::RLIMIT_STACK,
];

/// The limits of this process, soft and hard.
pub(crate) fn limits() -> io::Result<Vec<(rlim_t, rlim_t)>> {
    let told = |limit: &Resource| {
        getrlimit(*limit).map_err(about(&format!("the limit {limit:?} cannot be read")))
    };
    LIMITS.iter().map(told).collect()
}

/// What the kernel tells of the calling thread.
#[derive(Debug)]
pub(crate) struct Account(String);

impl Account {
    /// Of the calling thread, now.
    pub(crate) fn here() -> io::Result<Account> {
        const FILE: &str = "/proc/thread-self/status";
        let unreadable = about("/proc/thread-self/status cannot be read");
        let mut text = Vec::with_capacity(4096);
        let read = File::open(FILE).and_then(|mut file| file.read_to_end(&mut text));
        read.map_err(unreadable)?;
        Ok(Account(String::from_utf8_lossy(&text).into_owned()))
    }

    /// What stands behind a name. It is not on the first line.
    fn line(&self, name: &str) -> Option<&str> {
        let start = self.0.find(&format!("\n{name}:"))? + name.len() + 2;
        let rest = &self.0[start..];
        Some(rest.split('\n').next().unwrap_or(rest).trim())
    }

    /// A number that the kernel writes in this base.
    pub(crate) fn number(&self, name: &str, base: u32) -> io::Result<u64> {
        let number = self
            .line(name)
            .and_then(|line| u64::from_str_radix(line, base).ok());
        number.ok_or_else(|| {
            io::Error::other(format!(
                "/proc/thread-self/status has no number at `{name}`"
            ))
        })
    }

    /// The mode mask. It can only be asked for by setting it, which other threads would see.
    pub(crate) fn umask(&self) -> io::Result<u32> {
        self.number("Umask", 8).map(|mask| mask as u32)
    }

    /// The signals that are ignored.
    pub(crate) fn ignored(&self) -> io::Result<Signals> {
        self.number("SigIgn", 16)
    }

    /// The signals that are blocked.
    pub(crate) fn blocked(&self) -> io::Result<Signals> {
        self.number("SigBlk", 16)
    }
}

/// What is compared, with what an error calls it.
type Parts = Vec<(&'static str, Part)>;

/// Something that the kernel tells, as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Number(u64),
    Numbers(Vec<u64>),
}

/// Who a thread is.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// What it may do, and where it lives.
    rights: Parts,
    /// How it shares the machine with others. Others may change that from outside, and a service manager does.
    shares: Parts,
    capabilities: Capabilities,
    /// Those of a program that it starts.
    given: Capabilities,
    /// Those that such a program is to have: what the thread may not hand down is not among them.
    wanted: Capabilities,
    obstacle: Option<String>,
    /// The thread's line: a thread that has just been started by it has its filters.
    line: u64,
}

impl PartialEq for Identity {
    fn eq(&self, other: &Identity) -> bool {
        self.rights == other.rights && self.shares == other.shares
    }
}

impl Identity {
    /// That of the calling thread, now.
    pub(crate) fn here() -> io::Result<Identity> {
        Identity::of(&Account::here()?, directory()?.is_none())
    }

    /// That of the calling thread, whose account this is; and whether its directory can only be inherited.
    pub(crate) fn of(account: &Account, in_directory: bool) -> io::Result<Identity> {
        use Part::{Number, Numbers, Text};
        let mut rights = told(account, &LINES, &FLAGS, &FILES);
        rights.push((SECCOMP, Text(filters(account))));
        for (name, what) in NAMESPACES {
            let link = namespace(name);
            if name == CHILDREN {
                same_numbers(&link)?;
            }
            rights.push((what, Text(link)));
        }
        rights.extend([
            ("root directory", Numbers(sys::root())),
            ("core scheduling", Number(sys::core_cookie())),
            ("session keyring", Number(sys::session_keyring())),
            ("personality", Number(sys::personality())),
        ]);
        if in_directory {
            rights.push(("working directory", whereabouts()?));
        }
        let mut shares = told(account, &SHARE_LINES, &SHARE_FLAGS, &SHARE_FILES);
        for (_, hard) in limits()? {
            shares.push(("hard limits", Number(hard)));
        }
        shares.extend([
            ("scheduling", Numbers(sys::scheduling())),
            ("I/O priority", Number(sys::io_priority())),
            ("memory policy", Numbers(sys::memory_policy())),
        ]);
        let capabilities = Capabilities {
            permitted: account.number("CapPrm", 16)?,
            effective: account.number("CapEff", 16)?,
            inheritable: account.number("CapInh", 16)?,
            ambient: account.number("CapAmb", 16)?,
        };
        /// `SECBIT_NOROOT`: root is a user like others.
        const NO_ROOT: libc::c_int = 1;
        let as_root = ids(account, "Uid").first() == Some(&"0")
            && sys::flag(libc::PR_GET_SECUREBITS) & NO_ROOT == 0;
        let bounding = account.number("CapBnd", 16)?;
        Ok(Identity {
            rights,
            shares,
            capabilities,
            given: capabilities.after_exec(as_root, bounding),
            wanted: capabilities.within(bounding | capabilities.inheritable),
            obstacle: obstacle(account),
            line: line_of_this_thread(),
        })
    }

    /// Why no program can be started that has this identity, if that is so.
    pub(crate) fn obstacle(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    /// To be called by a thread that the one with this identity has just started.
    pub(crate) fn pass_on(&self) {
        LINE.set(self.line);
    }

    /// What another may do otherwise, if anything.
    pub(crate) fn difference(&self, other: &Identity) -> Option<&'static str> {
        let mut pairs = self.rights.iter().zip(&other.rights);
        let differs = pairs.find(|(one, other)| one != other);
        match differs {
            Some(((what, _), _)) => Some(what),
            None => (self.rights.len() != other.rights.len()).then_some("working directory"),
        }
    }

    /// Starts a program that is to have this identity: `start` is told what the program must
    /// [set](Capabilities::set) at its beginning, if anything.
    pub(crate) fn hand_down<T>(
        &self,
        start: impl FnOnce(Option<Capabilities>) -> io::Result<T>,
    ) -> io::Result<T> {
        let exact = (self.given != self.capabilities).then_some(self.wanted);
        let missing = self.wanted.permitted & !self.given.permitted;
        self.capabilities.lend(missing, || start(exact))
    }
}

/// What these lines, questions and files say.
fn told(
    account: &Account,
    lines: &[(&str, &'static str)],
    flags: &[(libc::c_int, &'static str)],
    files: &[(&str, &'static str)],
) -> Parts {
    let line = |name| Part::Text(account.line(name).unwrap_or_default().to_owned());
    let flag = |question| Part::Number(sys::flag(question) as u64);
    let lines = lines.iter().map(|(name, what)| (*what, line(name)));
    let flags = flags
        .iter()
        .map(|(question, what)| (*what, flag(*question)));
    let files = files
        .iter()
        .map(|(name, what)| (*what, Part::Text(content(name))));
    lines.chain(flags).chain(files).collect()
}

/// Why a program that a thread starts could not be what the thread is, if that is so.
fn obstacle(account: &Account) -> Option<String> {
    let differs = |(name, what)| match *ids(account, name) {
        [real, effective, _, files] if real != effective || effective != files => Some(format!(
            "the {what} id of this thread is {real}, but its effective one {effective}, and the one for files {files}: a \
             program that it starts could not have the same, so make them one"
        )),
        _ => None,
    };
    [("Uid", "user"), ("Gid", "group")]
        .into_iter()
        .find_map(differs)
}

/// Real, effective, saved, and for files.
fn ids<'a>(account: &'a Account, name: &str) -> Vec<&'a str> {
    let line = account.line(name).unwrap_or_default();
    line.split_whitespace().collect()
}

/// Whether this thread's children, which live in this namespace, have the process ids that it knows them by.
fn same_numbers(of_children: &str) -> io::Result<()> {
    if namespace("pid") == of_children {
        return Ok(());
    }
    Err(io::Error::other(
        "this thread's children are to live in another PID namespace (unshare, setns), where the system lets it start no thread \
         and gives processes other numbers: a pool must be made by a process that lives there",
    ))
}

/// How many filters of system calls the program had at its start: then all threads have the same.
static FILTERS: AtomicU32 = AtomicU32::new(0);

/// Notes how many filters there are at the start of the program.
pub(crate) fn note_filters() {
    if sys::is_filtered()
        && let Ok(account) = Account::here()
        && let Ok(count) = account.number("Seccomp_filters", 10)
    {
        FILTERS.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }
}

/// Filters are only ever added. So as many as at the program's start are those, and as many as before in the same thread
/// are the same; nothing else says which they are. Where they are not counted, they are never known to be the same.
fn filters(account: &Account) -> String {
    match account.line("Seccomp") {
        None | Some("0") => return "none".to_owned(),
        Some(_) => {}
    }
    match account.number("Seccomp_filters", 10) {
        Ok(count) if count == u64::from(FILTERS.load(Ordering::Relaxed)) => count.to_string(),
        Ok(count) => format!("{count} of {}", line_of_this_thread()),
        Err(_) => {
            static LAST: AtomicU32 = AtomicU32::new(0);
            format!("unknown {}", LAST.fetch_add(1, Ordering::Relaxed))
        }
    }
}

/// Which namespace a child of this thread lives in.
fn namespace(name: &str) -> String {
    // Where the kernel has none of this kind, it is so for the next one, too.
    let link = fs::read_link(format!("/proc/thread-self/ns/{name}"));
    link.unwrap_or_default().to_string_lossy().into_owned()
}

thread_local! {
    /// Which of the threads that were asked this one is, or descends from; zero before it is known.
    static LINE: Cell<u64> = const { Cell::new(0) };
}

fn line_of_this_thread() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    if LINE.get() == 0 {
        LINE.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    }
    LINE.get()
}

/// What a file of this thread holds.
fn content(name: &str) -> String {
    let mut text = Vec::with_capacity(512);
    // As above.
    let _ = File::open(format!("/proc/thread-self/{name}"))
        .and_then(|mut file| file.read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

/// The working directory, to be gone to by others; `None` where this thread is in one that it may not enter.
pub(crate) fn directory() -> io::Result<Option<std::os::fd::OwnedFd>> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    match open(".", flags, Mode::empty()) {
        Ok(directory) => sys::above_standard(directory).map(Some),
        Err(Errno::EACCES) => Ok(None),
        Err(error) => Err(about(&format!(
            "the working directory ({}) cannot be opened",
            name_of_it()
        ))(error)),
    }
}

fn name_of_it() -> String {
    fs::read_link("/proc/thread-self/cwd")
        .unwrap_or_else(|_| PathBuf::from("."))
        .display()
        .to_string()
}

/// Which directory the working directory is, without entering it.
fn whereabouts() -> io::Result<Part> {
    let told = stat("/proc/thread-self/cwd").map_err(about(&format!(
        "the working directory ({}) cannot be looked at",
        name_of_it()
    )))?;
    Ok(Part::Numbers(vec![told.st_dev, told.st_ino]))
}
