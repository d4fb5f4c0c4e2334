//! What a suite keeps of a case beside its file: the transcript that all pools share, and runs of CPython's pools.

use crate::case::ast::{Case, Kind};
use crate::history::History;
use crate::judge::transcript;

/// The transcripts of a case's runs, by the names under which they are kept, as files.
///
/// # Errors
/// Runs on different kinds of worker have one transcript, and it differs: what the case has to say.
pub fn transcripts(case: &Case, runs: &[(Kind, History)]) -> Result<Vec<(String, String)>, String> {
    let mut files: Vec<(String, String)> = Vec::new();
    for (kind, history) in runs {
        let name = transcript::record_name(case, *kind);
        let text = snapshot(&case.title, &transcript::of(history));
        match files.iter().find(|(known, _)| *known == name) {
            Some((_, known)) if *known != text => {
                return Err(format!(
                    "threads and processes do not do the same here: say what differs under `on: {{ {kind}: ... }}`"
                ));
            }
            Some(_) => {}
            None => files.push((name, text)),
        }
    }
    Ok(files)
}

/// A transcript as the snapshot tool writes it.
fn snapshot(title: &str, transcript: &str) -> String {
    let mut title = super::write::scalar(title, true);
    if title.contains('\'') && !title.starts_with(['"', '\'']) {
        title = format!("\"{title}\"");
    }
    format!(
        "---\nsource: spec-harness/tests/transcripts.rs\ndescription: {title}\n---\n{transcript}"
    )
}

/// What is not on record of a case that is built in; empty where everything is.
pub fn lacking(case: &Case) -> Vec<String> {
    let mut lacking = Vec::new();
    for (kind, _) in super::predicted(case) {
        let transcript = "no transcript is on record".to_owned();
        if transcript::recorded(case, kind).is_none() && !lacking.contains(&transcript) {
            lacking.push(transcript);
        }
    }
    for kind in [Kind::Thread, Kind::Process] {
        let name = format!("cpython/{kind}/{}", case.name);
        let is_for = case.only.as_ref().is_none_or(|only| only.value == kind);
        if is_for && !spec_cases::RECORDS.iter().any(|(known, _)| *known == name) {
            lacking.push(format!("no run of CPython's {kind} workers is on record"));
        }
    }
    lacking
}
