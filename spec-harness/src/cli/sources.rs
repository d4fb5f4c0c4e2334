//! What is known of the documents: `sources.yaml`, read.

use serde::Deserialize;

use super::Refusal;

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
pub(super) struct Document {
    /// As the sources of cases name it: `004`.
    pub(super) id: String,
    /// The name of its file.
    pub(super) file: String,
    /// What it is about, in our words.
    pub(super) title: String,
    /// Where it claims what.
    pub(super) claims: Vec<Claimed>,
    /// Its programs.
    pub(super) examples: Vec<Example>,
}

/// Where a document makes a claim.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claimed {
    /// The claim's number.
    pub(super) claim: u32,
    /// Its lines.
    pub(super) lines: Vec<usize>,
}

/// A program of a document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    /// `S004-1`, which is also the name of its case.
    pub(super) id: String,
    /// What it uses, in our words.
    #[expect(dead_code, reason = "for those who read the file")]
    title: String,
    /// First and last line of it, counted from one.
    #[expect(dead_code, reason = "for those who read the file")]
    lines: (usize, usize),
    /// Numbers of the claims that its case judges, in the order of the case.
    #[serde(default)]
    pub(super) claims: Vec<u32>,
}

impl Example {
    /// The name of its case.
    pub(super) fn case(&self) -> String {
        format!("tutorial/{}", self.id)
    }
}

/// The documents that cases are taken from.
///
/// # Errors
/// The file that tells of them is not in order.
pub(super) fn documents() -> Result<Vec<Document>, Refusal> {
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
