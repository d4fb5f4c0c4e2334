//! `accept`: what was seen becomes what a case file expects, when everybody has seen the same, and what its suite keeps
//! of it.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use spec_harness::case::Diagnostic;
use spec_harness::case::ast::{Case, Expect, Kind};
use spec_harness::judge::Verdict;
use spec_harness::judge::report::{self, Source};
use spec_harness::model;
use spec_harness::replay::{self, Limits, Runner};
use spec_harness::target;
use spec_harness::update;

use super::output::{BAD, GOOD, ODD, Output, paint};
use super::select::{self, Bad, Chosen};
use super::suite::{Change, Suite};
use super::{AcceptArgs, ExitStatus, Refusal, check, diff, new, run};

pub(super) fn accept(args: &AcceptArgs, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let mut chosen = Vec::new();
    for file in &args.files {
        let file = select::file_of(file);
        match select::from_file(&file)? {
            Ok(case) => chosen.push((file, case)),
            Err(bad) => return Ok(check::show(&[bad], out)),
        }
    }
    if !args.model {
        replay::get_ready()?;
    }
    let mut all = ExitStatus::Success;
    for (path, chosen) in &chosen {
        if one(args, path, chosen, out)? != ExitStatus::Success {
            all = ExitStatus::Failure;
        }
    }
    Ok(all)
}

fn one(
    args: &AcceptArgs,
    path: &Path,
    chosen: &Chosen,
    out: &mut Output,
) -> Result<ExitStatus, Refusal> {
    let (file, case, old) = (&chosen.file, &chosen.case, &chosen.text);
    let refuse = |why: &str, out: &mut Output| {
        out.line(format_args!(
            "{}: {file}: {why}",
            paint(BAD, "not accepted")
        ));
        ExitStatus::Failure
    };
    let (updated, stepped) = update::update_steps(case, old);
    let bare = update::without_expectation(&updated);
    let mut problems = model::review(&bare);
    // What `schedules` says is held against what is expected: that is judged at the end.
    problems.retain(|problem| !is_claimed(&updated, problem));
    if !problems.is_empty() {
        refuse("something else than its expectation is wrong", out);
        return Ok(shown(chosen, problems, old.clone(), out));
    }
    if !args.model && !agreed(args, &bare, chosen, out)? {
        return Ok(ExitStatus::Failure);
    }
    let new = match brought_up(&case.name, &stepped) {
        Ok(new) => new,
        Err((text, problems)) => return Ok(shown(chosen, problems, text, out)),
    };
    let problems = update::reviewed(&case.name, &new);
    let after = Case::parse(&case.name, &new);
    let claimed = |problem: &Diagnostic| {
        let after = after.as_ref();
        after.is_ok_and(|after| is_claimed(after, problem))
    };
    if !problems.iter().all(claimed) {
        out.line(file);
        diff::show(old, &new, out);
        refuse("so changed, it would not be in order", out);
        return Ok(shown(chosen, problems, new, out));
    }
    let mut changes = Vec::new();
    if new != *old {
        changes.push(Change {
            path: path.to_owned(),
            old: Some(old.clone()),
            new: Some(new.clone()),
        });
    }
    let mut left = Vec::new();
    if let (Some(suite), Ok(after), true) = (Suite::of(path), &after, problems.is_empty()) {
        let runner = (!args.model).then(|| runner(args));
        let kept = suite.kept(after, &new, file, runner.as_ref())?;
        changes.extend(kept.changes);
        left = kept.left;
    }
    if changes.is_empty() && problems.is_empty() && left.is_empty() {
        out.line(format_args!(
            "{}: {file} is as it was seen",
            paint(GOOD, "ok")
        ));
        return Ok(ExitStatus::Success);
    }
    let written = changes.is_empty() || written(args, path, &changes, out)?;
    if new != *old && expects(&updated).any(|expect| !expect.claims.is_empty()) {
        out.line("`claims` stay as they are: whether what a document says is so, people judge");
    }
    for left in &left {
        let mut lines = left.lines();
        let first = lines.next().unwrap_or_default();
        out.line(format_args!("{}: {first}", paint(ODD, "left to you")));
        out.block("  ", &lines.collect::<Vec<_>>().join("\n"));
    }
    if !problems.is_empty() {
        out.line(format_args!(
            "{}: `order` and `schedules` say what the case is for, and do not hold any more: they are yours to change",
            paint(ODD, "left to you")
        ));
        return Ok(shown(chosen, problems, new, out));
    }
    Ok(if written && left.is_empty() {
        ExitStatus::Success
    } else {
        ExitStatus::Failure
    })
}

/// Shows what is to be changed, and changes it where somebody says so; whether that was done.
fn written(
    args: &AcceptArgs,
    path: &Path,
    changes: &[Change],
    out: &mut Output,
) -> Result<bool, Refusal> {
    let file = path.display();
    for change in changes {
        let shown = change.path.display();
        let is_record = change
            .path
            .extension()
            .is_some_and(|ending| ending == "jsonl");
        match (&change.old, &change.new) {
            // A record is for programs to read.
            (Some(old), Some(new)) if !is_record => {
                out.line(shown);
                diff::show(old, new, out);
            }
            (Some(_), Some(_)) => out.line(format_args!("anew: {shown}")),
            (None, _) => out.line(format_args!("new: {shown}")),
            (_, None) => out.line(format_args!("goes: {shown}")),
        }
    }
    if args.dry_run {
        let mark = paint(ODD, "dry run");
        out.line(format_args!("{mark}: {file} would be changed"));
        return Ok(false);
    }
    if !args.yes && !asked(changes, out)? {
        out.line(format_args!(
            "{}: {file} stays as it is; --yes writes it",
            paint(ODD, "not accepted")
        ));
        return Ok(false);
    }
    for Change { path, new, .. } in changes {
        match new {
            Some(new) => new::write(path, new)?,
            None => std::fs::remove_file(path)
                .map_err(|error| format!("{}: {error}", path.display()))?,
        }
    }
    out.line(format_args!("{}: {file}", paint(GOOD, "accepted")));
    Ok(true)
}

/// A text with its expectation as the model has it.
fn brought_up(name: &str, text: &str) -> Result<String, (String, Vec<Diagnostic>)> {
    let case = Case::parse(name, text).map_err(|problems| (text.to_owned(), problems))?;
    if update::expects_nothing(&case) {
        return update::prefilled(&case, text, false);
    }
    let new = update::update(&case, text, &update::predicted(&case));
    Ok(update::read(&new))
}

/// Whether a problem is with what only the author can say: orders, and that schedules differ.
fn is_claimed(case: &Case, problem: &Diagnostic) -> bool {
    expects(case).any(|expect| {
        let orders = expect.order.iter().map(|order| order.text.span);
        let mut spans = orders.chain(expect.schedules.iter().map(|schedules| schedules.span));
        spans.any(|span| span == problem.span)
    })
}

/// What is expected on every kind of worker, and on one.
fn expects(case: &Case) -> impl Iterator<Item = &Expect> {
    [&case.expect]
        .into_iter()
        .chain(case.on.iter().map(|(_, expect)| expect))
}

fn runner(args: &AcceptArgs) -> Runner {
    Runner {
        limits: Limits {
            silence: args.patience,
            ..Limits::default()
        },
    }
}

/// Whether our pools do what the model predicts, on each kind of worker that the case is for.
fn agreed(
    args: &AcceptArgs,
    bare: &Case,
    chosen: &Chosen,
    out: &mut Output,
) -> Result<bool, Refusal> {
    let (program, runner) = (run::program()?, runner(args));
    let mut all = true;
    for kind in [Kind::Thread, Kind::Process] {
        let verdict = target::ours(&program, kind)
            .try_case(&runner, bare, None)
            .verdict;
        let mut failure = String::new();
        let why = match verdict {
            Verdict::Pass | Verdict::NotApplicable(_) => continue,
            Verdict::Fail(reasons) => {
                let source = Source {
                    file: &chosen.file,
                    text: &chosen.text,
                };
                failure = report::failure(&reasons, source);
                String::new()
            }
            Verdict::Unknown(why) | Verdict::NotHere(why) => format!(": {why}"),
            Verdict::ExpectedFailure(failure) => format!(": {}", failure.id),
            Verdict::Without { .. } => ": it declines a part of the contract".to_owned(),
        };
        let mark = paint(BAD, "not accepted");
        out.line(format_args!(
            "{mark}: {}: on {kind} workers{why}",
            chosen.file
        ));
        out.block("  ", &failure);
        all = false;
    }
    Ok(all)
}

fn shown(
    chosen: &Chosen,
    mut problems: Vec<Diagnostic>,
    text: String,
    out: &mut Output,
) -> ExitStatus {
    for problem in &mut problems {
        problem.file.clone_from(&chosen.file);
    }
    check::show(&[Bad { problems, text }], out);
    ExitStatus::Failure
}

/// Whether somebody at a terminal says yes.
fn asked(changes: &[Change], out: &mut Output) -> Result<bool, Refusal> {
    if !io::stdin().is_terminal() || out.closed() {
        return Ok(false);
    }
    let wrong = |error: io::Error| format!("the answer cannot be read: {error}");
    let mut err = anstream::stderr();
    let files = match changes {
        [change] => change.path.display().to_string(),
        _ => format!("these {} files", changes.len()),
    };
    write!(err, "write {files}? [y/N] ")
        .and_then(|()| err.flush())
        .map_err(wrong)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(wrong)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
