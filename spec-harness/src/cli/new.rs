//! `new`: a case file to begin with, or the expectation of one that has none, for its author to read.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use spec_harness::case::ast::Case;
use spec_harness::update;

use super::output::{GOOD, Output, paint};
use super::select::{self, Bad, Chosen};
use super::suite::Suite;
use super::{ExitStatus, NewArgs, Refusal, check};

/// The program of a new case.
const SKELETON: &str = "tasks:
  func(i):
    - sleep: 1
    - print: \"{i} at {clock}\"
    - return: i * i
main:
  - pool: 2
  - map: func
    over: range(4)
    as: squares
  - print: \"{squares}\"
  - close
  - join
";

pub(super) fn new(args: &NewArgs, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let path = args.path.as_path();
    let shown = path.display();
    if !select::is_path(path) {
        return Err(format!("{shown}: a case file ends with .yaml or .yml"));
    }
    let there = path
        .try_exists()
        .map_err(|error| format!("{shown}: {error}"))?;
    if there && !args.force {
        if args.from.is_some() || args.title.is_some() {
            return Err(format!("{shown} is there already; --force writes it anew"));
        }
        return match select::from_file(path)? {
            Ok(chosen) => complete(path, &chosen, out),
            Err(bad) => Ok(check::show(&[bad], out)),
        };
    }
    let text = match &args.from {
        Some(from) => match program_of(from)? {
            Ok(text) => text,
            Err(bad) => return Ok(check::show(&[bad], out)),
        },
        None => SKELETON.to_owned(),
    };
    let title = args.title.clone().unwrap_or_else(|| title(path));
    let text = format!("spec: 1\ntitle: {}\n{text}", update::scalar(&title));
    let name = select::name(path);
    let case = match Case::parse(&name, &text) {
        Ok(case) => case,
        Err(problems) => return Ok(check::show(&[Bad { problems, text }], out)),
    };
    let (text, problems) = match update::prefilled(&case, &text, true) {
        Ok(text) => (text, Vec::new()),
        Err((_, problems)) => (text, problems),
    };
    write(path, &text)?;
    out.line(format_args!("{}: {shown}", paint(GOOD, "written")));
    if problems.is_empty() {
        out.line("what it expects is what the model predicts: read it, and make it yours");
        if Suite::of(path).is_some() {
            out.line(format_args!(
                "`spec-harness accept {shown}` then writes what its suite keeps of it"
            ));
        }
        return Ok(ExitStatus::Success);
    }
    out.line("it expects nothing yet, for the model refuses its program:");
    Ok(refused(&shown.to_string(), problems, text, out))
}

/// Fills in the expectation of a file that has none.
fn complete(path: &Path, chosen: &Chosen, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let file = &chosen.file;
    if !update::expects_nothing(&chosen.case) {
        return Err(format!(
            "{file} is there and says what it expects; `accept` brings that up to date, --force writes the file anew"
        ));
    }
    match update::prefilled(&chosen.case, &chosen.text, true) {
        Ok(text) => {
            write(path, &text)?;
            out.line(format_args!("{}: {file}", paint(GOOD, "filled in")));
            super::diff::show(&chosen.text, &text, out);
            out.line("this is what the model predicts: read it, and strike out the remark if it is what you mean");
            Ok(ExitStatus::Success)
        }
        Err((text, problems)) => Ok(refused(file, problems, text, out)),
    }
}

fn refused(
    file: &str,
    mut problems: Vec<spec_harness::case::Diagnostic>,
    text: String,
    out: &mut Output,
) -> ExitStatus {
    for problem in &mut problems {
        file.clone_into(&mut problem.file);
    }
    check::show(&[Bad { problems, text }], out)
}

/// The functions and the program of another case, as they are written there.
fn program_of(from: &str) -> Result<Result<String, Bad>, Refusal> {
    let chosen = match select::one(from)? {
        Ok(chosen) => chosen,
        Err(bad) => return Ok(Err(bad)),
    };
    Ok(Ok(update::program(&chosen.text)))
}

/// What the name of a file says: `get-waits.yaml` is about "get waits".
fn title(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let title = stem.replace(['-', '_'], " ").trim().to_owned();
    if title.is_empty() {
        "what it shows".to_owned()
    } else {
        title
    }
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Refusal> {
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    // Through a link it is the file behind it that is meant.
    let path: PathBuf = match std::fs::canonicalize(path) {
        Ok(path) => path,
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(wrong(error)),
    };
    let beside = path.with_extension(format!("yaml.{}", std::process::id()));
    let written = std::fs::write(&beside, text)
        .and_then(|()| match std::fs::metadata(&path) {
            Ok(old) => std::fs::set_permissions(&beside, old.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| std::fs::rename(&beside, &path));
    written.map_err(|error| {
        // Whether it is there or not: what matters is what went wrong before.
        let _ = std::fs::remove_file(&beside);
        wrong(error)
    })
}
