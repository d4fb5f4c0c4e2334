//! The documents that cases are taken from: what they are, and whether the cases are their programs.

mod play;
mod program;
mod record;
pub(super) mod sources;

use std::path::Path;

use spec_harness::case::ast::Case;

use self::play::{Events, Played, play};
use self::record::Record;
use self::sources::{Document, Example};
use super::output::{BAD, GOOD, ODD, Output, paint};
use super::{Came, Refusal};

/// Compares everything that is known of the documents with the documents in a folder, and runs their programs.
/// With a file, writes there that each did what its case does; without one, compares with what is on record.
pub(super) fn check(
    folder: &Path,
    write: Option<&Path>,
    out: &mut Output,
) -> Result<Came, Refusal> {
    let record = match write {
        Some(_) => None,
        None => Some(record::recorded()?),
    };
    let mut checked = Checked {
        record,
        ..Checked::default()
    };
    for document in sources::documents()? {
        out.line(format_args!("{}: {}", document.file, document.title));
        match read(folder, &document) {
            Ok(text) => {
                for example in &document.examples {
                    let compared = compare(&document, example, &text)?;
                    checked.note(example, compared, out);
                }
            }
            Err(why) => {
                out.line(format_args!("  {}: {why}", paint(BAD, "not compared")));
                checked.wrong += 1;
            }
        }
    }
    let Checked {
        python,
        same,
        wrong,
        ..
    } = checked;
    let programs = if same.len() == 1 {
        "program does"
    } else {
        "programs do"
    };
    out.line(format_args!("{} {programs} what the cases do", same.len()));
    if wrong > 0 {
        return Ok(Came::Wrong);
    }
    if let Some(file) = write {
        record::write(file, &python, &same)?;
    }
    Ok(Came::Well)
}

/// What the comparison has come to so far.
#[derive(Debug, Default)]
struct Checked {
    record: Option<Record>,
    python: String,
    same: Vec<(String, Events)>,
    wrong: usize,
}

impl Checked {
    fn note(&mut self, example: &Example, compared: Compared, out: &mut Output) {
        let id = format!("{:<24}", example.id);
        match compared {
            Compared::Same(Played { python, events, .. }) => {
                let count = events.count();
                let record = self.record.as_ref();
                let noted = record.is_none_or(|record| record.has(&example.id, &events));
                let (word, rest) = if noted {
                    (paint(GOOD, "same"), "")
                } else {
                    self.wrong += 1;
                    (paint(ODD, "same"), ", not on record: see `--record`")
                };
                out.line(format_args!("  {id}  {word}, {count} events{rest}"));
                self.python = python;
                self.same.push((example.id.clone(), events));
            }
            Compared::NotRun => {
                let word = paint(ODD, "not run");
                out.line(format_args!("  {id}  {word}: python3 is not here"));
                self.wrong += 1;
            }
            Compared::Differs(how) => {
                out.line(format_args!("  {id}  {}", paint(BAD, "DIFFERS")));
                out.block("    ", &how);
                self.wrong += 1;
            }
        }
    }
}

/// The text of a document, if it is the one that is known.
fn read(folder: &Path, document: &Document) -> Result<String, String> {
    let path = folder.join(&document.file);
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let digest = play::hex(&bytes);
    if digest != document.sha256 {
        return Err(format!(
            "it is not the one that is known: its sha256 is {digest}"
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    let last = text.lines().count();
    let claims = document.claims.iter().flat_map(|claimed| &claimed.lines);
    let examples = document
        .examples
        .iter()
        .flat_map(|example| [&example.lines.0, &example.lines.1]);
    match claims
        .chain(examples)
        .find(|line| !(1..=last).contains(*line))
    {
        Some(line) => Err(format!("it has {last} lines, and no line {line}")),
        None => Ok(text),
    }
}

/// What the comparison of one program came to.
enum Compared {
    Same(Played),
    Differs(String),
    NotRun,
}

fn compare(document: &Document, example: &Example, text: &str) -> Result<Compared, Refusal> {
    let name = example.case();
    let case = spec_cases::CASES.iter().find(|(known, _)| *known == name);
    let case = case.and_then(|(name, text)| Case::parse(name, text).ok());
    let case = case
        .ok_or_else(|| format!("{name} is no case, or not in order: see `spec-harness check`"))?;
    let expected = Events::of_case(&case, example.kind)?;
    let program = match program::program(document, example, text) {
        Ok(program) => program,
        Err(why) => return Ok(Compared::Differs(why)),
    };
    if let Some(text) = example
        .prints
        .iter()
        .find(|text| !program.contains(&text.replace('\n', "\\n")))
    {
        return Ok(Compared::Differs(format!("it does not print {text:?}")));
    }
    Ok(match play(&example.id, &program, example.busy) {
        Err(why) => Compared::Differs(why),
        Ok(None) => Compared::NotRun,
        Ok(Some(played)) => match played.differs(example, &expected) {
            Some(how) => Compared::Differs(how),
            None => Compared::Same(played),
        },
    })
}
