//! The command line: what can be asked for, and how the answer is shown.

mod accept;
mod adapter_test;
mod again;
mod cell;
mod check;
mod claims;
mod contract;
mod diff;
mod doctor;
mod expected_failures;
mod failures;
mod keep;
mod list;
mod matrix;
mod new;
mod one_case;
mod ours;
mod output;
mod picture;
mod plot;
mod random;
mod report;
mod rows;
mod run;
mod schedules;
mod schema;
mod select;
mod sources;
mod suite;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use spec_harness::adapter::adapter_main;
use spec_harness::interp::Deviations;

use output::Output;

/// Replays programs that use worker pools, exactly and in milliseconds, and judges what happened.
#[derive(Debug, Parser)]
#[command(name = "spec-harness", version, after_help = EXIT_CODES, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 everything is as it must be, 1 something is not (or is unknown), \
2 usage, a bad case file, or a file that cannot be read or written.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Replay cases and show the matrix of cases and implementations
    Run(RunArgs),
    /// Run random programs and hold them against the model
    Random(RandomArgs),
    /// Show every built-in case, or every row of the contract, on each implementation
    Matrix(MatrixArgs),
    /// Draw a case: who did what from when to when, and who waited for whom
    Plot(PlotArgs),
    /// List cases
    List(ListArgs),
    /// Read case files and say what is wrong with them
    Check(CheckArgs),
    /// Begin a case file, or fill in what a program without expectation does
    New(NewArgs),
    /// Let case files expect what happens, after a look at the difference
    ///
    /// Writes each part of `expect` that does not hold (`timeline`, `output`, `elapsed`, `tasks`, `workers`) anew, in the
    /// form that `new` writes. Comments inside of such a part move to lines of their own above its key. On steps it
    /// updates `takes`, `raises` and `blocks`. Everything else in the file stays byte for byte.
    Accept(AcceptArgs),
    /// Print the JSON Schema of case files for editors, or the reference of their language
    Schema(SchemaArgs),
    /// Check whether an adapter speaks the protocol, message by message
    AdapterTest(AdapterTestArgs),
    /// Say what this machine allows and which implementations are here
    Doctor,
    /// Be the adapter of a built-in implementation
    #[command(hide = true)]
    Adapter {
        /// Its kind of worker
        kind: Ours,
    },
}

/// Which cases are meant.
#[derive(Debug, Args)]
struct Selection {
    /// Parts of case names, or paths of case files or folders; without any, every built-in case
    filters: Vec<String>,
    /// Cases whose whole name is one of the filters
    #[arg(long)]
    exact: bool,
    /// Cases with this tag
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Cases taken from this document (004) or example (004#S004-1)
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
    /// Cases that show one of these rows of the contract
    #[arg(long, value_name = "ROWS", alias = "rows", value_delimiter = ',')]
    row: Vec<String>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    selection: Selection,
    /// The rows of the contract that each case shows, and its tags, too
    #[arg(short, long)]
    long: bool,
    /// What the documents say that the cases are taken from, and what happens
    #[arg(long)]
    claims: bool,
    /// The expected failures of an implementation, as a Markdown table: cpython, or the
    /// path of an adapter
    #[arg(long, value_name = "TARGET", conflicts_with_all = ["claims", "filters", "tag", "source", "exact"])]
    expected_failures: Option<String>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Files; without any, the built-in cases
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct NewArgs {
    /// The file. One that is there and expects nothing yet gets the expectation that the model predicts
    path: PathBuf,
    /// What the case shows [default: what the file's name says]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Begin with the functions and the program of this case: a built-in one by its name, or a file
    #[arg(long, value_name = "CASE")]
    from: Option<String>,
    /// Write anew a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct AcceptArgs {
    /// Case files; in a checkout, cases of the collection by their names, too
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Take what the model predicts, and run nothing; without it, both of our pools must do what the model predicts
    #[arg(long)]
    model: bool,
    /// Show the difference and write nothing; ends with 1 where there is one
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Write without asking; where nobody can be asked, nothing is written without it
    #[arg(long)]
    yes: bool,
    /// Seconds that a pool may be silent before its run is given up
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    patience: Duration,
}

#[derive(Debug, Args)]
struct SchemaArgs {
    /// Everything that a case file can say, with examples, as a page in Markdown
    #[arg(long)]
    reference: bool,
}

/// On what cases are replayed, and how.
#[derive(Debug, Clone, Args)]
struct Replaying {
    /// Implementations: thread, process, cpython, cpython:thread, cpython:process (and @recorded), or an adapter's
    /// path; one that is named and not here is wrong [default: thread,process,cpython]
    #[arg(long, value_name = "TARGETS", value_delimiter = ',')]
    on: Vec<String>,
    /// Runs at a time [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Seconds that an adapter may be silent before its run is given up
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    patience: Duration,
}

#[derive(Debug, Args)]
struct AdapterTestArgs {
    /// The adapter's path; `thread:PATH` or `process:PATH` for one kind of worker alone
    adapter: String,
    /// What is checked beside hello: commands and abilities by their names [default: everything]
    about: Vec<String>,
    /// Seconds that it may be silent before a check is given up
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    patience: Duration,
}

#[derive(Debug, Args)]
struct MatrixArgs {
    /// The rows of the contract, with the cases and the Rust tests that show each
    #[arg(long)]
    contract: bool,
    #[command(flatten)]
    replaying: Replaying,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    replaying: Replaying,
    /// Schedules, each an order of those who are ready in one instant: the rule's, or every one that leads to
    /// something else
    #[arg(long, value_name = "SCHEDULES", value_enum, default_value_t = Schedules::Rule)]
    schedules: Schedules,
    /// One order of those who are ready in one instant, as a failure tells it (3:1: at turn 3 the second goes first)
    #[arg(long, value_name = "ORDER", conflicts_with = "schedules")]
    order: Option<Deviations>,
    /// Reports to write: html, junit or json, each with =FILE or with a name of its own (spec-report.html, .xml, .json)
    #[arg(long, value_name = "REPORTS", value_delimiter = ',')]
    report: Vec<report::Wanted>,
    /// Keep the runs in this folder: what was asked and what followed, so that they can be judged elsewhere
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Times that each case is run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Every case and every failure, also where somebody else's implementation has so many that the rows of the
    /// contract say more
    #[arg(long)]
    full: bool,
}

/// One case, on the model or on implementations.
#[derive(Debug, Args)]
struct OneCase {
    /// The name of a built-in case, a part of it that no other has, or the path of a case file
    case: String,
    /// The model (model, model:thread, model:process), which answers at once, or implementations as for `run`
    #[arg(
        long,
        value_name = "TARGETS",
        value_delimiter = ',',
        default_value = "model"
    )]
    on: Vec<String>,
}

#[derive(Debug, Args)]
struct PlotArgs {
    #[command(flatten)]
    one_case: OneCase,
    /// Write the picture as SVG to this file, or to standard output (-)
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Columns to draw in [default: the terminal's]
    #[arg(long, value_name = "N", conflicts_with = "svg")]
    columns: Option<u16>,
    /// Draw with the signs of ASCII alone
    #[arg(long, conflicts_with = "svg")]
    ascii: bool,
    /// Run the case on the real clock first, a second for each unit of time, and print what it prints
    #[arg(long)]
    real_clock: bool,
}

#[derive(Debug, Args)]
struct RandomArgs {
    /// How many programs
    #[arg(long, value_name = "N", default_value_t = 200)]
    programs: u64,
    /// From what they are drawn: the same seed gives the same programs
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// The number of the first one
    #[arg(long, value_name = "K", default_value_t = 0)]
    first: u64,
    /// Where a program that differs is written as a case file
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
    /// Differences after which to stop
    #[arg(long, value_name = "N", default_value_t = 10)]
    most: usize,
    /// Smaller programs that are tried for a difference
    #[arg(long, value_name = "N", default_value_t = 400)]
    tries: usize,
    #[command(flatten)]
    replaying: Replaying,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Schedules {
    Rule,
    All,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Ours {
    Thread,
    Process,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

impl Selection {
    /// Every built-in case.
    fn all() -> Selection {
        Selection {
            filters: vec![],
            exact: false,
            tag: vec![],
            source: vec![],
            row: vec![],
        }
    }
}

impl Replaying {
    /// Whether somebody said on what.
    fn named(&self) -> bool {
        !self.on.is_empty()
    }

    fn names(&self) -> Vec<&str> {
        match self.named() {
            true => self.on.iter().map(String::as_str).collect(),
            false => vec!["thread", "process", "cpython"],
        }
    }
}

impl RunArgs {
    /// Every built-in case once, by the rule's order.
    fn of_all(replaying: Replaying) -> RunArgs {
        RunArgs {
            selection: Selection::all(),
            replaying,
            schedules: Schedules::Rule,
            order: None,
            report: vec![],
            record: None,
            repeat: 1,
            full: true,
        }
    }
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExitStatus {
    Success,
    Failure,
    /// A case file is not in order.
    Unusable,
}

/// A command that cannot be carried out: what is wrong with what was asked for.
type Refusal = String;

pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = Output::stdout();
    let status = match cli.command {
        Command::Run(args) => run::run(&args, &mut out),
        Command::Matrix(args) if args.contract => contract::show(&args.replaying, &mut out),
        Command::Matrix(args) => run::run(&RunArgs::of_all(args.replaying), &mut out),
        Command::List(ListArgs {
            expected_failures: Some(target),
            ..
        }) => expected_failures::list(&target, &mut out),
        Command::Plot(args) => plot::plot(&args, &mut out),
        Command::Random(args) => random::random(&args, &mut out),
        Command::List(args) => list::list(&args, &mut out),
        Command::Check(args) => check::check(&args, &mut out),
        Command::New(args) => new::new(&args, &mut out),
        Command::Accept(args) => accept::accept(&args, &mut out),
        Command::Schema(args) => schema::schema(&args, &mut out),
        Command::AdapterTest(args) => adapter_test::test(&args, &mut out),
        Command::Doctor => doctor::doctor(&mut out),
        Command::Adapter { kind: Ours::Thread } => return adapter_main::<ours::Threads>(),
        Command::Adapter {
            kind: Ours::Process,
        } => return adapter_main::<ours::Processes>(),
    };
    let status = match out.trouble() {
        Some(error) => status.and(Err(format!("standard output: {error}"))),
        None => status,
    };
    match status {
        Ok(ExitStatus::Success) => ExitCode::SUCCESS,
        Ok(ExitStatus::Failure) => ExitCode::from(1),
        Ok(ExitStatus::Unusable) => ExitCode::from(2),
        Err(refusal) => {
            output::complain(&refusal);
            ExitCode::from(2)
        }
    }
}
