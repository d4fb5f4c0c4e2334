//! The contract has no hole, and what is said to show it is there.

use std::path::Path;

use spec_harness::case::ast::{Case, Kind};
use spec_harness::contract::{Contract, Shown, TestName};

fn cases() -> Vec<Case> {
    let cases = spec_cases::CASES.iter().map(|(name, text)| {
        Case::parse(name, text).expect("`spec-harness check` says what is wrong")
    });
    cases.collect()
}

#[test]
fn every_row_is_shown_on_every_kind_of_worker_that_it_speaks_of() {
    let (contract, cases) = (Contract::ours().expect("it is in order"), cases());
    let mut holes = Vec::new();
    for row in contract.rows() {
        for kind in [Kind::Thread, Kind::Process] {
            if row.shown(kind, &cases) == Shown::Hole {
                holes.push(format!("{} on {kind}: {}", row.name, row.says));
            }
        }
    }
    assert!(holes.is_empty(), "nothing shows\n{}", holes.join("\n"));
}

#[test]
fn a_row_that_says_nothing_of_a_kind_is_shown_by_nothing_there() {
    let (contract, cases) = (Contract::ours().expect("it is in order"), cases());
    let mut covered = Vec::new();
    for row in contract.rows() {
        for kind in [Kind::Thread, Kind::Process] {
            if let (Some(why), Shown::By(cases, _)) = (row.apart(kind), row.shown(kind, &cases)) {
                let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
                covered.push(format!(
                    "{} on {kind} ({why}): {}",
                    row.name,
                    names.join(", ")
                ));
            }
        }
    }
    assert!(
        covered.is_empty(),
        "and yet it is covered\n{}",
        covered.join("\n")
    );
}

#[test]
fn every_test_that_is_named_exists() {
    let contract = Contract::ours().expect("it is in order");
    let tests = contract.rows().iter().flat_map(|row| &row.tests);
    let missing: Vec<String> = tests
        .filter(|test| !exists(test))
        .map(TestName::to_string)
        .collect();
    assert!(
        missing.is_empty(),
        "there are no tests\n{}",
        missing.join("\n")
    );
}

/// Whether a file, or one that it includes by its path, has a function of this name that is a test.
fn exists(test: &TestName) -> bool {
    let (files, function) = test.places();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    files.iter().any(|file| {
        let file = workspace.join(file);
        let read = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
        let mut text = read(&file);
        let included = text.split("#[path = \"").skip(1);
        let included =
            included.filter_map(|rest| Some(file.with_file_name(rest.split('"').next()?)));
        text.extend(included.map(|file| read(&file)).collect::<Vec<_>>());
        let mut tests = text.split("#[test]").skip(1);
        // Between the two, other attributes may stand.
        tests.any(|test| {
            let signature = test.split("fn ").nth(1).unwrap_or_default();
            signature.split('(').next() == Some(function)
        })
    })
}

#[cfg(feature = "cli")]
#[test]
fn the_matrix_of_the_contract_shows_every_row() {
    let matrix = std::process::Command::new(env!("CARGO_BIN_EXE_spec-harness"))
        .args(["matrix", "--contract", "--on", "cpython:thread@recorded"])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&matrix.stdout);
    assert!(matrix.status.success(), "{text}");
    for row in Contract::ours().expect("it is in order").rows() {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{:<4}", row.name)));
        assert!(line.is_some(), "{} is not in\n{text}", row.name);
    }
}
