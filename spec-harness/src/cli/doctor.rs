//! `doctor`: what this machine allows, and which implementations are here.

use spec_harness::case::ast::Kind;
use spec_harness::history::Ending;
use spec_harness::replay::{self, Level, Outcome, Runner};
use spec_harness::target::{self, Column};

use super::output::{BAD, GOOD, ODD, Output, paint};
use super::{ExitStatus, Refusal};

pub(super) fn doctor(out: &mut Output) -> Result<ExitStatus, Refusal> {
    let level = replay::level();
    out.line(evidence(level));
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    out.line(format_args!("CPUs: {cpus}"));
    replay::get_ready()?;
    let program =
        std::env::current_exe().map_err(|error| format!("where this program lies: {error}"))?;
    let runner = Runner::default();
    let mut status = if level == Level::Full {
        ExitStatus::Success
    } else {
        ExitStatus::Failure
    };
    let ours = [Kind::Thread, Kind::Process].map(|kind| target::ours(&program, kind));
    for column in ours {
        if !introduce(&column, &runner, out) {
            status = ExitStatus::Failure;
        }
    }
    // Its absence is no illness.
    for kind in [Kind::Process, Kind::Thread] {
        introduce(&target::cpython(kind)?, &runner, out);
    }
    Ok(status)
}

/// Says whether an implementation is here and can be replayed on.
fn introduce(column: &Column, runner: &Runner, out: &mut Output) -> bool {
    let name = &column.target.name;
    match runner.run(&target::greeting(), &column.target) {
        Outcome::Ran(ran) => {
            let who = ran
                .hello
                .map(|hello| format!("{} {}", hello.name, hello.version));
            let who = who.unwrap_or_else(|| "it did not introduce itself".to_owned());
            let (mark, rest) = match &ran.history.ending {
                Ending::Finished => (paint(GOOD, "ok"), String::new()),
                Ending::Unknown(why) => (paint(ODD, "unknown"), format!(": {why}")),
                Ending::Broken(why) | Ending::Deadlock(why) | Ending::Leaked(why) => {
                    (paint(BAD, "broken"), format!(": {why}"))
                }
            };
            out.line(format_args!("{name}: {mark}, {who}{rest}"));
            ran.history.ending == Ending::Finished
        }
        Outcome::NotHere(why) | Outcome::NotApplicable(why) => {
            out.line(format_args!("{name}: {}, {why}", paint(ODD, "not here")));
            false
        }
    }
}

/// How much the kernel tells here, and what would make it tell more.
pub(super) fn evidence(level: Level) -> String {
    let (word, says) = level_in_words(level);
    let style = match level {
        Level::Full => GOOD,
        Level::Switches => ODD,
        Level::Nothing => BAD,
    };
    let mark = paint(style, word);
    let remedy = level.remedy().map(|remedy| format!("\n  {remedy}"));
    format!("evidence: {mark} ({says}){}", remedy.unwrap_or_default())
}

/// A level in one word, and in a sentence.
pub(super) fn level_in_words(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Full => ("full", "the kernel shows when everything sleeps"),
        Level::Switches => (
            "reduced",
            "the kernel hides what threads wait for; a timed wait gives \"unknown\"",
        ),
        Level::Nothing => (
            "none",
            "the kernel tells nothing about other processes; nothing can be replayed",
        ),
    }
}
