//! Which columns a name on the command line stands for.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use super::{Column, Records};
use crate::case::ast::{Case, Kind};
use crate::case::suggest::did_you_mean;
use crate::contract::Contract;
use crate::judge::ExpectedFailures;
use crate::protocol::Hello;
use crate::replay::{Outcome, Runner, Target};

/// The adapter of CPython's pools.
const CPYTHON: &str = include_str!("../../adapters/cpython.py");

/// What CPython's pools do otherwise than the contract says.
const CPYTHON_EXPECTED_FAILURES: &str =
    include_str!("../../adapters/cpython.expected-failures.yaml");

/// The kinds, in the order of the columns.
const KINDS: [Kind; 2] = [Kind::Thread, Kind::Process];

/// The columns that a name stands for; `program` is the harness's own executable, which is also its adapters.
///
/// # Errors
/// The name is neither an implementation that is built in nor the path of a program, or its list of expected
/// failures cannot be read.
pub fn columns(name: &str, program: &Path, runner: &Runner) -> Result<Vec<Column>, String> {
    match name {
        "thread" => Ok(vec![ours(program, Kind::Thread)]),
        "process" => Ok(vec![ours(program, Kind::Process)]),
        "cpython" => Ok(vec![cpython(Kind::Process)?, cpython(Kind::Thread)?]),
        "cpython:process" => Ok(vec![cpython(Kind::Process)?]),
        "cpython:thread" => Ok(vec![cpython(Kind::Thread)?]),
        "cpython@recorded" => Ok(vec![
            cpython_recorded(Kind::Process)?,
            cpython_recorded(Kind::Thread)?,
        ]),
        "cpython:process@recorded" => Ok(vec![cpython_recorded(Kind::Process)?]),
        "cpython:thread@recorded" => Ok(vec![cpython_recorded(Kind::Thread)?]),
        path => adapter(path, runner),
    }
}

/// One of this project's own pools.
pub fn ours(program: &Path, kind: Kind) -> Column {
    let command = vec![program.into(), "adapter".into(), kind.to_string().into()];
    Column::of(kind.to_string(), command, kind)
}

/// One of CPython's pools.
///
/// # Errors
/// Its list of expected failures is not in order.
pub fn cpython(kind: Kind) -> Result<Column, String> {
    // Neither the user's settings nor installed packages have a part in it.
    let command = ["python3", "-IS", "-c", CPYTHON].map(OsString::from).into();
    let expected_failures = ExpectedFailures::parse(CPYTHON_EXPECTED_FAILURES)
        .map_err(|e| format!("cpython.expected-failures.yaml: {e}"))?;
    Ok(Column {
        expected_failures,
        records: Records::WhereAbsent("cpython"),
        ..Column::of(format!("cpython:{kind}"), command, kind)
    })
}

/// What is on record of one of CPython's pools, whether Python is here or not.
///
/// # Errors
/// Its list of expected failures is not in order.
pub fn cpython_recorded(kind: Kind) -> Result<Column, String> {
    let mut column = cpython(kind)?;
    column.target.name += "@recorded";
    column.records = Records::Instead("cpython");
    Ok(column)
}

/// An adapter by its path, `KIND:PATH` or `PATH` for each kind that it says it has. What it does
/// differently stands beside it: `adapter.expected-failures.yaml` for `adapter.py`.
///
/// # Errors
/// There is no such file, its list of expected failures cannot be read, or it declines what is no row of the contract.
pub fn adapter(name: &str, runner: &Runner) -> Result<Vec<Column>, String> {
    let (wanted, path) = match name.split_once(':') {
        Some(("thread", path)) => (Some(Kind::Thread), path),
        Some(("process", path)) => (Some(Kind::Process), path),
        _ => (None, name),
    };
    let file = Path::new(path);
    if !file.is_file() {
        let ours = [
            "thread",
            "process",
            "cpython",
            "cpython:thread",
            "cpython:process",
        ];
        let meant = did_you_mean(name, ours).map_or(String::new(), |meant| format!("{meant} "));
        return Err(format!(
            "there is no implementation `{name}`: {meant}write thread, process, cpython or the path of an adapter"
        ));
    }
    // A path without a slash would be looked for among the system's programs.
    let program = std::path::absolute(file).map_err(|e| format!("{path}: {e}"))?;
    let list = file.with_extension("expected-failures.yaml");
    let expected_failures = match std::fs::read_to_string(&list) {
        Ok(text) => {
            ExpectedFailures::parse(&text).map_err(|e| format!("{}: {e}", list.display()))?
        }
        Err(e) if e.kind() == ErrorKind::NotFound => ExpectedFailures::default(),
        Err(e) => return Err(format!("{}: {e}", list.display())),
    };
    let mut columns = Vec::new();
    for kind in wanted.map_or(KINDS.to_vec(), |kind| vec![kind]) {
        let mut column = Column::of(format!("{kind}:{path}"), vec![program.clone().into()], kind);
        column.expected_failures = expected_failures.clone();
        column.foreign = true;
        column.hello = introduced(&column.target, runner);
        columns.push(column);
    }
    // One that does not introduce itself gets a column all the same: its cells say what is wrong with it.
    let has_its_kind = |column: &Column| {
        let hello = column.hello.as_ref();
        hello.is_some_and(|hello| hello.kinds.contains(&column.target.kind.into()))
    };
    match columns.iter().any(has_its_kind) {
        true => columns.retain(has_its_kind),
        false => columns.truncate(1),
    }
    let contract = Contract::ours()?;
    for hello in columns.iter().filter_map(|column| column.hello.as_ref()) {
        let known = |row: &&String| !contract.rows().iter().any(|known| known.name == **row);
        if let Some(row) = hello.declines.keys().find(known) {
            return Err(format!(
                "{path} declines `{row}`, which is no row of the contract"
            ));
        }
    }
    Ok(columns)
}

/// How an adapter, asked for this kind of worker, introduces itself.
fn introduced(target: &Target, runner: &Runner) -> Option<Hello> {
    match runner.run(&greeting(), target) {
        Outcome::Ran(ran) => ran.hello,
        Outcome::NotApplicable(_) | Outcome::NotHere(_) => None,
    }
}

/// A program that does nothing.
pub fn greeting() -> Case {
    let text = "spec: 1\ntitle: hello\nmain:\n  - print: hello\n";
    // Its text is fixed and in order; a test says so.
    Case::parse("hello", text).unwrap_or_else(|problems| unreachable!("{problems:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_failures_of_cpython_name_cases_that_exist() {
        let expected_failures =
            ExpectedFailures::parse(CPYTHON_EXPECTED_FAILURES).expect("the list is in order");
        for entry in expected_failures.entries() {
            for case in &entry.cases {
                let exists = spec_cases::CASES.iter().any(|(name, _)| name == case);
                assert!(exists, "{}: {case}", entry.id);
            }
        }
    }

    #[test]
    fn the_greeting_is_a_case() {
        assert_eq!(greeting().main.len(), 1);
    }

    #[test]
    fn cpython_is_two_columns() {
        let columns =
            columns("cpython", Path::new("x"), &Runner::default()).expect("it is built in");
        let names: Vec<_> = columns
            .iter()
            .map(|column| column.target.name.as_str())
            .collect();
        assert_eq!(names, ["cpython:process", "cpython:thread"]);
    }

    #[test]
    fn an_unknown_implementation_is_refused() {
        let error =
            columns("cpyhton", Path::new("x"), &Runner::default()).expect_err("no such thing");
        assert!(error.contains("`cpyhton`"), "{error}");
    }
}
