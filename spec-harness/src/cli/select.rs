//! Which cases are meant: built-in ones by parts of their names, files by their paths.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use spec_harness::case::ast::{Case, Kind};
use spec_harness::case::suggest::did_you_mean;
use spec_harness::case::{Diagnostic, MAX_BYTES};
use spec_harness::contract::Contract;
use spec_harness::judge::transcript;

use super::{Refusal, Selection};

/// A case and the text that its places refer to.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) case: Case,
    /// The file as it is shown: a path, or the name of a built-in one.
    pub(super) file: String,
    pub(super) text: String,
    /// What `run` takes to mean this case: a path, or with `--exact` the name of a built-in one.
    pub(super) argument: String,
    /// A built-in case has a transcript on record.
    built_in: bool,
}

impl Chosen {
    /// Whether it is no file but one of the cases inside.
    pub(super) fn built_in(&self) -> bool {
        self.built_in
    }

    /// The transcript on record for workers of this kind.
    pub(super) fn record(&self, kind: Kind) -> Option<&'static str> {
        self.built_in
            .then(|| transcript::recorded(&self.case, kind))
            .flatten()
    }
}

/// A case file that is not in order.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) problems: Vec<Diagnostic>,
    pub(super) text: String,
}

/// The selected cases; or those that are not in order.
pub(super) fn select(selection: &Selection) -> Result<Result<Vec<Chosen>, Vec<Bad>>, Refusal> {
    let (paths, filters): (Vec<&String>, Vec<&String>) = selection
        .filters
        .iter()
        .partition(|filter| is_path(Path::new(filter)) || is_folder(filter));
    let mut read = Vec::new();
    for path in &paths {
        for file in files_of(Path::new(path))? {
            read.push(from_file(&file)?);
        }
    }
    if paths.is_empty() || !filters.is_empty() {
        let named = |name: &str| {
            filters.is_empty()
                || filters.iter().any(|filter| {
                    if selection.exact {
                        name == filter.as_str()
                    } else {
                        name.contains(filter.as_str())
                    }
                })
        };
        let built_in = spec_cases::CASES.iter().filter(|(name, _)| named(name));
        read.extend(built_in.map(|(name, text)| built_in_case(name, text)));
    }
    let contract = match selection.row.as_slice() {
        [] => None,
        _ => Some(Contract::ours()?),
    };
    let is_row = |name: &String| {
        let mut rows = contract.iter().flat_map(Contract::rows);
        rows.any(|row| row.name == *name)
    };
    if let Some(row) = selection.row.iter().find(|row| !is_row(row)) {
        let rows = contract.iter().flat_map(Contract::rows);
        let help = did_you_mean(row, rows.map(|row| row.name.as_str()));
        let help = help.map_or(String::new(), |help| format!("; {help}"));
        return Err(format!("`{row}` is no row of the contract{help}"));
    }
    let (mut chosen, mut bad) = (Vec::new(), Vec::new());
    for result in read {
        match result {
            Ok(case) if wanted(&case.case, selection) => chosen.push(case),
            Ok(_) => {}
            Err(problems) => bad.push(problems),
        }
    }
    if !bad.is_empty() {
        return Ok(Err(bad));
    }
    if chosen.is_empty() {
        return Err(nothing(selection));
    }
    Ok(Ok(chosen))
}

fn wanted(case: &Case, selection: &Selection) -> bool {
    let tagged =
        selection.tag.is_empty() || selection.tag.iter().any(|tag| case.tags.contains(tag));
    let source = case
        .source
        .as_ref()
        .map_or("", |source| source.value.as_str());
    let from = |wanted: &String| source == wanted || source.split('#').any(|part| part == wanted);
    let shows = |row: &String| case.covers.iter().any(|covered| covered.value == *row);
    let shown = selection.row.is_empty() || selection.row.iter().any(shows);
    tagged && shown && (selection.source.is_empty() || selection.source.iter().any(from))
}

fn nothing(selection: &Selection) -> Refusal {
    let mut asked = selection.filters.clone();
    asked.extend(selection.tag.iter().map(|tag| format!("--tag {tag}")));
    asked.extend(
        selection
            .source
            .iter()
            .map(|source| format!("--source {source}")),
    );
    asked.extend(selection.row.iter().map(|row| format!("--row {row}")));
    let text = format!("no case matches {}", asked.join(" "));
    let names = || spec_cases::CASES.iter().map(|(name, _)| *name);
    let last = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
    // What is a part of some name is no slip.
    let unknown = |filter: &&String| !names().any(|name| name.contains(filter.as_str()));
    let help = selection.filters.iter().filter(unknown).find_map(|filter| {
        did_you_mean(filter, names()).or_else(|| did_you_mean(filter, names().map(last)))
    });
    let file = selection.filters.iter().find_map(|filter| {
        let file = format!("{filter}.yaml");
        let there = Path::new(&file).is_file();
        there.then(|| format!("the file is called `{file}`"))
    });
    let help = file.or(help).or_else(|| tag_or_source(selection));
    help.map_or(text.clone(), |help| format!("{text}; {help}"))
}

/// The tag or the source that was meant by one that no built-in case has.
fn tag_or_source(selection: &Selection) -> Option<String> {
    let cases = || {
        let cases = spec_cases::CASES.iter();
        cases.filter_map(|(name, text)| Case::parse(name, text).ok())
    };
    let tags: BTreeSet<String> = cases().flat_map(|case| case.tags).collect();
    let sources: BTreeSet<String> = cases()
        .filter_map(|case| case.source)
        .flat_map(|source| {
            let parts: Vec<String> = source.value.split('#').map(str::to_owned).collect();
            parts.into_iter().chain([source.value])
        })
        .collect();
    let meant = |asked: &[String], all: &BTreeSet<String>| {
        let unknown = asked.iter().find(|word| !all.contains(*word))?;
        did_you_mean(unknown, all.iter().map(String::as_str))
    };
    meant(&selection.tag, &tags).or_else(|| meant(&selection.source, &sources))
}

/// What ends like a case file is one.
pub(super) fn is_path(path: &Path) -> bool {
    let ending = path.extension();
    ending.is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// Whether a folder is meant, and not a part of the names of built-in cases.
fn is_folder(filter: &str) -> bool {
    let is_name = spec_cases::CASES
        .iter()
        .any(|(name, _)| name.contains(filter));
    Path::new(filter).is_dir() && (!is_name || filter.starts_with('.'))
}

/// The case files that a path means: the file, or all that lie in the folder and those below it, in the order of their names.
pub(super) fn files_of(path: &Path) -> Result<Vec<PathBuf>, Refusal> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files = spec_harness::case::files::below(path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    match files.is_empty() {
        true => Err(format!(
            "there is no case file in the folder {}",
            path.display()
        )),
        false => Ok(files),
    }
}

fn built_in_case(name: &str, text: &str) -> Result<Chosen, Bad> {
    match Case::parse(name, text) {
        Ok(case) => Ok(Chosen {
            file: format!("{name}.yaml"),
            text: text.to_owned(),
            argument: name.to_owned(),
            built_in: true,
            case,
        }),
        Err(problems) => Err(Bad {
            problems,
            text: text.to_owned(),
        }),
    }
}

/// Reads a case file.
pub(super) fn from_file(path: &Path) -> Result<Result<Chosen, Bad>, Refusal> {
    let shown = path.display().to_string();
    // One byte more than a case may have says that it is too large, however much there is.
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| not_read(path, &error))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match Case::parse_bytes(&name(path), &bytes) {
        Ok(case) => Ok(Chosen {
            case,
            argument: shown.clone(),
            file: shown,
            text,
            built_in: false,
        }),
        Err(mut problems) => {
            for problem in &mut problems {
                problem.file.clone_from(&shown);
            }
            Err(Bad { problems, text })
        }
    })
}

/// The file that is meant: in a checkout, a case of the collection by its name as well.
pub(super) fn file_of(named: &Path) -> PathBuf {
    let name = named.display();
    let of_the_collection = PathBuf::from(format!("spec-cases/cases/{name}.yaml"));
    if !is_path(named) && of_the_collection.is_file() {
        of_the_collection
    } else {
        named.to_owned()
    }
}

/// Why there is nothing to read, and what was meant.
fn not_read(path: &Path, error: &io::Error) -> Refusal {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => {}
        io::ErrorKind::IsADirectory => {
            return format!(
                "{shown} is a folder, not a case file: name the files in it, as {shown}/*.yaml"
            );
        }
        _ => return format!("{shown}: {error}"),
    }
    let message = format!("there is no file {shown}");
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let names: Vec<String> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| is_path(Path::new(name)))
        .collect();
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    match did_you_mean(&wanted, names.iter().map(String::as_str)) {
        Some(help) => format!("{message}; {help}"),
        None => message,
    }
}

/// The one case that is meant: a file by its path, a built-in one by its name, the last part of it, or any part that no
/// other has.
pub(super) fn one(name: &str) -> Result<Result<Chosen, Bad>, Refusal> {
    if is_path(Path::new(name)) {
        return from_file(Path::new(name));
    }
    let last = |case: &Chosen| case.case.name.rsplit('/').next() == Some(name);
    let selection = Selection {
        filters: vec![name.to_owned()],
        ..Selection::all()
    };
    let mut cases = match select(&selection)? {
        Ok(cases) => cases,
        Err(mut bad) => return Ok(Err(bad.remove(0))),
    };
    let whole = cases.iter().position(|case| case.case.name == *name);
    let whole = whole.or_else(|| cases.iter().position(last));
    if let Some(index) = whole.or((cases.len() == 1).then_some(0)) {
        return Ok(Ok(cases.swap_remove(index)));
    }
    let names: Vec<&str> = cases.iter().map(|case| case.case.name.as_str()).collect();
    let (shown, more) = match names.split_at_checked(5) {
        Some((shown, [_, ..])) => (shown, ", ..."),
        _ => (names.as_slice(), ""),
    };
    Err(format!(
        "{} cases match {name}: {}{more}",
        names.len(),
        shown.join(", ")
    ))
}

/// The name of the case in a file: below a folder `cases` its path, elsewhere the file's name.
pub(super) fn name(path: &Path) -> String {
    let whole = std::path::absolute(path);
    let path = whole.as_deref().unwrap_or(path).with_extension("");
    let parts: Vec<String> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let start = parts
        .iter()
        .rposition(|part| part == "cases")
        .map(|index| index + 1);
    let start = start.filter(|start| *start < parts.len());
    parts[start.unwrap_or(parts.len().saturating_sub(1))..].join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_below_cases_has_the_name_of_a_built_in_case() {
        assert_eq!(
            name(Path::new("spec-cases/cases/tutorial/S004-1.yaml")),
            "tutorial/S004-1"
        );
        assert_eq!(name(Path::new("/tmp/mine.yaml")), "mine");
        assert_eq!(name(Path::new("cases")), "cases");
    }
}
