//! What was measured where, when, and how.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// The head of a table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    pub(crate) kernel: String,
    pub(crate) load_at_start: String,
    pub(crate) date: String,
    pub(crate) rustc: String,
    pub(crate) python: String,
    pub(crate) command: String,
    /// What part of the CPUs other programs have used meanwhile.
    pub(crate) used_by_others: Option<f64>,
}

impl Machine {
    pub(crate) fn new(command: String, cpus: usize) -> Self {
        let unknown = || "unknown".to_owned();
        let file = |path: &str| {
            fs::read_to_string(path)
                .ok()
                .map(|text| text.trim().to_owned())
        };
        let cpu = file("/proc/cpuinfo").and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        Machine {
            cpu: cpu.unwrap_or_else(unknown),
            cpus,
            kernel: file("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            load_at_start: file("/proc/loadavg").unwrap_or_else(unknown),
            date: output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_else(unknown),
            rustc: env!("PEERS_RUSTC").to_owned(),
            python: output("python3", &["--version"]).unwrap_or_else(|| "none".to_owned()),
            command,
            used_by_others: None,
        }
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
