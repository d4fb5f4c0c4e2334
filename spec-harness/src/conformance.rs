//! Every case on an implementation as a test of its own, by name: for `cargo test`, nextest and `--exact`.
//!
//! For a pool in Rust, [`conformance!`](crate::conformance!) writes the whole file. The cases are embedded, and the test
//! program is its own adapter: nothing else has to be there.
//!
//! ```no_run
//! # use std::process::ExitCode;
//! # fn my_adapter() -> ExitCode { ExitCode::SUCCESS }
//! // tests/conformance.rs, with `harness = false` in Cargo.toml
//! spec_harness::conformance! {
//!     "mine", Thread => my_adapter;
//! }
//! ```
//!
//! Cases of one's own stand in a folder of the package, and take the place of the built-in ones:
//!
//! ```no_run
//! # use std::process::ExitCode;
//! # fn my_adapter() -> ExitCode { ExitCode::SUCCESS }
//! spec_harness::conformance! {
//!     cases: "tests/cases";
//!     "mine", Thread => my_adapter;
//! }
//! ```
//!
//! Any other adapter is a command:
//!
//! ```no_run
//! use spec_harness::case::ast::Kind;
//! use spec_harness::target::Column;
//!
//! fn main() -> std::process::ExitCode {
//!     let adapter = "./my-adapter".into(); // the path of your adapter's program
//!     spec_harness::conformance::main([Column::of("mine", vec![adapter], Kind::Thread)])
//! }
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::case::ast::{Case, Kind};
use crate::case::files;
use crate::judge::report::{self, Source};
use crate::judge::{ExpectedFailures, Verdict, transcript};
use crate::picture::text::Look;
use crate::picture::{self, Picture};
use crate::replay::Runner;
use crate::target::{Column, Tried};

/// Runs the tests that the command line asks for. Where it asks for all, and no case passes on an implementation, that is a failure:
/// then every test was ignored, and nothing was shown.
pub fn main(columns: impl IntoIterator<Item = Column>) -> ExitCode {
    run(columns, &built_in())
}

/// A case: its name, its text, and whether it is a built-in one, whose transcript is on record.
#[derive(Debug, Clone)]
struct Given {
    name: String,
    text: String,
    is_built_in: bool,
}

fn built_in() -> Vec<Given> {
    let given = |(name, text): &(&str, &str)| Given {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
        is_built_in: true,
    };
    spec_cases::CASES.iter().map(given).collect()
}

/// The cases of a folder, named by their paths in it.
fn of_folder(folder: &Path) -> Result<Vec<Given>, String> {
    let failed = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
    let files = files::below(folder).map_err(|error| failed(folder, &error))?;
    if files.is_empty() {
        return Err(format!(
            "there is no case file in the folder {}",
            folder.display()
        ));
    }
    let given = |path: PathBuf| {
        let text = fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
        let name = path
            .strip_prefix(folder)
            .unwrap_or(&path)
            .with_extension("");
        Ok(Given {
            name: name.display().to_string(),
            text,
            is_built_in: false,
        })
    };
    files.into_iter().map(given).collect()
}

fn run(columns: impl IntoIterator<Item = Column>, cases: &[Given]) -> ExitCode {
    let columns: Vec<Arc<Column>> = columns.into_iter().map(Arc::new).collect();
    let passes: Vec<Arc<AtomicUsize>> = columns.iter().map(|_| Arc::default()).collect();
    let arguments = Arguments::from_args();
    let asks_for_all = !arguments.list
        && arguments.filter.is_none()
        && arguments.skip.is_empty()
        && !arguments.ignored;
    let counted = columns.iter().cloned().zip(passes.iter().cloned());
    let trials = counted.flat_map(|(column, passes)| trials_of(column, passes, cases.to_vec()));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let without = columns
        .iter()
        .zip(&passes)
        .filter(|(_, passes)| passes.load(Ordering::Relaxed) == 0);
    let without: Vec<&str> = without
        .map(|(column, _)| column.target.name.as_str())
        .collect();
    if asks_for_all && !without.is_empty() && !conclusion.has_failed() {
        eprintln!(
            "no case passes on {}: all of its tests were ignored",
            without.join(", ")
        );
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// An implementation whose adapter is this very program.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// What its tests are called: `mine::tutorial/S004-1`.
    pub name: &'static str,
    /// The kind of worker.
    pub kind: Kind,
    /// Its list of expected failures, as `expected-failures.yaml` has them; empty when there is none.
    pub expected_failures: &'static str,
    /// What the program does when it is the adapter.
    pub adapter: fn() -> ExitCode,
}

/// The first argument of a test program that is to be the adapter; the second is the implementation's place.
const ADAPTER: &str = "--be-the-adapter-of";

/// As [`main`], or the adapter, where that is what the program was started for. See
/// [`conformance!`](crate::conformance!).
///
/// With a folder, its cases take the place of the built-in ones.
pub fn main_of(own: &[Own], folder: Option<&str>) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(ADAPTER) {
        let place = arguments.next().and_then(|place| place.parse().ok());
        return match place.and_then(|place: usize| own.get(place)) {
            Some(own) => (own.adapter)(),
            None => ExitCode::from(2),
        };
    }
    let columns: Result<Vec<Column>, String> = own.iter().enumerate().map(column).collect();
    let cases = folder.map_or_else(|| Ok(built_in()), |folder| of_folder(Path::new(folder)));
    match columns.and_then(|columns| Ok((columns, cases?))) {
        Ok((columns, cases)) => run(columns, &cases),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn column((place, own): (usize, &Own)) -> Result<Column, String> {
    let Own { name, kind, .. } = *own;
    let program = std::env::current_exe().map_err(|error| format!("{name}: {error}"))?;
    let command = vec![program.into(), ADAPTER.into(), place.to_string().into()];
    let mut column = Column::of(name, command, kind);
    if !own.expected_failures.is_empty() {
        column.expected_failures = ExpectedFailures::parse(own.expected_failures)
            .map_err(|error| format!("{name}: expected failures: {error}"))?;
    }
    Ok(column)
}

/// Writes the `main` of a test program (`harness = false`) that runs every case on implementations in Rust, each a test of its
/// own, or every case of a folder of the package (`cases: "tests/cases";` first): `"name", Thread => adapter;` or `"name", Process, expected_failures: include_str!("mine.expected-failures.yaml") => adapter;`.
///
/// The adapter is any `fn() -> ExitCode` that ends in [`adapter::serve`](crate::adapter::serve) or
/// [`adapter::adapter_main`](crate::adapter::adapter_main); the program runs it when the harness starts it as the adapter.
#[macro_export]
macro_rules! conformance {
    (cases: $folder:literal; $($name:literal, $kind:ident $(, expected_failures: $list:expr)? => $adapter:expr);+ $(;)?) => {
        $crate::conformance! {
            @main Some(concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder));
            $($name, $kind $(, expected_failures: $list)? => $adapter);+
        }
    };
    ($($name:literal, $kind:ident $(, expected_failures: $list:expr)? => $adapter:expr);+ $(;)?) => {
        $crate::conformance! { @main None; $($name, $kind $(, expected_failures: $list)? => $adapter);+ }
    };
    (@main $folder:expr; $($name:literal, $kind:ident $(, expected_failures: $list:expr)? => $adapter:expr);+) => {
        fn main() -> ::std::process::ExitCode {
            let own = [$($crate::conformance::Own {
                name: $name,
                kind: $crate::case::ast::Kind::$kind,
                expected_failures: concat!($($list)?),
                adapter: $adapter,
            }),+];
            $crate::conformance::main_of(&own, $folder)
        }
    };
}

/// One test per case and implementation, named `thread::tutorial/S004-1`.
pub fn trials(columns: impl IntoIterator<Item = Column>) -> Vec<Trial> {
    let trials = columns
        .into_iter()
        .flat_map(|column| trials_of(Arc::new(column), Arc::default(), built_in()));
    trials.collect()
}

/// The tests of one implementation, which count the cases that pass.
fn trials_of(
    column: Arc<Column>,
    passes: Arc<AtomicUsize>,
    cases: Vec<Given>,
) -> impl Iterator<Item = Trial> {
    cases.into_iter().map(move |case| {
        let name = format!("{}::{}", column.target.name, case.name);
        let (column, passes) = (Arc::clone(&column), Arc::clone(&passes));
        Trial::ignorable_test(name, move || {
            let conforms = conforms(&case, &column);
            if let Ok(Completion::Completed) = conforms {
                passes.fetch_add(1, Ordering::Relaxed);
            }
            conforms
        })
    })
}

/// Whether an implementation runs a case as it must.
fn conforms(case: &Given, column: &Column) -> Result<Completion, Failed> {
    let Given {
        name,
        text,
        is_built_in,
    } = case;
    let case = Case::parse(name, text).map_err(|problems| {
        let shown: Vec<String> = problems
            .iter()
            .map(|problem| problem.render(text, false))
            .collect();
        Failed::from(shown.join("\n"))
    })?;
    let recorded = is_built_in
        .then(|| transcript::recorded(&case, column.target.kind))
        .flatten();
    let tried = column.try_case(&Runner::default(), &case, recorded);
    if let Some(drift) = tried.drift {
        return Err(drift.into());
    }
    let Tried { verdict, run, .. } = tried;
    match verdict {
        Verdict::Pass => Ok(Completion::Completed),
        Verdict::NotApplicable(why) => {
            Ok(Completion::ignored_with(format!("not applicable: {why}")))
        }
        Verdict::NotHere(why) => Ok(Completion::ignored_with(format!("not here: {why}"))),
        Verdict::Without { declined, .. } => {
            let told = declined.iter().map(|(row, why)| format!("{row} ({why})"));
            let told: Vec<String> = told.collect();
            Ok(Completion::ignored_with(format!(
                "pass without {}",
                told.join(", ")
            )))
        }
        Verdict::ExpectedFailure(failure) => {
            let newer = if failure.newer {
                " (this version is newer than listed)"
            } else {
                ""
            };
            Ok(Completion::ignored_with(format!(
                "expected failure: {}{newer}",
                failure.why
            )))
        }
        Verdict::Unknown(why) => Err(format!("unknown: {why}").into()),
        Verdict::Fail(reasons) => {
            let file = format!("{name}.yaml");
            let seen = run.as_ref().map(|run| run.transcript.as_str());
            let told = report::brief(&reasons, Source { file: &file, text }, recorded, seen);
            let drawn = run.map_or(String::new(), |run| {
                picture::text::plain(&Picture::of(&run.history), Look::default())
            });
            Err(format!("{told}\n{drawn}").into())
        }
    }
}
