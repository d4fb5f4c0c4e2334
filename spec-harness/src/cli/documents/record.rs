//! What the documents' programs did is on record: the documents themselves are not here.

use std::path::Path;

use serde::Deserialize;

use super::play::Events;
use crate::cli::Refusal;

/// The record.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    spec: u32,
    /// The version of Python that ran the programs.
    #[expect(dead_code, reason = "for those who read the file")]
    python: String,
    programs: Vec<Row>,
}

/// One program that did what its case does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    example: String,
    /// How much happened.
    events: usize,
    /// The digest of what happened.
    sha256: String,
}

const HEAD: &str = "\
# The documents' own programs, run on CPython's own pools: each did, event by event, what its case does.
#
# Written by `spec-harness check --documents DIR --record FILE`, which has the documents at hand. Per program: how
# many events there were (lines printed, beginnings and ends of tasks) and the digest of their text. A case that
# does something else by now is no longer the document's program: a test compares.
spec: 1
";

/// The record that comes with the program.
///
/// # Errors
/// It is not in order.
pub(super) fn recorded() -> Result<Record, Refusal> {
    let record: Record = serde_saphyr::from_str(spec_cases::DOCUMENTS_YAML)
        .map_err(|error| format!("documents.yaml: {error}"))?;
    if record.spec != 1 {
        return Err(format!(
            "documents.yaml: version {} is not known",
            record.spec
        ));
    }
    Ok(record)
}

impl Record {
    /// Whether a program that does this is on record under this name.
    pub(super) fn has(&self, example: &str, events: &Events) -> bool {
        let same = |row: &Row| row.events == events.count() && row.sha256 == events.digest();
        self.programs
            .iter()
            .any(|row| row.example == example && same(row))
    }

    /// The examples on record.
    #[cfg(test)]
    fn examples(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|row| row.example.as_str())
    }
}

/// Writes a new record.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(
    file: &Path,
    python: &str,
    programs: &[(String, Events)],
) -> Result<(), Refusal> {
    let rows = programs.iter().map(|(example, events)| {
        let (count, digest) = (events.count(), events.digest());
        format!("  - {{ example: {example}, events: {count}, sha256: {digest} }}\n")
    });
    let text = format!(
        "{HEAD}python: \"{python}\"\nprograms:\n{}",
        rows.collect::<String>()
    );
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use spec_harness::case::ast::Case;

    use super::super::sources;
    use super::*;

    #[test]
    fn every_example_is_on_record_with_what_its_case_does_today() {
        let record = recorded().expect("it is in order");
        let mut examples = Vec::new();
        for document in sources::documents().expect("they are in order") {
            for example in document.examples {
                let name = example.case();
                let text = spec_cases::CASES.iter().find(|(known, _)| *known == name);
                let (_, text) = text.unwrap_or_else(|| panic!("there is no case {name}"));
                let case =
                    Case::parse(&name, text).unwrap_or_else(|_| panic!("{name} is not in order"));
                let events = Events::of_case(&case, example.kind).expect("it is for such workers");
                assert!(
                    record.has(&example.id, &events),
                    "{}: {} events, {}: not as on record",
                    example.id,
                    events.count(),
                    events.digest()
                );
                examples.push(example.id);
            }
        }
        assert_eq!(record.examples().collect::<Vec<_>>(), examples);
    }
}
