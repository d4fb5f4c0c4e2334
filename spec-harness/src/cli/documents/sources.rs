//! What is known of the documents: `sources.yaml`, read.

use serde::Deserialize;

use crate::cli::Refusal;

/// Everything that is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
    spec: u32,
    documents: Vec<Document>,
}

/// A document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Document {
    /// As the sources of cases name it: `004`.
    pub(in crate::cli) id: String,
    /// The name of its file.
    pub(in crate::cli) file: String,
    /// What it is about, in our words.
    pub(in crate::cli) title: String,
    /// Digest of the file, in hexadecimal digits.
    pub(in crate::cli) sha256: String,
    /// What has to be repaired in all of it.
    #[serde(default)]
    pub(in crate::cli) repairs: Vec<Repair>,
    /// Where it claims what.
    pub(in crate::cli) claims: Vec<Claimed>,
    /// Its programs.
    pub(in crate::cli) examples: Vec<Example>,
}

/// Where a document makes a claim.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Claimed {
    /// The claim's number.
    pub(in crate::cli) claim: u32,
    /// Its lines.
    pub(in crate::cli) lines: Vec<usize>,
}

/// First and last line of a part of a document, counted from one.
pub(in crate::cli) type Lines = (usize, usize);

/// A program of a document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Example {
    /// `S004-1`, which is also the name of its case.
    pub(in crate::cli) id: String,
    /// What it uses, in our words.
    #[expect(dead_code, reason = "for those who read the file")]
    title: String,
    /// Where it stands.
    pub(in crate::cli) lines: Lines,
    /// The parts of which its program consists, where these are more than where it stands.
    #[serde(default)]
    pub(in crate::cli) program: Vec<Lines>,
    /// What its workers are.
    pub(in crate::cli) kind: Workers,
    /// The size of each pool; `None` is the default size.
    pub(in crate::cli) sizes: Vec<Option<u32>>,
    /// How many tasks it submits.
    pub(in crate::cli) tasks: u32,
    /// What it prints, as it stands in the program.
    pub(in crate::cli) prints: Vec<String>,
    /// How many turns of a loop count as one unit of work.
    #[serde(default)]
    pub(in crate::cli) busy: Option<u64>,
    /// The error that it ends with.
    #[serde(default)]
    pub(in crate::cli) raises: Option<String>,
    /// What has to be repaired before it runs.
    #[serde(default)]
    pub(in crate::cli) repairs: Vec<Repair>,
    /// Numbers of the claims that its case judges, in the order of the case.
    #[serde(default)]
    pub(in crate::cli) claims: Vec<u32>,
}

impl Example {
    /// The name of its case.
    pub(in crate::cli) fn case(&self) -> String {
        format!("tutorial/{}", self.id)
    }

    /// The parts of which its program consists.
    pub(in crate::cli) fn parts(&self) -> &[Lines] {
        if self.program.is_empty() {
            std::slice::from_ref(&self.lines)
        } else {
            &self.program
        }
    }
}

/// The kinds of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Workers {
    /// Processes, of a pool or bare.
    Process,
    /// Threads.
    Thread,
}

/// A repair; lines are counted in the document.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(in crate::cli) enum Repair {
    /// A line becomes a comment.
    Comment(usize),
    /// A line is no comment any more.
    Uncomment {
        /// The line.
        line: usize,
        /// Its indentation; that of the comment, where nothing is said.
        indent: Option<usize>,
    },
    /// A text becomes another one.
    Replace {
        /// In which line; everywhere, where nothing is said.
        line: Option<usize>,
        /// This text.
        text: String,
        /// Becomes this one.
        by: String,
    },
    /// Something is said before a line.
    Insert {
        /// The line.
        before: usize,
        /// What.
        text: String,
    },
    /// Lines go to the right, or to the left.
    Indent {
        /// Which.
        lines: Lines,
        /// By so many columns.
        by: i32,
    },
}

/// The documents that cases are taken from.
///
/// # Errors
/// The file that tells of them is not in order.
pub(in crate::cli) fn documents() -> Result<Vec<Document>, Refusal> {
    let sources: Sources = serde_saphyr::from_str(spec_cases::SOURCES_YAML)
        .map_err(|error| format!("sources.yaml: {error}"))?;
    if sources.spec != 1 {
        return Err(format!(
            "sources.yaml: version {} is not known",
            sources.spec
        ));
    }
    Ok(sources.documents)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use spec_harness::case::ast::{Case, Truth};

    use super::documents;

    /// Claims of the documents that are not so, or not quite, are counted up to here; the others from here on.
    const LAST_THAT_IS_NOT_SO: u32 = 37;

    #[test]
    fn every_example_has_the_case_of_its_name() {
        let mut examples = BTreeSet::new();
        for document in documents().expect("it is in order") {
            for example in &document.examples {
                let (id, case) = (&example.id, case(&example.case()));
                assert!(examples.insert(id.clone()), "{id} is there twice");
                let source = case.source.expect("a case of an example names it").value;
                assert_eq!(source, format!("{}#{id}", document.id));
                assert!(example.lines.0 <= example.lines.1, "{id}");
            }
        }
        let cases = spec_cases::CASES
            .iter()
            .filter_map(|(name, _)| name.strip_prefix("tutorial/"));
        assert_eq!(examples, cases.map(str::to_owned).collect());
    }

    #[test]
    fn every_claim_is_judged_by_a_case() {
        let mut judged = BTreeSet::new();
        for document in documents().expect("it is in order") {
            let made: BTreeSet<u32> = document
                .claims
                .iter()
                .map(|claimed| claimed.claim)
                .collect();
            assert_eq!(
                made.len(),
                document.claims.len(),
                "{}: a claim is there twice",
                document.id
            );
            let mut here = BTreeSet::new();
            for example in &document.examples {
                let claims = case(&example.case()).expect.claims;
                assert_eq!(claims.len(), example.claims.len(), "{}", example.id);
                for (number, claim) in example.claims.iter().zip(claims) {
                    let so = claim.verdict == Truth::True;
                    assert!(
                        so || claim.why.is_some(),
                        "{}: {}: why?",
                        example.id,
                        claim.says
                    );
                    let not_so = *number <= LAST_THAT_IS_NOT_SO;
                    // One document may show what another one is wrong about.
                    assert!(not_so || so, "{}: {}", example.id, claim.says);
                    here.insert(*number);
                }
            }
            assert_eq!(here, made, "{}", document.id);
            judged.extend(here);
        }
        let all = judged.last().copied().unwrap_or(0);
        assert!(all > LAST_THAT_IS_NOT_SO);
        assert_eq!(judged, (1..=all).collect());
    }

    fn case(name: &str) -> Case {
        let (name, text) = spec_cases::CASES
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("there is no case {name}"));
        Case::parse(name, text).unwrap_or_else(|_| panic!("{name} is not in order"))
    }
}
