//! One case as it happens on the model or on implementations: what `plot` and `explain` tell of.

use spec_harness::case::ast::{Case, Kind};
use spec_harness::history::History;
use spec_harness::model::{Prediction, predict};
use spec_harness::replay::{self, Outcome, Runner};
use spec_harness::target;

use super::select::{self, Bad, Chosen};
use super::{Refusal, Subject};

/// What happened, and where.
#[derive(Debug)]
pub(super) struct Seen {
    /// `thread workers, as the model has it`, `cpython:process (CPython 3.11)`.
    pub(super) on: String,
    pub(super) history: History,
}

/// The case that is meant; or what is wrong with it.
pub(super) fn case(subject: &Subject) -> Result<Result<Chosen, Bad>, Refusal> {
    select::one(&subject.case)
}

/// What happens in the case on everything that is asked for, and why there is nothing of the others. Kinds of workers on
/// which the model has the same are one.
///
/// # Errors
/// Nothing at all happens.
pub(super) fn seen(subject: &Subject, case: &Case) -> Result<(Vec<Seen>, Vec<String>), Refusal> {
    let (mut seen, mut refused) = (Vec::new(), Vec::new());
    for on in &subject.on {
        let here = match on.as_str() {
            "model" => predicted(case),
            "model:thread" => predicted_on(case, Kind::Thread).map(|seen| vec![seen]),
            "model:process" => predicted_on(case, Kind::Process).map(|seen| vec![seen]),
            name => replayed(case, name, &mut refused),
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

fn replayed(case: &Case, name: &str, refused: &mut Vec<String>) -> Result<Vec<Seen>, Refusal> {
    let runner = Runner::default();
    let program =
        std::env::current_exe().map_err(|error| format!("where this program lies: {error}"))?;
    replay::get_ready()?;
    let mut seen = Vec::new();
    let columns = target::columns(name, &program, &runner)
        .map_err(|why| why.replace("write thread,", "write model, thread,"))?;
    for column in &columns {
        let name = &column.target.name;
        match runner.run(case, &column.target) {
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
