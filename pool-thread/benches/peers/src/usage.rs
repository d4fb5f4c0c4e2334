//! CPU time and context switches of this process and of those that descend from it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::{Mutex, PoisonError};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::contestant::Outcome;

/// Children that are no part of what is measured.
static STRANGERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Leaves these out from now on.
pub(crate) fn leave_out(pids: &[u32]) {
    let mut strangers = STRANGERS.lock().unwrap_or_else(PoisonError::into_inner);
    strangers.clear();
    strangers.extend_from_slice(pids);
}

/// What has been used up to now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Seconds of CPU time, in user and system mode.
    pub(crate) cpu: f64,
    /// How often a thread has gone to sleep.
    pub(crate) switches: f64,
}

impl Usage {
    pub(crate) fn now() -> Outcome<Self> {
        let own = getrusage(UsageWho::RUSAGE_SELF)?;
        let seconds =
            |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        let mut usage = Usage {
            cpu: seconds(own.user_time()) + seconds(own.system_time()),
            switches: own.voluntary_context_switches() as f64,
        };
        for pid in descendants() {
            usage.add(pid);
        }
        Ok(usage)
    }

    /// Since then; nothing is negative, though processes may have ended.
    pub(crate) fn since(self, before: Usage) -> Usage {
        Usage {
            cpu: (self.cpu - before.cpu).max(0.0),
            switches: (self.switches - before.switches).max(0.0),
        }
    }

    /// A thread that ends meanwhile counts for nothing.
    fn add(&mut self, pid: u32) {
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
            return;
        };
        for thread in threads.flatten() {
            let file =
                |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            let first = |text: &str| text.split_whitespace().next().and_then(|n| n.parse().ok());
            let nanos: f64 = first(&file("schedstat")).unwrap_or(0.0);
            self.cpu += nanos / 1e9;
            self.switches += file("status")
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
                .and_then(first)
                .unwrap_or(0.0);
        }
    }
}

/// CPU seconds that everything on this machine has used, and those of this program with all that it has started.
pub(crate) fn machine() -> Outcome<(f64, f64)> {
    // The kernel's unit for programs.
    let ticks = 100.0;
    let stat = fs::read_to_string("/proc/stat")?;
    let all: Vec<f64> = stat
        .lines()
        .next()
        .into_iter()
        .flat_map(str::split_whitespace)
        .filter_map(|field| field.parse().ok())
        .collect();
    // User, nice, system, idle, waiting for input and output, interrupts, soft interrupts.
    let busy = [0, 1, 2, 5, 6].map(|place| all.get(place).copied().unwrap_or(0.0));
    let mut own = 0.0;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        own += seconds(usage.user_time()) + seconds(usage.system_time());
    }
    for pid in descendants() {
        // Its own time and that of the children that it has waited for.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let times = after_name.split_whitespace().skip(11).take(4);
        own += times
            .filter_map(|time| time.parse::<f64>().ok())
            .sum::<f64>()
            / ticks;
    }
    Ok((busy.iter().sum::<f64>() / ticks, own))
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// All processes that descend from this one.
fn descendants() -> HashSet<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let strangers = STRANGERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let mut found = HashSet::new();
    let mut open = vec![std::process::id()];
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if !strangers.contains(child) && found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// The proportional set size of a process in bytes.
pub(crate) fn proportional_set_size(pid: u32) -> Outcome<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kilobytes: f64 = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .ok_or("smaps_rollup has no Pss")?;
    Ok(kilobytes * 1024.0)
}
