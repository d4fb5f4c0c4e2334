//! The harness under circumstances that make it hard to be right: an implementation that is slow, that polls and says
//! so, that polls in secret; one CPU for both; a machine that is busy. What is in order passes, or it is said that it
//! cannot be known; what is broken never passes.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use spec_harness::case::ast::Kind;
use spec_harness::judge::{Verdict, transcript};
use spec_harness::replay::{Limits, Runner};

use crate::flaws::{Flaw, MUTANTS};
use crate::manner::Manner;
use crate::{KINDS, cases, column, hunt};

/// What makes it hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circumstance {
    Slow,
    Polls,
    PollsInSecret,
    OneCpu,
    BusyMachine,
}

const ALL: [Circumstance; 5] = [
    Circumstance::Slow,
    Circumstance::Polls,
    Circumstance::PollsInSecret,
    Circumstance::OneCpu,
    Circumstance::BusyMachine,
];

/// Cases of each sort, for a pool that is in order.
const SOUND: &[&str] = &[
    "callback/one-at-a-time",
    "handle/get-with-a-timeout",
    "imap/next-with-a-timeout",
    "lifecycle/terminate-drops-the-queue",
    "map/a-failing-item-skips-its-chunk",
    "submit/apply-waits-for-its-own-task",
    "tutorial/S004-1",
];

/// Flaws of each sort, among them those that a judge who does not wait long enough would miss.
const BROKEN: &[Flaw] = &[
    Flaw::OneWorkerMore,
    Flaw::OneWorkerLess,
    Flaw::AsyncBlocks,
    Flaw::LastIn,
    Flaw::JoinReturnsEarly,
    Flaw::TerminateKeepsTheQueue,
    Flaw::ReadyBeforeCallback,
    Flaw::CallbackTwice,
    Flaw::TaskRunsTwice,
    Flaw::ResultLost,
    Flaw::ImapReadsEverything,
    Flaw::LeakedChild,
];

/// A test for each circumstance and kind of worker.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for circumstance in ALL {
        for kind in KINDS {
            let name = format!("honest::{kind}::{circumstance:?}");
            trials.push(Trial::test(name, move || {
                circumstance.around(|| is_honest(circumstance, kind))
            }));
        }
    }
    trials
}

fn is_honest(circumstance: Circumstance, kind: Kind) -> Result<(), Failed> {
    let manner = circumstance.manner();
    // Nothing but "unknown" depends on these.
    let limits = Limits {
        polling: Duration::from_millis(100),
        silence: Duration::from_secs(60),
        busy: Duration::from_secs(60),
        ..Limits::default()
    };
    let runner = Runner { limits };
    let secret = circumstance == Circumstance::PollsInSecret;
    let sound = column(kind, None, manner);
    for case in cases()?
        .iter()
        .filter(|case| SOUND.contains(&case.name.as_str()))
    {
        let recorded = transcript::recorded(case, kind);
        match sound.try_case(&runner, case, recorded).verdict {
            Verdict::Pass if !secret => {}
            Verdict::Unknown(why) if secret && why.contains("does not declare that it polls") => {}
            other => return Err(format!("{} on a pool in order: {other:?}", case.name).into()),
        }
    }
    for mutant in MUTANTS
        .iter()
        .filter(|mutant| BROKEN.contains(&mutant.flaw))
    {
        let on = column(kind, Some(mutant), manner);
        if secret {
            // It is not known when such a one has come to rest, so that nothing it does is in order.
            for case in cases()?
                .iter()
                .filter(|case| SOUND[..2].contains(&case.name.as_str()))
            {
                let verdict = on.try_case(&runner, case, None).verdict;
                if matches!(verdict, Verdict::Pass) {
                    return Err(format!("{} passes: {}", case.name, mutant.says).into());
                }
            }
            continue;
        }
        let found = hunt(&on, mutant, &runner, false)?;
        if found.killers.is_empty() || !found.unknown.is_empty() {
            let unknown = found.unknown.join("\n");
            let killers = found.killers.join(", ");
            return Err(format!("{}: found out by: {killers}\n{unknown}", mutant.says).into());
        }
    }
    Ok(())
}

/// Ends what goes on until then.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Circumstance {
    fn manner(self) -> Manner {
        match self {
            Circumstance::Slow => Manner::Slow,
            Circumstance::Polls => Manner::Polls,
            Circumstance::PollsInSecret => Manner::PollsInSecret,
            Circumstance::OneCpu | Circumstance::BusyMachine => Manner::Prompt,
        }
    }

    /// Does something while this is so.
    fn around(self, act: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
        match self {
            Circumstance::OneCpu => {
                let here = Pid::from_raw(0);
                let before = sched_getaffinity(here)?;
                let cpus = 0..CpuSet::count();
                let first = cpus.into_iter().find(|cpu| before.is_set(*cpu) == Ok(true));
                let mut one = CpuSet::new();
                one.set(first.ok_or("there is no CPU")?)?;
                // Adapters and their workers inherit it from the thread that starts them.
                sched_setaffinity(here, &one)?;
                let came = act();
                sched_setaffinity(here, &before)?;
                came
            }
            Circumstance::BusyMachine => {
                let over = AtomicBool::new(false);
                let cpus = thread::available_parallelism().map_or(2, usize::from);
                thread::scope(|scope| {
                    for _ in 0..2 * cpus {
                        scope.spawn(|| {
                            while !over.load(Ordering::Relaxed) {
                                black_box(());
                            }
                        });
                    }
                    let _until_here = End(&over);
                    act()
                })
            }
            _ => act(),
        }
    }
}
