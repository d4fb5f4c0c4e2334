//! Every case on our backends and on CPython's: a test for each, by name.

use std::path::Path;
use std::process::ExitCode;

use spec_harness::case::ast::Kind;
use spec_harness::conformance;
use spec_harness::target::{cpython, ours};

fn main() -> ExitCode {
    let program = Path::new(env!("CARGO_BIN_EXE_spec-harness"));
    let mut columns = vec![ours(program, Kind::Thread), ours(program, Kind::Process)];
    for kind in [Kind::Process, Kind::Thread] {
        match cpython(kind) {
            Ok(column) => columns.push(column),
            Err(why) => {
                eprintln!("{why}");
                return ExitCode::FAILURE;
            }
        }
    }
    conformance::main(columns)
}
