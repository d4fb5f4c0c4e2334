//! `list --expected-failures`: what an implementation does otherwise, as a table for a page.

use spec_harness::judge::Entry;
use spec_harness::replay::Runner;
use spec_harness::target::columns;

use super::output::Output;
use super::run::program;
use super::{ExitStatus, Refusal};

/// Shows the list that lives with an implementation.
pub(super) fn list(target: &str, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let columns = columns(target, &program()?, &Runner::default())?;
    // Every column of an implementation has the same list.
    let entries = columns
        .first()
        .map_or(&[][..], |column| column.expected_failures.entries());
    if entries.is_empty() {
        out.line(format_args!("{target} has no expected failures"));
        return Ok(ExitStatus::Success);
    }
    out.line(format_args!("| contract | {target} | here | shown by |"));
    out.line("|---|---|---|---|");
    for entry in entries {
        out.line(row(entry));
    }
    Ok(ExitStatus::Success)
}

fn row(entry: &Entry) -> String {
    let kinds: Vec<String> = entry.kinds.iter().map(ToString::to_string).collect();
    let cases: Vec<String> = entry.cases.iter().map(|case| format!("`{case}`")).collect();
    format!(
        "| {} | {} ({}; {}) | {} | {} |",
        entry.rows.join(", "),
        entry.why,
        kinds.join(", "),
        entry.versions.join(", "),
        entry.here.as_deref().unwrap_or_default(),
        cases.join(", "),
    )
}
