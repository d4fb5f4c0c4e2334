//! The contract as a list of rows, and what shows each: cases by their `covers:`, Rust tests by their names.
//!
//! The list is `contract.yaml` of `spec-cases`. A row has no hole when every kind of worker that it speaks of has
//! a case that runs there, or a test.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::case::ast::{Case, Kind};
use crate::model::{Prediction, predict};

/// The rows of the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    rows: Vec<Row>,
}

/// One promise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name: `L4`.
    #[serde(rename = "row")]
    pub name: String,
    /// How CPython compares.
    pub python: Python,
    /// The promise in one line.
    pub says: String,
    /// Rust tests that show it.
    #[serde(default)]
    pub tests: Vec<TestName>,
    /// Kinds of workers that it says nothing of: why.
    #[serde(default)]
    apart: BTreeMap<KindName, String>,
}

/// How CPython compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Python {
    /// It does the same.
    Same,
    /// It hangs, loses something, or says what is not so.
    Better,
    /// It does something else, on purpose.
    Differs,
    /// It has nothing of the kind.
    Ours,
}

impl fmt::Display for Python {
    /// In the words of a table's cell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Python::Same => "as in Python",
            Python::Better => "better than Python",
            Python::Differs => "other than Python",
            Python::Ours => "not in Python",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    Thread,
    Process,
}

impl From<Kind> for KindName {
    fn from(kind: Kind) -> KindName {
        match kind {
            Kind::Thread => KindName::Thread,
            Kind::Process => KindName::Process,
        }
    }
}

/// A Rust test: `pool-thread::contract::a_pool_of_no_workers_is_refused`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct TestName(pub String);

impl TestName {
    /// The crate that it is a test of.
    fn krate(&self) -> &str {
        self.0.split("::").next().unwrap_or_default()
    }

    /// The files in which it may stand, seen from the workspace, and the name of its function.
    pub fn places(&self) -> (Vec<String>, &str) {
        let mut path: Vec<&str> = self.0.split("::").skip(1).collect();
        let function = path.pop().unwrap_or_default();
        let krate = self.krate();
        if path.last() == Some(&"tests") {
            path.pop();
            let module = path.join("/");
            return (vec![format!("{krate}/src/{module}.rs")], function);
        }
        (
            vec![format!("{krate}/tests/{}.rs", path.join("/"))],
            function,
        )
    }

    /// Whether it shows something of this kind of worker.
    fn is_of(&self, kind: Kind) -> bool {
        match self.krate() {
            "pool-thread" => kind == Kind::Thread,
            "pool-process" => kind == Kind::Process,
            _ => true,
        }
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What shows a row on one kind of worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown<'c> {
    /// These cases, which run there, and these tests; together at least one.
    By(Vec<&'c Case>, Vec<&'c TestName>),
    /// The row says nothing of this kind: why.
    Apart(&'c str),
    /// Nothing.
    Hole,
}

impl Contract {
    /// Reads a list.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(yaml: &str) -> Result<Contract, String> {
        let rows: Vec<Row> = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        for (index, row) in rows.iter().enumerate() {
            if rows[..index].iter().any(|other| other.name == row.name) {
                return Err(format!("the row `{}` stands twice", row.name));
            }
        }
        Ok(Contract { rows })
    }

    /// This project's own.
    ///
    /// # Errors
    /// As for [`Contract::parse`]; a test says that there are none.
    pub fn ours() -> Result<Contract, String> {
        Contract::parse(spec_cases::CONTRACT_YAML)
            .map_err(|error| format!("contract.yaml: {error}"))
    }

    /// Every row, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

impl Row {
    /// Why the row says nothing of this kind of worker, if that is so.
    pub fn apart(&self, kind: Kind) -> Option<&str> {
        self.apart.get(&kind.into()).map(String::as_str)
    }

    /// Whether a case says that it shows this row.
    pub fn is_covered_by(&self, case: &Case) -> bool {
        case.covers.iter().any(|covers| covers.value == self.name)
    }

    /// What of these cases, and which tests, show the row on this kind of worker.
    pub fn shown<'c>(&'c self, kind: Kind, cases: &'c [Case]) -> Shown<'c> {
        let runs = |case: &&Case| matches!(predict(case, kind), Prediction::Ran(_));
        let cases: Vec<&Case> = cases
            .iter()
            .filter(|case| self.is_covered_by(case))
            .filter(runs)
            .collect();
        let tests: Vec<&TestName> = self.tests.iter().filter(|test| test.is_of(kind)).collect();
        if !cases.is_empty() || !tests.is_empty() {
            return Shown::By(cases, tests);
        }
        self.apart(kind).map_or(Shown::Hole, Shown::Apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = "spec: 1\ntitle: t\ncovers: [L1]\nmain:\n  - pool: 1\n  - close\n  - join\n";

    fn shown(rest: &str) -> Shown<'static> {
        let yaml = format!("- row: L1\n  python: same\n  says: close\n{rest}");
        let contract = Box::leak(Box::new(Contract::parse(&yaml).unwrap()));
        contract.rows[0].shown(Kind::Thread, &[])
    }

    #[test]
    fn a_case_shows_what_it_covers() {
        let case = Case::parse("t", CASE).unwrap();
        let contract = Contract::ours().unwrap();
        let row = |name: &str| contract.rows.iter().find(|row| row.name == name).unwrap();
        assert!(row("L1").is_covered_by(&case));
        assert!(!row("L2").is_covered_by(&case));
    }

    #[test]
    fn a_row_is_shown_by_tests_of_the_kind_or_says_why_not() {
        assert_eq!(shown(""), Shown::Hole);
        assert_eq!(
            shown("  tests: [pool-process::worker_loss::own]\n"),
            Shown::Hole
        );
        assert!(matches!(
            shown("  tests: [pool-thread::contract::a]\n"),
            Shown::By(..)
        ));
        assert_eq!(shown("  apart: { thread: why }\n"), Shown::Apart("why"));
    }

    #[test]
    fn a_test_stands_in_tests_or_in_a_module() {
        let places = |name: &str| TestName(name.into()).places().0.concat();
        assert_eq!(
            places("pool-thread::contract::a"),
            "pool-thread/tests/contract.rs"
        );
        assert_eq!(
            places("pool-core::chunks::tests::a"),
            "pool-core/src/chunks.rs"
        );
    }

    #[test]
    fn a_row_that_stands_twice_is_refused() {
        let row = "- row: L1\n  python: same\n  says: close\n";
        assert!(Contract::parse(&row.repeat(2)).is_err());
    }
}
