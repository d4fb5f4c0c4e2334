//! The canonical transcript of a run: one text per case, the same for every pool that keeps the contract.
//!
//! ```text
//!   0  main  pool of 2
//!   0  main  apply_async func(0)
//!   0  w0    begins func(0)
//!   1  w0    prints 0------>1
//!   1  w0    ends func(0)
//! 1.5  main  join p1: waits
//!   2  main  join p1: returns after 0.5
//! ```
//!
//! A line has the instant, who acts, and what. What depends on chance is left out: numbers of processes, which
//! of several idle workers took a task (see `lanes`), the wording of an implementation's own errors. In
//! a pool of default size the machine decides how many tasks run at once: there, the lines of an instant are
//! put in the order of main, threads, tasks, and workers have no numbers.

use std::collections::BTreeMap;

use super::facts::{label, task};
use super::lanes::Lanes;
use crate::case::ast::{Fate, Kind, Time};
use crate::case::expr::Value;
use crate::history::{History, Key, Raised, What, Who};

/// One line before it is laid out.
struct Line {
    at: Time,
    who: String,
    what: String,
    /// Its place among the lines of one instant where chance has had a hand in the order.
    rank: (u8, Key),
}

/// The transcript of a history.
pub fn of(history: &History) -> String {
    let mut lines = lines(history);
    if history.pools.iter().any(|pool| pool.size.is_none()) {
        lines.sort_by_key(|line| (line.at, line.rank));
    }
    let instants: Vec<String> = lines.iter().map(|line| line.at.to_string()).collect();
    let wide = instants.iter().map(String::len).max().unwrap_or(0).max(3);
    let who = lines.iter().map(|line| line.who.chars().count()).max();
    let who_wide = who.unwrap_or(0);
    let mut text = String::new();
    for (line, at) in lines.iter().zip(&instants) {
        let laid = format!("{at:>wide$}  {:<who_wide$}  {}", line.who, line.what);
        text.push_str(laid.trim_end());
        text.push('\n');
    }
    text
}

/// The name under which the transcript of a case is on record: the case's own, with the kind of worker where
/// the case has something of its own to say about that kind.
pub fn record_name(case: &crate::case::ast::Case, kind: Kind) -> String {
    let name = &case.name;
    if case.on.iter().any(|(on, _)| on.value == kind) {
        format!("{name}.{kind}")
    } else {
        name.clone()
    }
}

/// The transcript on record for a case on workers of this kind.
pub fn recorded(case: &crate::case::ast::Case, kind: Kind) -> Option<&'static str> {
    let name = record_name(case, kind);
    let records = spec_cases::TRANSCRIPTS;
    let at = records.binary_search_by(|(known, _)| (*known).cmp(name.as_str()));
    at.ok().map(|at| without_header(records[at].1))
}

/// The text of a snapshot file without the few lines that the snapshot tool puts before it.
fn without_header(snapshot: &str) -> &str {
    let body = snapshot
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"));
    body.map_or(snapshot, |(_, body)| body)
}

fn lines(history: &History) -> Vec<Line> {
    let lanes = Lanes::of(history);
    let mut lines: Vec<Line> = Vec::new();
    // For each who is in a call: since when, and the line that tells of it.
    let mut open: BTreeMap<&Who, (Time, usize)> = BTreeMap::new();
    let reordered = history.pools.iter().any(|pool| pool.size.is_none());
    for event in &history.events {
        let (at, who) = (event.at, &event.who);
        let what = match &event.what {
            What::Print(text) => match who {
                Who::Puppet(key) => format!("prints {}", lanes.line(*key, text)),
                _ => format!("prints {text}"),
            },
            What::Call { text, .. } => {
                open.insert(who, (at, lines.len()));
                text.clone()
            }
            What::KillsWorker { of } => {
                let task = task(history, *of).map(label).unwrap_or_default();
                format!("kills the worker of {task}")
            }
            What::Submit { .. } | What::Left(_) => continue,
            What::Return { result, .. } => {
                let Some((since, line)) = open.remove(who) else {
                    continue;
                };
                let took = Time(at.0 - since.0);
                // Where nothing lies between, one line tells of both.
                let one = line + 1 == lines.len() || (reordered && took == Time(0));
                let came = returned(result, took, one);
                let Some(call) = lines.get_mut(line) else {
                    continue;
                };
                if one {
                    call.what += &came;
                    continue;
                }
                let text = call.what.clone();
                if took > Time(0) {
                    call.what += ": waits";
                }
                text + &came
            }
            What::Blocked { .. } => {
                let Some((_, line)) = open.remove(who) else {
                    continue;
                };
                match lines.get_mut(line) {
                    Some(call) => format!("{}: never returns", call.what),
                    None => continue,
                }
            }
            What::Unmet { text, .. } => format!("! {text}"),
            What::Begin { .. } => format!("begins {}", named(history, who)),
            What::End { fate } => format!("{} {}", ends(*fate), named(history, who)),
            What::Exit { code: 0 } => "the program ends".to_owned(),
            What::Exit { code } => format!("the program ends with code {code}"),
        };
        let (who, rank) = match who {
            Who::Main if matches!(event.what, What::Exit { .. }) => ("main".to_owned(), (3, 0)),
            Who::Main => ("main".to_owned(), (0, 0)),
            Who::Thread(name) => (name.clone(), (1, 0)),
            Who::Puppet(key) => (lanes.get(*key).to_owned(), (2, *key)),
        };
        lines.push(Line {
            at,
            who,
            what,
            rank,
        });
    }
    lines
}

fn named(history: &History, who: &Who) -> String {
    match who {
        Who::Puppet(key) => task(history, *key).map_or_else(|| format!("body {key}"), label),
        Who::Main => "main".to_owned(),
        Who::Thread(name) => name.clone(),
    }
}

/// The verb for the end of a body.
pub(super) fn ends(fate: Fate) -> &'static str {
    match fate {
        Fate::Done => "ends",
        Fate::Raised => "raises in",
        Fate::Killed => "is killed in",
        Fate::Lost => "dies in",
        Fate::Never => "never begins",
    }
}

/// The end of a call, as it stands behind the call's text; nothing for a plain return at once on the call's own
/// line.
fn returned(result: &Result<Value, Raised>, took: Time, own_line: bool) -> String {
    let came = match (outcome(result), own_line) {
        (came, true) if came.is_empty() && took == Time(0) => return came,
        (came, _) if came.is_empty() => " returns".to_owned(),
        (came, _) => came,
    };
    match took {
        Time(0) => format!(":{came}"),
        took => format!(":{came} after {took}"),
    }
}

/// What a call came to; nothing for `None`.
pub(crate) fn outcome(result: &Result<Value, Raised>) -> String {
    match result {
        Ok(Value::None) => String::new(),
        Ok(value) => format!(" returns {}", value.repr()),
        Err(raised) if raised.is_the_pools_own() => {
            format!(" raises {}", raised.kind)
        }
        Err(raised) => format!(" raises {raised}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::sample::Sample;

    #[test]
    fn a_wave_reads_from_top_to_bottom() {
        let run = Sample::wave();
        let seen = of(&run.history);
        let told = "  0  main  pool of 2
  0  main  apply_async f(0)
  0  w0    begins f(0)
  0  main  apply_async f(1)
  0  w1    begins f(1)
  0  main  close p
  0  main  join p: waits
  1  w0    prints 0
  1  w0    ends f(0)
  1  w1    prints 1
  1  w1    ends f(1)
  1  main  join p: returns after 1
  1  main  the program ends
";
        assert_eq!(seen, told);
    }

    #[test]
    fn which_idle_worker_took_a_task_is_not_told() {
        let run = |third: usize| {
            let mut run = Sample::pool(2);
            run.apply_async(0).begin(0, 0).apply_async(1).begin(1, 1);
            run.clock(1).end(0).end(1).apply_async(2).begin(2, third);
            run.print(2, &format!("I am w{third}")).end(2).exit();
            of(&run.history)
        };
        assert_eq!(run(0), run(1));
        assert!(run(1).contains("prints I am w0"), "{}", run(1));
    }

    #[test]
    fn a_pool_of_default_size_leaves_no_trace_of_the_machine() {
        let mut few = Sample::default_size();
        few.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .end(0)
            .begin(1, 0)
            .end(1)
            .exit();
        let mut many = Sample::default_size();
        many.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .begin(1, 1)
            .end(0)
            .end(1)
            .exit();
        assert_eq!(of(&few.history), of(&many.history));
    }

    #[test]
    fn an_error_of_a_pool_is_told_without_its_wording() {
        let raised = |kind: &str| {
            Err(Raised {
                kind: kind.into(),
                text: "so so".into(),
            })
        };
        assert_eq!(outcome(&raised("NotRunning")), " raises NotRunning");
        assert_eq!(outcome(&raised("ValueError")), " raises ValueError: so so");
    }

    #[test]
    fn a_snapshot_is_read_without_its_header() {
        assert_eq!(
            without_header("---\nsource: x\n---\n  0  main\n"),
            "  0  main\n"
        );
        assert_eq!(without_header("  0  main\n"), "  0  main\n");
    }
}
