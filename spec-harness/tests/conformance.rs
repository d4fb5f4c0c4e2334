//! Every case on our backends and on the record of CPython's: a test for each, by name.
//!
//! With `CPYTHON=live` it is CPython itself, and a run that is not as recorded fails.

use std::path::Path;
use std::process::ExitCode;

use spec_harness::case::ast::Kind;
use spec_harness::conformance;
use spec_harness::target::{cpython, cpython_recorded, ours};

fn main() -> ExitCode {
    let program = Path::new(env!("CARGO_BIN_EXE_spec-harness"));
    let mut columns = vec![ours(program, Kind::Thread), ours(program, Kind::Process)];
    let live = std::env::var("CPYTHON").is_ok_and(|cpython| cpython == "live");
    let of_python = if live { cpython } else { cpython_recorded };
    for kind in [Kind::Process, Kind::Thread] {
        match of_python(kind) {
            Ok(column) => columns.push(column),
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::FAILURE;
            }
        }
    }
    conformance::main(columns)
}
