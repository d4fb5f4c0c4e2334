//! System calls per task, counted by `strace` where it is installed.
//!
//! A traced program is many times slower, and its threads sleep more often than they do otherwise: the numbers are upper bounds.

use std::process::{Command, Stdio};

use crate::contestant::Outcome;
use crate::rival::Rival;
use crate::scale::Scale;
use crate::workload::Workload;

/// Why nothing can be counted, if nothing can.
pub(crate) fn unavailable() -> Option<String> {
    let status = Command::new("strace")
        .args(["-f", "-c", "-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("strace ended by {status}")),
        Err(error) => Some(format!("strace: {error}")),
    }
}

/// The calls of a program with more tasks less those of one with fewer, by task.
pub(crate) fn per_task(
    rival: &dyn Rival,
    workload: Workload,
    scale: &Scale,
) -> Outcome<Option<f64>> {
    let (few, many) = (100, 1_100);
    let count = |tasks| -> Outcome<Option<f64>> {
        match rival.program(workload, scale.workers, tasks)? {
            Some(program) => calls(&program).map(Some),
            None => Ok(None),
        }
    };
    let (Some(with_few), Some(with_many)) = (count(few)?, count(many)?) else {
        return Ok(None);
    };
    Ok(Some(
        ((with_many - with_few) / (many - few) as f64).max(0.0),
    ))
}

fn calls(program: &Command) -> Outcome<f64> {
    let table = std::env::temp_dir().join(format!("peers-{}.strace", std::process::id()));
    let output = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .arg(&table)
        .arg(program.get_program())
        .args(program.get_args())
        .output()?;
    let text = std::fs::read_to_string(&table)?;
    std::fs::remove_file(&table)?;
    if !output.status.success() {
        return Err(format!("a traced program ended by {}", output.status).into());
    }
    total(&text).ok_or_else(|| "strace has told no total".into())
}

/// The column of calls of the last line: per cent, seconds, microseconds per call, calls, errors if any, `total`.
fn total(table: &str) -> Option<f64> {
    let line = table.lines().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_total_is_read_with_and_without_errors() {
        let with = "100.00    0.000010           0        29         1 total\n";
        let without = "100.00    0.000010           0        29           total\n";
        assert_eq!(super::total(with), Some(29.0));
        assert_eq!(super::total(without), Some(29.0));
        assert_eq!(super::total(""), None);
    }
}
