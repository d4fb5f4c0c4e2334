//! `accept`: what was seen becomes what a case file expects, when everybody has seen the same.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use spec_harness::author;
use spec_harness::case::Diagnostic;
use spec_harness::case::ast::{Case, Kind};
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
        replay::get_ready()?;
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
    let (settled, stepped) = author::settled(case, old);
    let bare = author::without_expectation(&settled);
    let mut problems = model::review(&bare);
    // What `ties` says is held against what is expected: that is judged at the end.
    problems.retain(|problem| !is_claimed(&settled, problem));
    if !problems.is_empty() {
        refuse("something else than its expectation is wrong", out);
        return Ok(shown(chosen, problems, old.clone(), out));
    }
    if !args.model && !agreed(args, &bare, chosen, out)? {
        return Ok(Came::Wrong);
    }
    let new = match brought_up(&case.name, &stepped) {
        Ok(new) => new,
        Err((text, problems)) => return Ok(shown(chosen, problems, text, out)),
    };
    let problems = author::reviewed(&case.name, &new);
    if new == *old && problems.is_empty() {
        out.line(format_args!(
            "{}: {file} is as it was seen",
            paint(GOOD, "ok")
        ));
        return Ok(Came::Well);
    }
    if new != *old {
        out.line(file);
        diff::show(old, &new, out);
    }
    let after = Case::parse(&case.name, &new);
    let claimed = |problem: &Diagnostic| {
        let after = after.as_ref();
        after.is_ok_and(|after| is_claimed(after, problem))
    };
    if !problems.iter().all(claimed) {
        refuse("so changed, it would not be in order", out);
        return Ok(shown(chosen, problems, new, out));
    }
    if new != *old {
        if args.dry_run {
            out.line(format_args!(
                "{}: {file} would be changed",
                paint(ODD, "dry run")
            ));
        } else if args.yes || asked(file, out)? {
            new::write(path, &new)?;
            out.line(format_args!("{}: {file}", paint(GOOD, "accepted")));
        } else {
            out.line(format_args!(
                "{}: {file} stays as it is; --yes writes it",
                paint(ODD, "not accepted")
            ));
            return Ok(Came::Wrong);
        }
        if has_claims(&settled) {
            out.line("`claims` stay as they are: whether what a document says is so, people judge");
        }
    }
    if !problems.is_empty() {
        out.line(format_args!(
            "{}: `order` and `ties` say what the case is for, and do not hold any more: they are yours to change",
            paint(ODD, "left to you")
        ));
        return Ok(shown(chosen, problems, new, out));
    }
    Ok(if args.dry_run {
        Came::Wrong
    } else {
        Came::Well
    })
}

/// A text with its expectation as the model has it.
fn brought_up(name: &str, text: &str) -> Result<String, (String, Vec<Diagnostic>)> {
    let case = Case::parse(name, text).map_err(|problems| (text.to_owned(), problems))?;
    if author::expects_nothing(&case) {
        return author::prefilled(&case, text, false);
    }
    let new = author::update(&case, text, &author::predicted(&case));
    Ok(author::read(&new))
}

/// Whether a problem is with what only the author can say: orders, and that there are ties.
fn is_claimed(case: &Case, problem: &Diagnostic) -> bool {
    let mut expects = [&case.expect]
        .into_iter()
        .chain(case.on.iter().map(|(_, expect)| expect));
    expects.any(|expect| {
        let orders = expect.order.iter().map(|order| order.text.span);
        let mut spans = orders.chain(expect.ties.iter().map(|ties| ties.span));
        spans.any(|span| span == problem.span)
    })
}

fn has_claims(case: &Case) -> bool {
    let mut expects = [&case.expect]
        .into_iter()
        .chain(case.on.iter().map(|(_, expect)| expect));
    expects.any(|expect| !expect.claims.is_empty())
}

/// Whether our pools do what the model predicts, on each kind of worker that the case is for.
fn agreed(
    args: &AcceptArgs,
    bare: &Case,
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

fn shown(chosen: &Chosen, mut problems: Vec<Diagnostic>, text: String, out: &mut Output) -> Came {
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
