//! The command-line program `spec-harness`.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
