//! One case as it happens on the model or on implementations, for `plot`.

use std::thread;
use std::time::{Duration, Instant};

use spec_harness::case::ast::{Case, Kind};
use spec_harness::history::{History, What};
use spec_harness::model::{Prediction, predict};
use spec_harness::replay::{self, Outcome, Runner, Target};
use spec_harness::target;

use super::output::{FAINT, Output, paint};
use super::select::{self, Bad, Chosen};
use super::{OneCase, Refusal};

/// What happened, and where.
#[derive(Debug)]
pub(super) struct Seen {
    /// `thread workers, as the model has it`, `cpython:process (CPython 3.11)`.
    pub(super) on: String,
    pub(super) history: History,
}

/// The case that is meant; or what is wrong with it.
pub(super) fn case(one_case: &OneCase) -> Result<Result<Chosen, Bad>, Refusal> {
    select::one(&one_case.case)
}

/// What happens in the case on everything that is asked for, and why there is nothing of the others. Kinds of workers on
/// which the model has the same are one.
///
/// On the real clock, a unit of time takes a second, and what is printed is shown at once.
///
/// # Errors
/// Nothing at all happens; the model has no real clock.
pub(super) fn seen(
    one_case: &OneCase,
    case: &Case,
    real_clock: bool,
    out: &mut Output,
) -> Result<(Vec<Seen>, Vec<String>), Refusal> {
    let (mut seen, mut refused) = (Vec::new(), Vec::new());
    for on in &one_case.on {
        if real_clock && on.starts_with("model") {
            return Err(
                "the model runs nothing on the real clock: name an implementation, as --on cpython"
                    .to_owned(),
            );
        }
        let here = match on.as_str() {
            "model" => predicted(case),
            "model:thread" => predicted_on(case, Kind::Thread).map(|seen| vec![seen]),
            "model:process" => predicted_on(case, Kind::Process).map(|seen| vec![seen]),
            name => replayed(case, name, real_clock.then_some(&mut *out), &mut refused),
        };
        match here {
            Ok(here) => seen.extend(here),
            // A mistake in what was typed is no matter of the case.
            Err(why) if !on.starts_with("model") => return Err(why),
            Err(why) => refused.push(format!("{on}: {why}")),
        }
    }
    if seen.is_empty() {
        return Err(refused.join("; "));
    }
    Ok((seen, refused))
}

fn predicted(case: &Case) -> Result<Vec<Seen>, Refusal> {
    let thread = predicted_on(case, Kind::Thread);
    let process = predicted_on(case, Kind::Process);
    Ok(match (thread, process) {
        (Ok(thread), Ok(process)) if thread.history == process.history => vec![Seen {
            on: "workers of both kinds, as the model has it".to_owned(),
            ..thread
        }],
        (Ok(thread), Ok(process)) => vec![thread, process],
        (Ok(one), Err(_)) | (Err(_), Ok(one)) => vec![one],
        (Err(why), Err(_)) => return Err(why),
    })
}

fn predicted_on(case: &Case, kind: Kind) -> Result<Seen, Refusal> {
    match predict(case, kind) {
        Prediction::Ran(history) => Ok(Seen {
            on: format!("{kind} workers, as the model has it"),
            history: *history,
        }),
        Prediction::NotApplicable(why) => Err(why),
    }
}

fn replayed(
    case: &Case,
    name: &str,
    mut real_clock: Option<&mut Output>,
    refused: &mut Vec<String>,
) -> Result<Vec<Seen>, Refusal> {
    let runner = Runner::default();
    let program =
        std::env::current_exe().map_err(|error| format!("where this program lies: {error}"))?;
    replay::get_ready()?;
    let mut seen = Vec::new();
    let columns = target::columns(name, &program, &runner)
        .map_err(|why| why.replace("write thread,", "write model, thread,"))?;
    for column in &columns {
        let name = &column.target.name;
        let outcome = match &mut real_clock {
            Some(out) => on_the_real_clock(&runner, case, &column.target, out),
            None => runner.run(case, &column.target),
        };
        match outcome {
            Outcome::Ran(ran) => {
                let hello = ran
                    .hello
                    .map(|hello| format!(" ({} {})", hello.name, hello.version));
                seen.push(Seen {
                    on: format!("{name}{}", hello.unwrap_or_default()),
                    history: ran.history,
                });
            }
            Outcome::NotApplicable(why) | Outcome::NotHere(why) => {
                refused.push(format!("{name}: {why}"));
            }
        }
    }
    Ok(seen)
}

/// Runs a case, a second for each unit of time, and shows what is printed when it is.
fn on_the_real_clock(runner: &Runner, case: &Case, target: &Target, out: &mut Output) -> Outcome {
    out.line(paint(FAINT, format!("{} on {}", case.name, target.name)));
    let began = Instant::now();
    let outcome = runner.run_watched(case, target, &mut |event| {
        let due = Duration::from_micros(event.at.0);
        thread::sleep(due.saturating_sub(began.elapsed()));
        if let What::Print(text) = &event.what {
            out.line(text);
        }
    });
    out.line("");
    outcome
}
