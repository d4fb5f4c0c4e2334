//! What an implementation does differently: `expected-failures.yaml`, which lives with the implementation.
//!
//! ```yaml
//! - id: terminated-get
//!   cases: [handles/get-after-terminate]
//!   kinds: [process, thread]
//!   versions: ["3.11", "3.13"]
//!   why: get() of a terminated pool blocks for ever
//!   rows: [L6]                    # of the contract, if the list says so
//!   here: it fails with Terminated # what our pools do instead, if the list says so
//! ```
//!
//! An entry is strict on the versions it lists: there the case *must* fail, and one that passes is an error of
//! the list. An exit code that is not 0 fails as ever. On a version that it does not list, a failure is reported as "newer than listed" and fails nothing.

use serde::Deserialize;

use super::{Reason, Verdict};
use crate::case::ast::Kind;
use crate::protocol::WorkerKind;

/// The list of one implementation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpectedFailures(Vec<Entry>);

/// An expected failure that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedFailure {
    /// Its id in the list.
    pub id: String,
    /// What is different, in one sentence.
    pub why: String,
    /// True where the list does not speak of this version: the entry is to be looked at again.
    pub newer: bool,
}

/// One expected failure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What it is called.
    pub id: String,
    /// The cases that show it.
    pub cases: Vec<String>,
    /// The kinds of worker on which it is seen.
    pub kinds: Vec<WorkerKind>,
    /// The versions on which it was seen.
    pub versions: Vec<String>,
    /// What is different, in one sentence.
    pub why: String,
    /// The rows of the contract that it breaks.
    #[serde(default)]
    pub rows: Vec<String>,
    /// What this project's pools do instead.
    #[serde(default)]
    pub here: Option<String>,
}

impl ExpectedFailures {
    /// Reads a list.
    ///
    /// # Errors
    /// Says what is wrong with it and where.
    ///
    /// # Examples
    /// ```
    /// use spec_harness::judge::ExpectedFailures;
    ///
    /// let list = ExpectedFailures::parse(
    ///     "- id: eager-imap\n  cases: [imap/reads-ahead]\n  kinds: [thread]\n  versions: ['1.4']\n  why: it reads all\n",
    /// );
    /// assert!(list.is_ok_and(|list| list.entries().len() == 1));
    /// ```
    pub fn parse(yaml: &str) -> Result<ExpectedFailures, String> {
        let entries: Vec<Entry> =
            serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        for entry in &entries {
            if entry.cases.is_empty() || entry.versions.is_empty() || entry.kinds.is_empty() {
                return Err(format!(
                    "`{}` names no case, no kind or no version",
                    entry.id
                ));
            }
        }
        Ok(ExpectedFailures(entries))
    }

    /// The verdict on a case with the list taken into account.
    pub fn applied(&self, verdict: Verdict, case: &str, kind: Kind, version: &str) -> Verdict {
        let entry = self.0.iter().find(|entry| {
            entry.cases.iter().any(|name| name == case) && entry.kinds.contains(&kind.into())
        });
        let Some(entry) = entry else {
            return verdict;
        };
        let listed = entry.versions.iter().any(|line| is_of(version, line));
        match verdict {
            Verdict::Fail(reasons)
                if reasons
                    .iter()
                    .any(|reason| matches!(reason, Reason::Exit(_))) =>
            {
                Verdict::Fail(reasons)
            }
            // Where it stalls, a run without a clear picture is no news either.
            Verdict::Fail(_) | Verdict::Unknown(_) => Verdict::ExpectedFailure(ExpectedFailure {
                id: entry.id.clone(),
                why: entry.why.clone(),
                newer: !listed,
            }),
            Verdict::Pass if listed => {
                Verdict::Fail(vec![Reason::NoLongerDiverges(entry.id.clone())])
            }
            other => other,
        }
    }

    /// What stands in the list, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }
}

/// Whether `3.11.7` is of `3.11`.
fn is_of(version: &str, line: &str) -> bool {
    version
        .strip_prefix(line)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "
- id: terminated-get
  cases: [handles/get]
  kinds: [process]
  versions: [\"3.11\"]
  why: it blocks
";

    fn failed() -> Verdict {
        Verdict::Fail(vec![Reason::Ending("deadlock".into())])
    }

    #[track_caller]
    fn list() -> ExpectedFailures {
        ExpectedFailures::parse(LIST).expect("the list is in order")
    }

    #[test]
    fn an_expected_failure_is_no_failure() {
        let verdict = list().applied(failed(), "handles/get", Kind::Process, "3.11.7");
        assert!(matches!(
            verdict,
            Verdict::ExpectedFailure(ExpectedFailure { newer: false, .. })
        ));
    }

    #[test]
    fn a_version_that_is_not_listed_is_newer_than_listed() {
        let verdict = list().applied(failed(), "handles/get", Kind::Process, "3.110");
        assert!(matches!(
            verdict,
            Verdict::ExpectedFailure(ExpectedFailure { newer: true, .. })
        ));
        let verdict = list().applied(Verdict::Pass, "handles/get", Kind::Process, "3.14");
        assert_eq!(verdict, Verdict::Pass);
    }

    #[test]
    fn a_listed_version_that_no_longer_diverges_is_an_error() {
        let verdict = list().applied(Verdict::Pass, "handles/get", Kind::Process, "3.11");
        assert_eq!(
            verdict,
            Verdict::Fail(vec![Reason::NoLongerDiverges("terminated-get".into())])
        );
    }

    #[test]
    fn other_cases_and_kinds_are_judged_as_ever() {
        assert_eq!(
            list().applied(failed(), "handles/get", Kind::Thread, "3.11"),
            failed()
        );
        assert_eq!(
            list().applied(failed(), "other", Kind::Process, "3.11"),
            failed()
        );
    }

    #[test]
    fn a_list_with_an_unknown_key_is_refused() {
        assert!(ExpectedFailures::parse("- id: x\n  case: y\n").is_err());
    }
}
