//! A report as data. `docs/report.md` says what each field means; a test holds the two together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cli::cell::Word;

/// The version of this form; a field that is added does not change it.
pub(super) const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) harness: String,
    pub(super) command: String,
    pub(super) began: String,
    pub(super) seconds: f64,
    pub(super) machine: Machine,
    pub(super) implementations: Vec<Implementation>,
    pub(super) cases: Vec<CaseReport>,
    pub(super) contract: Vec<RowReport>,
    pub(super) documents: Vec<DocumentReport>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) os: String,
    pub(super) kernel: String,
    pub(super) arch: String,
    pub(super) cpus: usize,
    pub(super) evidence: String,
    pub(super) evidence_says: String,
    pub(super) evidence_remedy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Implementation {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) introduces_itself: Option<String>,
    pub(super) counts: BTreeMap<Word, usize>,
    pub(super) median_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CaseReport {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) source: Option<String>,
    pub(super) covers: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) runs: Vec<RunReport>,
    pub(super) transcripts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RunReport {
    pub(super) on: String,
    pub(super) verdict: Word,
    pub(super) why: Option<String>,
    pub(super) recorded: Option<String>,
    pub(super) drift: Option<String>,
    pub(super) times_ms: Vec<f64>,
    pub(super) reasons: Vec<ReasonReport>,
    pub(super) transcript: Option<usize>,
    pub(super) again: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ReasonReport {
    pub(super) kind: ReasonKind,
    pub(super) text: String,
    pub(super) row: Option<String>,
    pub(super) at: Option<String>,
    pub(super) expected: Vec<String>,
    pub(super) seen: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReasonKind {
    Exit,
    Ending,
    Step,
    Broken,
    Mismatch,
    Transcript,
    Prediction,
    NoLongerDiverges,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RowReport {
    pub(super) row: String,
    pub(super) says: String,
    pub(super) python: String,
    pub(super) cases: Vec<String>,
    pub(super) tests: Vec<String>,
    pub(super) cells: Vec<RowCell>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RowCell {
    pub(super) on: String,
    pub(super) shows: String,
    pub(super) why: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) struct DocumentReport {
    pub(in crate::cli) id: String,
    pub(in crate::cli) title: String,
    pub(in crate::cli) claims: Vec<ClaimReport>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) struct ClaimReport {
    pub(in crate::cli) says: String,
    pub(in crate::cli) lines: Vec<usize>,
    pub(in crate::cli) judged: Vec<JudgedClaim>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::cli) struct JudgedClaim {
    pub(in crate::cli) verdict: String,
    pub(in crate::cli) why: Option<String>,
    pub(in crate::cli) case: String,
}
