//! The cases, where they come from, and what was seen when they ran: texts only, no code that knows a pool.
//!
//! Everything is embedded, so that a program which has this crate needs no files beside it.

/// A file's name, its path below its folder without the ending, and its text.
pub type Text = (&'static str, &'static str);

/// Both tables, as the build script found the files.
const TABLES: (&[Text], &[Text], &[Text]) = include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// Every case, sorted by name: `("tutorial/S004-1", "spec: 1\n..")`.
pub const CASES: &[Text] = TABLES.0;

/// The recorded transcripts, sorted by name: a case's own, or `CASE.KIND` where the case differs on that kind of
/// worker. Each begins with the snapshot tool's header, between two lines of `---`.
pub const TRANSCRIPTS: &[Text] = TABLES.1;

/// Runs of other implementations, sorted by name: `("cpython/thread/tutorial/S004-1", "{..")`, a line for each move.
pub const RECORDS: &[Text] = TABLES.2;

/// The documents that cases are taken from: their examples, and where they claim what.
pub const SOURCES_YAML: &str = include_str!("../sources.yaml");

/// The rows of the contract, and which Rust tests show them.
pub const CONTRACT_YAML: &str = include_str!("../contract.yaml");

#[cfg(test)]
mod tests {
    use super::{CASES, SOURCES_YAML, TRANSCRIPTS};

    #[test]
    fn every_case_file_is_embedded_under_its_name() {
        let names: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
        assert!(names.contains(&"tutorial/S004-1"), "{names:?}");
        assert!(names.is_sorted(), "{names:?}");
        assert!(CASES.iter().all(|(_, text)| text.starts_with("spec: 1\n")));
    }

    #[test]
    fn a_case_that_names_an_example_names_one_of_the_sources() {
        for (name, text) in CASES {
            let source = text.lines().find_map(|line| line.strip_prefix("source: "));
            let Some((document, example)) = source.and_then(|source| source.split_once('#')) else {
                continue;
            };
            assert!(
                SOURCES_YAML.contains(&format!("id: \"{document}\"")),
                "{name}: {document}"
            );
            assert!(
                SOURCES_YAML.contains(&format!("id: {example}\n")),
                "{name}: {example}"
            );
        }
    }

    #[test]
    fn a_transcript_belongs_to_a_case() {
        for (name, _) in TRANSCRIPTS {
            let kinds = [".thread", ".process"];
            let case = kinds.iter().find_map(|kind| name.strip_suffix(kind));
            let case = case.unwrap_or(name);
            assert!(CASES.iter().any(|(known, _)| *known == case), "{name}");
        }
    }
}

// The examples of the package's own page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
