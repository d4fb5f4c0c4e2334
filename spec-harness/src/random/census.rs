//! What the programs that were drawn have in them, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Predicted, Program, Rejected};
use crate::case::ast::{Fate, Kind};
use crate::case::language;
use crate::history::{Event, History, Key, TaskInfo, What, Who};
use crate::protocol::{Call, PoolOptions};

/// What many programs have in them, by what happens in them on the model.
#[derive(Debug, Clone, Default)]
pub struct Census {
    /// Programs.
    pub programs: usize,
    /// Programs in which a worker dies.
    pub deaths: usize,
    /// Programs in which a pool is stopped while tasks of it are not done.
    pub stops: usize,
    /// Programs in which a callback runs.
    pub callbacks: usize,
    /// Programs in which a task fails.
    pub failures: usize,
    /// Programs in which a time limit is reached.
    pub timeouts: usize,
    /// Programs in which a task or a callback calls its pool.
    pub inside: usize,
    /// Programs in which some call never returns.
    pub blocked: usize,
    /// Programs for workers of one kind only.
    pub one_kind: usize,
    /// Steps of all programs.
    pub steps: usize,
    /// Tasks and callbacks of all programs.
    pub bodies: usize,
    /// Programs with each word of the language that a program can have.
    pub words: BTreeMap<&'static str, usize>,
    /// How many programs touch each row of the contract.
    pub rows: BTreeMap<&'static str, usize>,
    /// Drafts that are no programs, and why.
    pub rejected: BTreeMap<Rejected, usize>,
}

impl Census {
    /// Counts a program, as it is on each of its kinds.
    pub fn note(&mut self, program: &Program, predicted: &[Predicted]) {
        let facts: Vec<Facts<'_>> = predicted.iter().map(Facts::of).collect();
        let any = |is: &dyn Fn(&Facts<'_>) -> bool| usize::from(facts.iter().any(is));
        let fate = |fate: Fate| any(&|f| f.tasks().any(|task| task.fate == fate));
        self.programs += 1;
        self.deaths += fate(Fate::Lost);
        self.stops += any(&|f| f.stopped_at_work);
        self.callbacks += any(&|f| f.callbacks().next().is_some());
        self.failures += fate(Fate::Raised);
        self.timeouts += any(&|f| f.raised("TimedOut"));
        self.inside += any(&|f| f.inside(true) || f.inside(false));
        self.blocked += any(&|f| f.has(|event| matches!(event.what, What::Blocked { .. })));
        self.one_kind += usize::from(predicted.len() == 1);
        self.steps += program.steps();
        self.bodies += facts.first().map_or(0, |f| f.history.tasks.len());
        let said: BTreeSet<&str> = predicted.iter().flat_map(|one| keys(&one.text)).collect();
        for word in language::of_programs() {
            *self.words.entry(word).or_default() += usize::from(said.contains(word));
        }
        let rows: BTreeSet<&str> = facts.iter().flat_map(Facts::rows).collect();
        for row in rows {
            *self.rows.entry(row).or_default() += 1;
        }
    }

    /// Counts a draft that is no program.
    pub fn reject(&mut self, why: Rejected) {
        *self.rejected.entry(why).or_default() += 1;
    }

    /// The share of something, in percent.
    pub fn percent(&self, of: usize) -> usize {
        (of * 100).checked_div(self.programs).unwrap_or(0)
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = |of: usize| of as f64 / self.programs.max(1) as f64;
        writeln!(
            f,
            "{} programs of {:.1} steps and {:.1} tasks and callbacks in the mean",
            self.programs,
            mean(self.steps),
            mean(self.bodies)
        )?;
        for (what, count) in [
            ("a worker dies", self.deaths),
            ("a pool is stopped while it works", self.stops),
            ("a callback runs", self.callbacks),
            ("a task fails", self.failures),
            ("a time limit is reached", self.timeouts),
            ("a task or a callback calls its pool", self.inside),
            ("a call never returns", self.blocked),
            ("for one kind of worker only", self.one_kind),
        ] {
            writeln!(f, "{:>4} %  {what}", self.percent(count))?;
        }
        for (what, counts) in [
            ("words of the language", &self.words),
            ("rows of the contract", &self.rows),
        ] {
            let counts = counts.iter().filter(|(_, count)| **count > 0);
            let counts: Vec<String> = counts.map(|(of, count)| format!("{of} {count}")).collect();
            writeln!(f, "{} {what}: {}", counts.len(), counts.join(", "))?;
        }
        if !self.rejected.is_empty() {
            let why = self.rejected.iter();
            let why: Vec<String> = why.map(|(why, count)| format!("{count} {why}")).collect();
            writeln!(f, "not run: {}", why.join(", "))?;
        }
        Ok(())
    }
}

/// The keys of a case file, and the steps and operations that are one word.
fn keys(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.match_indices([':', '\n']);
    ends.map(|(end, _)| {
        let before = &text[..end];
        let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &before[start.map_or(0, |start| start + 1)..]
    })
}

/// What a run has in it.
struct Facts<'h> {
    kind: Kind,
    history: &'h History,
    text: &'h str,
    calls: Vec<(&'h Who, &'h Call)>,
    stopped_at_work: bool,
    closed_at_work: bool,
}

impl<'h> Facts<'h> {
    fn of(predicted: &'h Predicted) -> Facts<'h> {
        let history = &predicted.history;
        let mut facts = Facts {
            kind: predicted.kind,
            history,
            text: &predicted.text,
            calls: Vec::new(),
            stopped_at_work: false,
            closed_at_work: false,
        };
        let mut open: BTreeSet<Key> = BTreeSet::new();
        for event in &history.events {
            match (&event.what, &event.who) {
                (What::Submit { key }, _) => {
                    open.insert(*key);
                }
                (What::End { .. }, Who::Puppet(key)) => {
                    open.remove(key);
                }
                (What::Call { command, .. }, who) => {
                    let at_work = |pool: &String| {
                        let of = |key: &Key| facts.task(*key)?.pool.as_ref();
                        open.iter().any(|key| of(key) == Some(pool))
                    };
                    match command {
                        Call::Terminate { pool } | Call::Drop { pool } => {
                            facts.stopped_at_work |= at_work(pool);
                        }
                        Call::Close { pool } => facts.closed_at_work |= at_work(pool),
                        _ => {}
                    }
                    facts.calls.push((who, command));
                }
                _ => {}
            }
        }
        facts
    }

    fn task(&self, key: Key) -> Option<&'h TaskInfo> {
        self.history.tasks.get(usize::try_from(key).ok()?)
    }

    fn tasks(&self) -> impl Iterator<Item = &'h TaskInfo> {
        self.history.tasks.iter().filter(|task| !task.callback)
    }

    /// Callbacks that ran.
    fn callbacks(&self) -> impl Iterator<Item = &'h TaskInfo> {
        let callbacks = self.history.tasks.iter().filter(|task| task.callback);
        callbacks.filter(|task| task.fate != Fate::Never)
    }

    fn has(&self, is: impl Fn(&Event) -> bool) -> bool {
        self.history.events.iter().any(is)
    }

    fn raised(&self, name: &str) -> bool {
        self.has(|event| matches!(&event.what, What::Return { result: Err(raised), .. } if raised.kind == name))
    }

    fn called(&self, is: impl Fn(&Call) -> bool) -> bool {
        self.calls.iter().any(|(_, command)| is(command))
    }

    /// Whether a callback, or a task, makes a call.
    fn inside(&self, callback: bool) -> bool {
        self.calls.iter().any(|(who, _)| match who {
            Who::Puppet(key) => self
                .task(*key)
                .is_some_and(|task| task.callback == callback),
            Who::Main | Who::Thread(_) => false,
        })
    }

    /// The rows of the contract that the run touches.
    fn rows(&self) -> Vec<&'static str> {
        use Call as C;
        let many = |command: &C| {
            matches!(
                command,
                C::Map { .. } | C::MapAsync { .. } | C::Starmap { .. } | C::StarmapAsync { .. }
            )
        };
        let star = |c: &C| matches!(c, C::Starmap { .. } | C::StarmapAsync { .. });
        let imap = |c: &C| c.stream().is_some();
        let process = |c: &C| matches!(c, C::Process { .. });
        let fate = |fate: Fate| self.tasks().any(|task| task.fate == fate);
        let read_ahead = |c: &C| {
            let stream = c.stream();
            stream.is_some_and(|stream| stream.read_ahead.is_some())
        };
        let deaf = self.text.contains("ignore_sigterm") || self.text.contains("stop_self");
        let failing_map = self.called(many) && fate(Fate::Raised);
        let sizeless = |c: &C| matches!(c, C::Pool(PoolOptions { size: None, .. }));
        let ended = |c: &C| matches!(c, C::Terminate { .. });
        let reopened = self.calls.iter().skip_while(|(_, command)| !ended(command));
        let touched = [
            ("C1", self.called(sizeless)),
            (
                "C4",
                reopened.clone().any(|(_, c)| matches!(c, C::Close { .. })),
            ),
            ("C2", self.raised("InvalidSize")),
            (
                "C5",
                self.called(|c| matches!(c, C::ApplyAsync { .. } | C::MapAsync { .. })),
            ),
            ("L1", self.closed_at_work),
            ("L2", self.raised("NotRunning")),
            ("L3", self.raised("StillRunning")),
            ("L4", self.called(|c| matches!(c, C::Join { .. }))),
            ("L5", self.stopped_at_work),
            ("L6", self.raised("Terminated")),
            ("L7", deaf && self.stopped_at_work),
            (
                "L8",
                self.inside(true) && self.called(|c| matches!(c, C::Join { .. })),
            ),
            ("L9", self.called(|c| matches!(c, C::Drop { .. }))),
            ("L10", self.text.contains("spawn_child")),
            ("O1", self.called(|c| matches!(c, C::Apply { .. }))),
            ("O2", self.called(many)),
            ("O3", self.raised("InvalidChunksize")),
            ("O4", failing_map),
            ("O5", self.history.tasks.iter().any(|task| task.job > 0)),
            ("O6", self.called(|c| many(c) && !star(c))),
            ("O7", failing_map),
            ("O8", self.called(many)),
            (
                "O9",
                self.called(imap) && self.called(|c| matches!(c, C::Next { .. })),
            ),
            ("O10", self.called(read_ahead)),
            ("O11", self.called(imap) && fate(Fate::Raised)),
            ("O12", self.called(imap) && self.raised("Terminated")),
            ("O13", self.called(star)),
            ("R1", self.called(|c| matches!(c, C::Ready { .. }))),
            ("R2", self.raised("NotReady")),
            (
                "R3",
                self.called(|c| matches!(c, C::Get { .. } | C::Wait { .. })),
            ),
            ("R5", self.callbacks().next().is_some()),
            ("R6", self.callbacks().any(|task| task.fate == Fate::Raised)),
            ("R7", self.inside(true)),
            ("R8", self.text.contains("panic:") && fate(Fate::Raised)),
            ("R9", self.raised("Encode")),
            ("R10", fate(Fate::Lost)),
            ("R13", self.inside(false)),
            ("R15", self.text.contains("raise:") && fate(Fate::Raised)),
            (
                "X1",
                self.text.contains("deadline:") && self.raised("DeadlineExceeded"),
            ),
            (
                "X2",
                self.text.contains("expiry:") && self.raised("DeadlineExceeded"),
            ),
            ("X3", self.raised("Cancelled") && fate(Fate::Never)),
            (
                "X4",
                self.raised("Cancelled") && (fate(Fate::Killed) || self.text.contains("unwanted")),
            ),
            (
                "X5",
                self.raised("Cancelled") && (self.called(many) || self.called(imap)),
            ),
            (
                "X6",
                self.has(
                    |event| matches!(&event.what, What::Print(line) if line.contains("attempt")),
                ),
            ),
            (
                "X7",
                self.text.contains("retries:") && self.raised("WorkerLost"),
            ),
            (
                "W2",
                self.called(|c| {
                    matches!(
                        c,
                        C::Pool(PoolOptions {
                            maxtasksperchild: Some(_),
                            ..
                        })
                    )
                }),
            ),
            ("P1", self.called(process)),
            ("P2", self.called(|c| matches!(c, C::Start { .. }))),
            ("P3", self.called(|c| matches!(c, C::Exitcode { .. }))),
            ("P4", self.called(process) && self.kind == Kind::Thread),
        ];
        let touched = touched.into_iter().filter(|(_, is)| *is);
        touched.map(|(row, _)| row).collect()
    }
}
