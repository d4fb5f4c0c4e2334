//! Every case on an implementation as a test of its own, by name: for `cargo test`, nextest and `--exact`.
//!
//! ```no_run
//! // tests/conformance.rs, with `harness = false` in Cargo.toml
//! use spec_harness::case::ast::Kind;
//! use spec_harness::target::Column;
//!
//! fn main() -> std::process::ExitCode {
//!     let adapter = "./my-adapter".into(); // the path of your adapter's program
//!     spec_harness::conformance::main([Column::of("mine", vec![adapter], Kind::Thread)])
//! }
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::case::ast::Case;
use crate::judge::report::{self, Source};
use crate::judge::{Verdict, transcript};
use crate::replay::Runner;
use crate::target::{Column, Tried};

/// Runs the tests that the command line asks for.
pub fn main(columns: impl IntoIterator<Item = Column>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials(columns)).exit_code()
}

/// One test per case and implementation, named `thread::tutorial/S004-1`.
pub fn trials(columns: impl IntoIterator<Item = Column>) -> Vec<Trial> {
    let columns: Vec<Arc<Column>> = columns.into_iter().map(Arc::new).collect();
    let mut trials = Vec::with_capacity(columns.len() * spec_cases::CASES.len());
    for column in columns {
        for (case, text) in spec_cases::CASES {
            let (name, column) = (
                format!("{}::{case}", column.target.name),
                Arc::clone(&column),
            );
            trials.push(Trial::ignorable_test(name, move || {
                conforms(case, text, &column)
            }));
        }
    }
    trials
}

/// Whether an implementation runs a built-in case as it must.
fn conforms(name: &str, text: &str, column: &Column) -> Result<Completion, Failed> {
    let case = Case::parse(name, text).map_err(|problems| {
        let shown: Vec<String> = problems
            .iter()
            .map(|problem| problem.render(text, false))
            .collect();
        Failed::from(shown.join("\n"))
    })?;
    let recorded = transcript::recorded(&case, column.target.kind);
    let Tried { verdict, run } = column.try_case(&Runner::default(), &case, recorded);
    match verdict {
        Verdict::Pass => Ok(Completion::Completed),
        Verdict::NotApplicable(why) => {
            Ok(Completion::ignored_with(format!("not applicable: {why}")))
        }
        Verdict::NotHere(why) => Ok(Completion::ignored_with(format!("not here: {why}"))),
        Verdict::Without(declines) => {
            let told = declines.iter().map(|(row, why)| format!("{row} ({why})"));
            let told: Vec<String> = told.collect();
            Ok(Completion::ignored_with(format!(
                "pass without {}",
                told.join(", ")
            )))
        }
        Verdict::Known(quirk) => {
            let newer = if quirk.newer {
                " (this version is newer than known)"
            } else {
                ""
            };
            Ok(Completion::ignored_with(format!(
                "known: {}{newer}",
                quirk.why
            )))
        }
        Verdict::Unknown(why) => Err(format!("unknown: {why}").into()),
        Verdict::Fail(reasons) => {
            let file = format!("{name}.yaml");
            let told = report::failure(&reasons, Source { file: &file, text });
            let seen = run.map_or(String::new(), |(transcript, _)| {
                report::run(recorded, &transcript)
            });
            Err(format!("{told}\n{seen}").into())
        }
    }
}
