//! `accept`: what was seen becomes what a case file expects, when everybody has seen the same.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use spec_harness::author;
use spec_harness::case::ast::Kind;
use spec_harness::judge::Verdict;
use spec_harness::judge::report::{self, Source};
use spec_harness::model;
use spec_harness::replay::{self, Limits, Runner};
use spec_harness::target;

use super::output::{BAD, GOOD, ODD, Output, paint};
use super::select::{self, Bad, Chosen};
use super::{AcceptArgs, Came, Refusal, check, diff, new, run};

pub(super) fn accept(args: &AcceptArgs, out: &mut Output) -> Result<Came, Refusal> {
    let mut chosen = Vec::new();
    for file in &args.files {
        match select::from_file(file)? {
            Ok(case) => chosen.push((file.as_path(), case)),
            Err(bad) => return Ok(check::show(&[bad], out)),
        }
    }
    if !args.model {
        replay::catch_signals().map_err(|error| format!("signals cannot be caught: {error}"))?;
    }
    let mut all = Came::Well;
    for (path, chosen) in &chosen {
        if one(args, path, chosen, out)? != Came::Well {
            all = Came::Wrong;
        }
    }
    Ok(all)
}

fn one(args: &AcceptArgs, path: &Path, chosen: &Chosen, out: &mut Output) -> Result<Came, Refusal> {
    let (file, case, old) = (&chosen.file, &chosen.case, &chosen.text);
    let refuse = |why: &str, out: &mut Output| {
        out.line(format_args!(
            "{}: {file}: {why}",
            paint(BAD, "not accepted")
        ));
        Came::Wrong
    };
    let bare = author::without_expectation(case);
    let mut problems = model::review(&bare);
    // What `ties` says is held against what is expected: that is judged at the end.
    problems.retain(|problem| {
        case.expect
            .ties
            .as_ref()
            .is_none_or(|ties| ties.span != problem.span)
    });
    if !problems.is_empty() {
        refuse("something else than its expectation is wrong", out);
        return Ok(shown(chosen, problems, old.clone(), out));
    }
    if !args.model && !agreed(args, &bare, chosen, out)? {
        return Ok(Came::Wrong);
    }
    let new = if author::expects_nothing(case) {
        match author::prefilled(case, old, false) {
            Ok(new) => new,
            Err((text, problems)) => return Ok(shown(chosen, problems, text, out)),
        }
    } else {
        author::read(&author::update(case, old, &author::predicted(case)))
    };
    if new == *old {
        out.line(format_args!(
            "{}: {file} is as it was seen",
            paint(GOOD, "ok")
        ));
        return Ok(Came::Well);
    }
    out.line(file);
    diff::show(old, &new, out);
    let problems = author::reviewed(&case.name, &new);
    if !problems.is_empty() {
        refuse(
            "so changed, it would not be in order; the rest is for you to decide",
            out,
        );
        return Ok(shown(chosen, problems, new, out));
    }
    if args.dry_run {
        out.line(format_args!(
            "{}: {file} would be changed",
            paint(ODD, "dry run")
        ));
        return Ok(Came::Wrong);
    }
    if !args.yes && !asked(file, out)? {
        out.line(format_args!(
            "{}: {file} stays as it is; --yes writes it",
            paint(ODD, "not accepted")
        ));
        return Ok(Came::Wrong);
    }
    new::write(path, &new)?;
    out.line(format_args!("{}: {file}", paint(GOOD, "accepted")));
    Ok(Came::Well)
}

/// Whether our pools do what the model predicts, on each kind of worker that the case is for.
fn agreed(
    args: &AcceptArgs,
    bare: &spec_harness::case::ast::Case,
    chosen: &Chosen,
    out: &mut Output,
) -> Result<bool, Refusal> {
    let program = run::program()?;
    let runner = Runner {
        limits: Limits {
            silence: args.patience,
            ..Limits::default()
        },
    };
    let mut all = true;
    for kind in [Kind::Thread, Kind::Process] {
        let why = match target::ours(&program, kind)
            .try_case(&runner, bare, None)
            .verdict
        {
            Verdict::Pass | Verdict::NotApplicable(_) => continue,
            Verdict::Fail(reasons) => {
                let source = Source {
                    file: &chosen.file,
                    text: &chosen.text,
                };
                let mark = paint(BAD, "not accepted");
                out.line(format_args!("{mark}: {}: on {kind} workers", chosen.file));
                out.block("  ", &report::failure(&reasons, source));
                all = false;
                continue;
            }
            Verdict::Unknown(why) | Verdict::NotHere(why) => why,
            Verdict::Known(quirk) => quirk.id,
            Verdict::Without { .. } => "it declines a part of the contract".to_owned(),
        };
        let mark = paint(BAD, "not accepted");
        out.line(format_args!(
            "{mark}: {}: on {kind} workers: {why}",
            chosen.file
        ));
        all = false;
    }
    Ok(all)
}

fn shown(
    chosen: &Chosen,
    mut problems: Vec<spec_harness::case::Diagnostic>,
    text: String,
    out: &mut Output,
) -> Came {
    for problem in &mut problems {
        problem.file.clone_from(&chosen.file);
    }
    check::show(&[Bad { problems, text }], out);
    Came::Wrong
}

/// Whether somebody at a terminal says yes.
fn asked(file: &str, out: &mut Output) -> Result<bool, Refusal> {
    if !io::stdin().is_terminal() || out.closed() {
        return Ok(false);
    }
    let wrong = |error: io::Error| format!("the answer cannot be read: {error}");
    let mut err = anstream::stderr();
    write!(err, "write {file}? [y/N] ")
        .and_then(|()| err.flush())
        .map_err(wrong)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(wrong)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
