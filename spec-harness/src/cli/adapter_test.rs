//! `adapter-test`: whether an adapter speaks `spec/1`, message by message, before any case is tried on it.

use spec_harness::case::ast::Case;
use spec_harness::case::suggest::did_you_mean;
use spec_harness::history::{Ending, History, What};
use spec_harness::judge::report::{self, Source};
use spec_harness::judge::{self, Reason, Verdict};
use spec_harness::protocol;
use spec_harness::replay::{self, Limits, Outcome, Ran, Runner};
use spec_harness::target::{self, Column};

use super::output::{BAD, FAINT, GOOD, ODD, Output, paint};
use super::{AdapterTestArgs, ExitStatus, Refusal, doctor};

/// The checks as small cases.
const CHECKS: &str = include_str!("adapter_test/checks.yaml");

/// So many failures for one reason, and nothing else so far, are one failure.
const SAME: usize = 3;

struct Check {
    case: Case,
    text: String,
    about: String,
    /// What fails is a property of the pool, as long as the adapter speaks properly of it.
    contract: bool,
}

enum Result {
    Good,
    /// The pool does otherwise: how.
    Otherwise(String),
    /// Not in `can`, or not for this kind.
    NotAsked,
    Bad(Failure),
}

struct Failure {
    /// In one line.
    reason: String,
    /// Expected beside seen.
    details: String,
    /// The last messages.
    dialogue: Vec<String>,
    stderr: String,
}

pub(super) fn test(
    args: &AdapterTestArgs,
    out: &mut Output,
) -> std::result::Result<ExitStatus, Refusal> {
    let runner = Runner {
        limits: Limits {
            silence: args.patience,
            ..Limits::default()
        },
    };
    replay::get_ready()?;
    out.line(doctor::evidence(replay::level()));
    let checks = chosen(checks()?, &args.about)?;
    let mut status = ExitStatus::Success;
    for column in target::adapter(&args.adapter, &runner)? {
        if !passes(&column, &checks, &runner, out) {
            status = ExitStatus::Failure;
        }
        if replay::interrupted() {
            out.line("interrupted: what is missing was not checked");
            return Ok(ExitStatus::Failure);
        }
    }
    Ok(status)
}

/// The first, and those that are about one of these.
fn chosen(checks: Vec<Check>, about: &[String]) -> std::result::Result<Vec<Check>, Refusal> {
    let names = || checks.iter().map(|check| check.about.as_str());
    if let Some(unknown) = about
        .iter()
        .find(|name| !names().any(|known| known == *name))
    {
        let help = did_you_mean(unknown, names()).map_or(String::new(), |help| format!("; {help}"));
        return Err(format!("nothing is checked about `{unknown}`{help}"));
    }
    let mut checks = checks;
    let mut first = true;
    checks.retain(|check| {
        let kept = first || about.is_empty() || about.contains(&check.about);
        first = false;
        kept
    });
    Ok(checks)
}

/// Checks one kind of worker.
fn passes(column: &Column, checks: &[Check], runner: &Runner, out: &mut Output) -> bool {
    let name = &column.target.name;
    let (first, others) = match checks.split_first() {
        Some(split) => split,
        None => return true,
    };
    let greeting = check(first, column, runner);
    if let Result::Bad(failure) = greeting {
        out.line("");
        tell_one("everything", name, &failure, out);
        return false;
    }
    out.line("");
    if let Some(hello) = &column.hello {
        out.line(format_args!("{name}: {} {}", hello.name, hello.version));
    }
    let mut results = vec![(first, greeting)];
    for other in others {
        results.push((other, check(other, column, runner)));
        if replay::interrupted() {
            break;
        }
        if let Some(failure) = one_reason(&results) {
            tell_one("everything but hello", name, failure, out);
            return false;
        }
    }
    for (check, result) in &results {
        tell(check, result, out);
    }
    let lacks = results.iter();
    let lacks = lacks.filter(|(_, result)| matches!(result, Result::NotAsked));
    let mut lacks: Vec<&str> = lacks.map(|(check, _)| check.about.as_str()).collect();
    lacks.dedup();
    if !lacks.is_empty() {
        let mark = paint(FAINT, "-");
        out.line(format_args!(
            "{mark}     not in `can`: {}",
            lacks.join(", ")
        ));
    }
    summary(name, &results, out)
}

/// The reason for which the first few that failed all failed, where nothing with a task has gone well.
fn one_reason<'r>(results: &'r [(&Check, Result)]) -> Option<&'r Failure> {
    let failures = results.iter().filter_map(|(_, result)| match result {
        Result::Bad(failure) => Some(failure),
        _ => None,
    });
    let failures: Vec<&Failure> = failures.collect();
    let with_tasks = results
        .iter()
        .filter(|(check, _)| !check.case.tasks.is_empty());
    let well = with_tasks.filter(|(_, result)| matches!(result, Result::Good));
    // Numbers of processes and threads differ from run to run.
    let key = |failure: &Failure| failure.reason.replace(|c: char| c.is_ascii_digit(), "");
    let first = *failures.first()?;
    let same = failures.iter().all(|failure| key(failure) == key(first));
    (failures.len() >= SAME && same && well.count() == 0).then_some(first)
}

fn check(check: &Check, column: &Column, runner: &Runner) -> Result {
    let ran = match runner.run(&check.case, &column.target) {
        Outcome::Ran(ran) => ran,
        Outcome::NotApplicable(_) => return Result::NotAsked,
        Outcome::NotHere(why) => {
            return Result::Bad(Failure {
                reason: why,
                details: String::new(),
                dialogue: Vec::new(),
                stderr: String::new(),
            });
        }
    };
    let verdict = judge::judge(&check.case, column.target.kind, &ran.history, None).verdict;
    let reasons = match verdict {
        Verdict::Fail(mut reasons) => {
            reasons.retain(is_of_the_adapter);
            if let (Some(why), false) = (&ran.oversleeps, reasons.is_empty()) {
                reasons.insert(0, Reason::Ending(why.clone()));
            }
            reasons
        }
        Verdict::Unknown(why) => vec![Reason::Ending(why)],
        _ => return Result::Good,
    };
    if reasons.is_empty() {
        return Result::Good;
    }
    let source = Source {
        file: "adapter-test",
        text: &check.text,
    };
    let details = report::failure(&reasons, source);
    let mut reason = details.lines().next().unwrap_or_default().to_owned();
    if matches!(reasons.first(), Some(Reason::Exit(_))) {
        // It is told first, and no pool does so on purpose.
    } else if let Some(unheard) = unheard(&check.case, &ran) {
        reason = unheard;
    } else if check.contract && is_spoken_properly(&ran.history) {
        return Result::Otherwise(reason);
    }
    let Ran {
        dialogue, stderr, ..
    } = *ran;
    Result::Bad(Failure {
        reason,
        details,
        dialogue,
        stderr,
    })
}

/// Whether a reason can be the adapter's fault. How a pool orders and spreads its work is its own affair here.
fn is_of_the_adapter(reason: &Reason) -> bool {
    match reason {
        Reason::Broken { rule, .. } => {
            judge::ALWAYS.contains(rule) || ["O1", "R5", "L4"].contains(&rule.row)
        }
        _ => true,
    }
}

/// Where no task ever said that it runs: what came instead.
fn unheard(case: &Case, ran: &Ran) -> Option<String> {
    let begun = |what: &What| matches!(what, What::Begin { .. });
    let mut events = ran.history.events.iter();
    let submitted = events
        .clone()
        .any(|event| matches!(event.what, What::Submit { .. }));
    if case.tasks.is_empty() || !submitted || events.any(|event| begun(&event.what)) {
        return None;
    }
    if matches!(ran.history.ending, Ending::Broken(_) | Ending::Unknown(_)) {
        return None;
    }
    Some(match ran.connections {
        0 => "no task ever connects to the socket that hello names".to_owned(),
        _ => "a task connects to the socket, and never says `begin`".to_owned(),
    })
}

/// Whether a run says something of the pool: it came to an end of its own, and no error has a name that only one
/// language knows.
fn is_spoken_properly(history: &History) -> bool {
    let portable =
        |kind: &str| kind == "ValueError" || protocol::errors().any(|(name, _)| name == kind);
    let strange = history.events.iter().any(|event| match &event.what {
        What::Return {
            result: Err(raised),
            ..
        } => !portable(&raised.kind),
        _ => false,
    });
    !strange && !matches!(history.ending, Ending::Broken(_) | Ending::Unknown(_))
}

fn tell(check: &Check, result: &Result, out: &mut Output) {
    let (mark, style) = match result {
        Result::Good => ("ok", GOOD),
        Result::Otherwise(_) => ("note", ODD),
        Result::NotAsked => return,
        Result::Bad(_) => ("FAIL", BAD),
    };
    let pad = " ".repeat(4 - mark.len());
    let (about, title) = (&check.about, &check.case.title);
    let line = format!("{}{pad}  {about:<18}  {title}", paint(style, mark));
    match result {
        Result::Good | Result::NotAsked => out.line(line),
        Result::Otherwise(how) => out.line(format_args!("{line}: here, {how}")),
        Result::Bad(failure) => {
            out.line(line);
            tell_failure(failure, out);
        }
    }
}

fn tell_failure(failure: &Failure, out: &mut Output) {
    if !failure.details.starts_with(&failure.reason) {
        out.line(format_args!("        {}", failure.reason));
    }
    out.block("        ", &failure.details);
    if !failure.dialogue.is_empty() {
        out.line("        the last messages");
        out.block("          ", &failure.dialogue.join("\n"));
    }
    // An ending that says little has it already.
    if !failure.stderr.is_empty() && !failure.details.contains("stderr: ") {
        out.line("        stderr");
        out.block("          ", &failure.stderr);
    }
    out.line("");
}

/// That everything fails for one reason, and what was said last.
fn tell_one(what: &str, name: &str, failure: &Failure, out: &mut Output) {
    out.line(format_args!(
        "{}  {name}: {what} fails for one reason: {}",
        paint(BAD, "FAIL"),
        failure.reason
    ));
    let rest = failure.details.lines().skip(1);
    let rest: Vec<&str> = rest.filter(|line| line.starts_with("stderr: ")).collect();
    out.block("        ", &rest.join("\n"));
    out.block("        ", &failure.dialogue.join("\n"));
}

fn summary(name: &str, results: &[(&Check, Result)], out: &mut Output) -> bool {
    let count = |is: fn(&Result) -> bool| results.iter().filter(|(_, result)| is(result)).count();
    let bad = count(|result| matches!(result, Result::Bad(_)));
    let counts = [
        (count(|result| matches!(result, Result::Good)), "ok", GOOD),
        (bad, "FAIL", BAD),
        (
            count(|result| matches!(result, Result::Otherwise(_))),
            "of the pool otherwise than the contract",
            ODD,
        ),
        (
            count(|result| matches!(result, Result::NotAsked)),
            "not in `can`",
            FAINT,
        ),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    let counts = counts.map(|(count, word, style)| paint(style, format!("{count} {word}")));
    let counts: Vec<String> = counts.collect();
    out.line("");
    out.line(format_args!("{name}: {}", counts.join(", ")));
    // What the pool is asked beyond hello; of that, what is about tasks, where that was asked.
    let asked = results.iter().skip(1);
    let about_tasks = |check: &Check| !check.case.tasks.is_empty();
    let tasks = asked.clone().any(|(check, _)| about_tasks(check));
    let mut asked = asked.filter(|(check, _)| !tasks || about_tasks(check));
    let good = |(_, result): &(&Check, Result)| matches!(result, Result::Good);
    let any = match results {
        [hello] => good(hello),
        _ => asked.any(good),
    };
    if bad == 0 && !any {
        let mark = paint(BAD, "no pass");
        out.line(format_args!(
            "{mark}: {name}: nothing that was asked of its pool went well, which shows nothing"
        ));
    }
    bad == 0 && any
}

fn checks() -> std::result::Result<Vec<Check>, String> {
    // The comment at the head belongs to the first.
    let texts = CHECKS.split("\n---\n");
    let check = |text: &str| {
        let case = Case::parse("check", text);
        let case = case.map_err(|problems| match problems.first() {
            Some(problem) => problem.render(text, false),
            None => String::new(),
        })?;
        Ok(Check {
            about: case.tags.first().cloned().unwrap_or_default(),
            contract: case.tags.iter().any(|tag| tag == "contract"),
            text: text.to_owned(),
            case,
        })
    };
    texts.map(check).collect()
}

#[cfg(test)]
mod tests {
    use spec_harness::case::ast::Kind;
    use spec_harness::model::{Prediction, predict};

    use super::*;

    #[test]
    fn every_check_is_a_case_and_every_ability_has_one() {
        let checks = checks().unwrap_or_else(|problem| panic!("{problem}"));
        // No program asks for a pid or lets go of a handle, and timers are asked for by the adapter.
        let asked = |ability: &&str| !["pid", "drop_handle", "timers"].contains(ability);
        for ability in protocol::abilities().map(|(name, _)| name).filter(asked) {
            let needs = |check: &Check| replay::needs(&check.case).contains(ability);
            assert!(checks.iter().any(needs), "{ability}");
        }
    }

    #[test]
    fn every_check_holds_on_the_model() {
        for check in checks().unwrap_or_else(|problem| panic!("{problem}")) {
            for kind in [Kind::Thread, Kind::Process] {
                if let Prediction::Ran(history) = predict(&check.case, kind) {
                    let verdict = judge::judge(&check.case, kind, &history, None).verdict;
                    assert_eq!(verdict, Verdict::Pass, "{} {kind}", check.case.title);
                }
            }
        }
    }
}
