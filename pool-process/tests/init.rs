//! A program with a `main` of its own, which begins with `init()`: so it works with the feature `hook`, and without.

use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use pool_process::{Pool, Process, ProcessPool};

/// The argument with which this program starts itself to make a pool without having called `init()`.
const EARLY: &str = "--without-init";

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == EARLY) {
        return early();
    }
    pool_process::init();
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("workers_take_their_place_at_init", workers),
        Trial::test("processes_take_their_place_at_init", processes),
    ];
    if !cfg!(feature = "hook") {
        trials.extend([
            Trial::test("without_hook_and_init_pools_are_refused", refused),
            Trial::test(
                "a_worker_that_has_reached_main_is_refused_pools",
                reached_main,
            ),
        ]);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn workers() -> Result<(), Failed> {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(2).build()?;
        assert_eq!(pool.map(|x: u64| x * x, 0..4)?, [0, 1, 4, 9]);
        pool.close();
        pool.join()?;
    }
    Ok(())
}

fn processes() -> Result<(), Failed> {
    let process = Process::new(|code: i32| std::process::exit(code), 3);
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(3));
    Ok(())
}

/// Says why pools and processes are refused.
fn early() -> ExitCode {
    match (ProcessPool::new(1), Process::new(|()| (), ()).start()) {
        (Err(pool), Err(process)) => {
            println!("{pool}\n{process}");
            ExitCode::SUCCESS
        }
        allowed => {
            println!("{allowed:?}");
            ExitCode::FAILURE
        }
    }
}

/// What this program says when it calls no `init()`, and has this in its environment.
fn without_init(environment: &[(&str, &str)], expected: &str) -> Result<(), Failed> {
    let output = Command::new(std::env::current_exe()?)
        .arg(EARLY)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches(expected).count(), 2, "{said}");
    Ok(())
}

fn refused() -> Result<(), Failed> {
    without_init(
        &[],
        "the feature `hook` is off: call `pool_process::init()` first thing in `main`",
    )
}

fn reached_main() -> Result<(), Failed> {
    // As a worker or server of such a program has it in its environment.
    without_init(
        &[("POOL_PROCESS_ROLE", "worker")],
        "this process was started as a worker and has run `main`: call `pool_process::init()` first thing there",
    )
}
