//! Reads what the kernel says about threads, through descriptors that stay open.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use nix::libc;

use super::quiet::{Evidence, State, Wait};
use super::sys::noted;

/// How much the kernel tells about other processes here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Run counts, waits and states: rest is proven.
    Full,
    /// Context-switch counts and states only: a hidden timed wait cannot be told from rest.
    Switches,
    /// No `/proc` of the kind that is needed: nothing can be replayed.
    Nothing,
}

impl Level {
    /// What is missing and which one setting gives it; `None` at the highest level.
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Level::Full => None,
            Level::Switches => Some(
                "/proc/PID/syscall or schedstat is refused: set kernel.yama.ptrace_scope to 0 or 1, \
                 or allow PTRACE_MODE_READ to this container (--cap-add SYS_PTRACE)",
            ),
            Level::Nothing => Some("mount a Linux /proc (hidepid=0) where the harness runs"),
        }
    }
}

/// The files of one thread.
#[derive(Debug)]
pub(super) struct ThreadFiles {
    schedstat: Option<File>,
    syscall: Option<File>,
    stat: File,
    status: Option<File>,
}

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) name: String,
    pub(super) state: char,
    pub(super) parent: i32,
    pub(super) session: i32,
    pub(super) start: u64,
}

impl ThreadFiles {
    pub(super) fn open(pid: i32, tid: i32) -> io::Result<ThreadFiles> {
        let file = |name: &str| noted(File::open(format!("/proc/{pid}/task/{tid}/{name}")));
        let stat = file("stat")?;
        let (schedstat, syscall) = (file("schedstat").ok(), file("syscall").ok());
        let status = if schedstat.is_none() || syscall.is_none() {
            file("status").ok()
        } else {
            None
        };
        Ok(ThreadFiles {
            schedstat,
            syscall,
            stat,
            status,
        })
    }

    pub(super) fn stat(&self) -> Option<Stat> {
        let mut buffer = [0; 512];
        parse_stat(read(&self.stat, &mut buffer)?)
    }

    /// Nanoseconds spent on a CPU.
    pub(super) fn cpu_time(&self) -> Option<u64> {
        let mut buffer = [0; 96];
        let text = read(self.schedstat.as_ref()?, &mut buffer)?;
        text.split_ascii_whitespace().next()?.parse().ok()
    }

    /// How much can be read of this thread.
    pub(super) fn level(&self) -> Level {
        let mut buffer = [0; 256];
        let mut readable = |file: &Option<File>| {
            file.as_ref()
                .is_some_and(|file| read(file, &mut buffer).is_some())
        };
        if readable(&self.schedstat) && readable(&self.syscall) {
            Level::Full
        } else if self.status.is_some() || readable(&self.schedstat) {
            Level::Switches
        } else {
            Level::Nothing
        }
    }
}

impl Evidence for ThreadFiles {
    fn runs(&mut self) -> Option<u64> {
        let mut buffer = [0; 96];
        if let Some(file) = &self.schedstat {
            return read(file, &mut buffer)?
                .split_ascii_whitespace()
                .nth(2)?
                .parse()
                .ok();
        }
        let mut buffer = [0; 4096];
        let text = read(self.status.as_ref()?, &mut buffer)?;
        let switches = text.lines().filter(|line| line.contains("ctxt_switches"));
        switches
            .map(|line| line.rsplit_once('\t')?.1.trim().parse::<u64>().ok())
            .sum()
    }

    fn wait(&mut self) -> Option<Wait> {
        let Some(file) = &self.syscall else {
            return Some(Wait::Hidden);
        };
        let mut buffer = [0; 256];
        match file.read_at(&mut buffer, 0) {
            Ok(0) => None,
            Ok(n) => Some(parse_syscall(std::str::from_utf8(&buffer[..n]).ok()?)),
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => None,
            Err(_) => Some(Wait::Hidden),
        }
    }

    fn state(&mut self) -> Option<State> {
        let mut buffer = [0; 512];
        let text = read(&self.stat, &mut buffer)?;
        let (_, rest) = text.rsplit_once(')')?;
        Some(match rest.trim_start().chars().next()? {
            'S' | 'T' | 't' => State::Asleep,
            'Z' | 'X' | 'x' => State::Ended,
            _ => State::Awake,
        })
    }
}

/// The number that the kernel gave out last, to a process or a thread; whoever is new changes it.
#[derive(Debug)]
pub(super) struct LastPid(Option<File>);

impl LastPid {
    pub(super) fn open() -> LastPid {
        LastPid(noted(File::open("/proc/loadavg")).ok())
    }

    pub(super) fn read(&self) -> Option<u64> {
        let mut buffer = [0; 128];
        read(self.0.as_ref()?, &mut buffer)?
            .split_ascii_whitespace()
            .last()?
            .parse()
            .ok()
    }
}

/// The threads of a process, as the kernel lists them now.
pub(super) fn threads(pid: i32) -> Vec<i32> {
    numbers(&format!("/proc/{pid}/task"))
}

/// The children of a thread.
pub(super) fn children(pid: i32, tid: i32) -> io::Result<Vec<i32>> {
    let text = noted(fs::read_to_string(format!(
        "/proc/{pid}/task/{tid}/children"
    )))?;
    Ok(text
        .split_ascii_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect())
}

/// The limit of file locks of a process: a number that is handed on and that nobody applies.
pub(super) fn locks_limit(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("Max file locks"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// Whether a process has a thread of this number.
pub(super) fn has_thread(pid: i32, tid: i32) -> bool {
    fs::exists(format!("/proc/{pid}/task/{tid}")).unwrap_or(true)
}

/// Whether a process was started with this variable set to this value; `None` when it has no environment at
/// this moment: it is calling exec, or has ended.
pub(super) fn has_marker(pid: i32, marker: &str) -> Option<bool> {
    let environment = noted(fs::read(format!("/proc/{pid}/environ"))).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    (!environment.is_empty()).then(|| variables.any(|variable| variable == marker.as_bytes()))
}

/// What the kernel says about a process.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&noted(fs::read_to_string(format!("/proc/{pid}/stat"))).ok()?)
}

/// What the kernel says about a thread of a process.
pub(super) fn thread_stat(pid: i32, tid: i32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat"));
    parse_stat(&noted(stat).ok()?)
}

fn numbers(directory: &str) -> Vec<i32> {
    let Ok(entries) = noted(fs::read_dir(directory)) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

fn read<'b>(file: &File, buffer: &'b mut [u8]) -> Option<&'b str> {
    let n = file.read_at(buffer, 0).ok()?;
    std::str::from_utf8(&buffer[..n])
        .ok()
        .filter(|text| !text.is_empty())
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name is in parentheses and may hold any character, parentheses included.
    let (head, rest) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let start = fields.nth(15)?.parse().ok()?;
    Some(Stat {
        name,
        state,
        parent,
        session,
        start,
    })
}

fn parse_syscall(text: &str) -> Wait {
    let mut words = text.split_ascii_whitespace();
    let Some(first) = words.next() else {
        return Wait::Hidden;
    };
    let Ok(number) = first.parse::<i64>() else {
        return Wait::Running;
    };
    let arguments: Vec<u64> = words
        .filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .collect();
    timed_wait(number, &arguments).map_or(Wait::Untimed, Wait::Timed)
}

/// The name of the call, if it waits with a time limit.
fn timed_wait(number: i64, arguments: &[u64]) -> Option<&'static str> {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // A pointer to a time, or null; a number of milliseconds, or a negative one.
    let pointer = |index: usize, name| (argument(index) != 0).then_some(name);
    let millis = |index: usize, name| (argument(index) as u32 as i32 >= 0).then_some(name);
    match number {
        libc::SYS_futex => pointer(3, "futex"),
        libc::SYS_futex_waitv => pointer(3, "futex_waitv"),
        libc::SYS_ppoll => pointer(2, "ppoll"),
        libc::SYS_pselect6 => pointer(4, "pselect6"),
        libc::SYS_epoll_pwait => millis(3, "epoll_pwait"),
        libc::SYS_epoll_pwait2 => pointer(3, "epoll_pwait2"),
        libc::SYS_nanosleep => Some("nanosleep"),
        libc::SYS_clock_nanosleep => Some("clock_nanosleep"),
        libc::SYS_rt_sigtimedwait => pointer(2, "rt_sigtimedwait"),
        libc::SYS_semtimedop => pointer(3, "semtimedop"),
        libc::SYS_mq_timedreceive => pointer(4, "mq_timedreceive"),
        libc::SYS_mq_timedsend => pointer(4, "mq_timedsend"),
        libc::SYS_io_getevents => pointer(4, "io_getevents"),
        // A timed wait that was interrupted and is being continued.
        libc::SYS_restart_syscall => Some("restart_syscall"),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => millis(2, "poll"),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select => pointer(4, "select"),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait => millis(3, "epoll_wait"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text = "42 (a) (b) c) S 1 42 40 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9876 0 0\n";
        let stat = parse_stat(text).unwrap();
        assert_eq!(
            stat,
            Stat {
                name: "a) (b) c".into(),
                state: 'S',
                parent: 1,
                session: 40,
                start: 9876
            }
        );
    }

    #[test]
    fn the_own_process_is_read_as_it_is() {
        let pid = std::process::id() as i32;
        let own = stat(pid).unwrap();
        assert!(own.parent > 0 && own.start > 0);
        assert!(threads(pid).len() >= 2);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn timed_waits_are_told_from_untimed_ones() {
        for (line, expected) in [
            ("running\n", Wait::Running),
            ("-1 0x7ffd 0x7f00\n", Wait::Untimed),
            (
                "0 0x3 0x7f 0x20000 0x22 0x0 0x0 0x7ffe 0x7f3e\n",
                Wait::Untimed,
            ),
            (
                "202 0x5 0x80 0x0 0x0 0x0 0xffffffff 0x7f 0x7f\n",
                Wait::Untimed,
            ),
            (
                "202 0x5 0x189 0x0 0x7f10 0x0 0xffffffff 0x7f 0x7f\n",
                Wait::Timed("futex"),
            ),
            (
                "7 0x5 0x1 0xffffffff 0x0 0x0 0x0 0x7f 0x7f\n",
                Wait::Untimed,
            ),
            (
                "7 0x5 0x1 0xffffffffffffffff 0x0 0x0 0x0 0x7f 0x7f\n",
                Wait::Untimed,
            ),
            (
                "7 0x5 0x1 0x64 0x0 0x0 0x0 0x7f 0x7f\n",
                Wait::Timed("poll"),
            ),
            (
                "230 0x0 0x0 0x7f 0x7f 0x0 0x0 0x7f 0x7f\n",
                Wait::Timed("clock_nanosleep"),
            ),
            (
                "232 0x4 0x7f 0x10 0x32 0x0 0x0 0x7f 0x7f\n",
                Wait::Timed("epoll_wait"),
            ),
            (
                "219 0x4 0x7f 0x10 0x32 0x0 0x0 0x7f 0x7f\n",
                Wait::Timed("restart_syscall"),
            ),
        ] {
            assert_eq!(parse_syscall(line), expected, "{line}");
        }
    }
}
