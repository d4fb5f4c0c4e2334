//! `list --claims`: what the documents say, and what happens.

use spec_harness::case::ast::{Claim, Truth};

use super::output::{BAD, FAINT, GOOD, ODD, Output, STRONG, paint, wrapped};
use super::report::{ClaimReport, DocumentReport, JudgedClaim};
use super::select::Chosen;
use super::sources::{self, Document};
use super::{ExitStatus, Refusal};

/// Columns that a line may have.
const WIDEST: usize = 100;

/// Shows the claims that the chosen cases judge, document by document, in the order of its lines.
pub(super) fn list(chosen: &[Chosen], out: &mut Output) -> Result<ExitStatus, Refusal> {
    let mut tally = Tally::default();
    for document in sources::documents()? {
        let entries = entries(&document, chosen);
        if entries.is_empty() {
            continue;
        }
        out.line(paint(STRONG, format!("{} {}", document.id, document.title)));
        out.line(paint(FAINT, &document.file));
        for entry in &entries {
            out.line("");
            entry.show(out);
            tally.count(entry);
        }
        out.line("");
    }
    out.line(tally);
    Ok(ExitStatus::Success)
}

/// The same for a report.
pub(super) fn judged(chosen: &[Chosen]) -> Result<Vec<DocumentReport>, Refusal> {
    let documents = sources::documents()?;
    let told = documents.iter().map(|document| DocumentReport {
        id: document.id.clone(),
        title: document.title.clone(),
        claims: entries(document, chosen)
            .iter()
            .map(Entry::reported)
            .collect(),
    });
    Ok(told.collect())
}

/// One claim of a document, with what cases say of it.
struct Entry<'c> {
    lines: Vec<usize>,
    says: &'c str,
    judged: Vec<(&'c Claim, &'c str)>,
}

fn entries<'c>(document: &Document, chosen: &'c [Chosen]) -> Vec<Entry<'c>> {
    let mut entries: Vec<(u32, Entry<'c>)> = Vec::new();
    for example in &document.examples {
        let name = example.case();
        let Some(case) = chosen
            .iter()
            .map(|chosen| &chosen.case)
            .find(|case| case.name == name)
        else {
            continue;
        };
        for (number, claim) in example.claims.iter().zip(&case.expect.claims) {
            let judged = (claim, case.name.as_str());
            let same = |(known, entry): &&mut (u32, Entry<'_>)| {
                known == number && entry.says == claim.says
            };
            match entries.iter_mut().find(same) {
                Some((_, entry)) => entry.judged.push(judged),
                None => {
                    let made = document
                        .claims
                        .iter()
                        .find(|claimed| claimed.claim == *number);
                    let lines = made
                        .map(|claimed| claimed.lines.clone())
                        .unwrap_or_default();
                    entries.push((
                        *number,
                        Entry {
                            lines,
                            says: &claim.says,
                            judged: vec![judged],
                        },
                    ));
                }
            }
        }
    }
    let mut entries: Vec<Entry<'c>> = entries.into_iter().map(|(_, entry)| entry).collect();
    entries.sort_by_key(|entry| entry.lines.first().copied());
    entries
}

/// A verdict on a claim in words.
fn in_words(verdict: Truth) -> &'static str {
    match verdict {
        Truth::True => "yes",
        Truth::Usually => "not always",
        Truth::False => "no",
    }
}

impl Entry<'_> {
    fn reported(&self) -> ClaimReport {
        let judged = self.judged.iter().map(|(claim, case)| JudgedClaim {
            verdict: in_words(claim.verdict).to_owned(),
            why: claim.why.clone(),
            case: (*case).to_owned(),
        });
        ClaimReport {
            says: self.says.to_owned(),
            lines: self.lines.clone(),
            judged: judged.collect(),
        }
    }

    fn show(&self, out: &mut Output) {
        let lines: Vec<String> = self.lines.iter().map(usize::to_string).collect();
        let word = if lines.len() == 1 { "line" } else { "lines" };
        for text in wrapped(
            &format!("\"{}\" ({word} {})", self.says, lines.join(", ")),
            WIDEST - 2,
        ) {
            out.line(format_args!("  {text}"));
        }
        for (claim, case) in &self.judged {
            let word = in_words(claim.verdict);
            let style = match claim.verdict {
                Truth::True => GOOD,
                Truth::Usually => ODD,
                Truth::False => BAD,
            };
            let why = claim
                .why
                .as_ref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default();
            let told = wrapped(&format!("{word}{why} [{case}]"), WIDEST - 4);
            for (index, text) in told.iter().enumerate() {
                let text = match text.strip_prefix(word).filter(|_| index == 0) {
                    Some(rest) => paint(style, word) + rest,
                    None => text.clone(),
                };
                out.line(format_args!("    {text}"));
            }
        }
    }
}

/// How many claims hold, and how many do not.
#[derive(Debug, Default)]
struct Tally {
    so: usize,
    usually: usize,
    not: usize,
}

impl Tally {
    fn count(&mut self, entry: &Entry<'_>) {
        // What one case shows to be wrong is wrong, whatever holds in another.
        let verdict = |wanted| {
            entry
                .judged
                .iter()
                .any(|(claim, _)| claim.verdict == wanted)
        };
        match (verdict(Truth::False), verdict(Truth::Usually)) {
            (true, _) => self.not += 1,
            (false, true) => self.usually += 1,
            (false, false) => self.so += 1,
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tally { so, usually, not } = self;
        let all = so + usually + not;
        let claims = if all == 1 { "claim" } else { "claims" };
        write!(
            f,
            "{all} {claims}: {so} yes, {usually} not always, {not} no"
        )
    }
}
