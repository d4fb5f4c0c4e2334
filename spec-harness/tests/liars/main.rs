//! Adapters that lie, one lie each: none of them gets a verdict that it has not earned, and each is told what it did in one line.
//!
//! This program is the test, the adapters (`adapter LIE`) and their workers.

mod adapter;
#[path = "../program/mod.rs"]
mod program;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use adapter::{Helper, Lie};
use program::{File, Said, harness};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["adapter", lie] => adapter::main(Lie::named(lie).expect("it is one of these")),
        ["helper", socket] => Helper::main(socket),
        ["task", socket, key, lie] => {
            let lie = Lie::named(lie).expect("it is one of these");
            println!(
                "{}",
                adapter::puppet(socket, key.parse().expect("a number"), lie)
            );
        }
        _ => return test(),
    }
    ExitCode::SUCCESS
}

fn test() -> ExitCode {
    let trials = TESTS.iter().map(|(name, test)| {
        Trial::test(*name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// The tests by their names.
macro_rules! tests {
    ($($name:ident)*) => {
        const TESTS: &[(&str, fn())] = &[$((stringify!($name), $name)),*];
    };
}

tests! {
    the_honest_one_passes
    an_exit_code_is_told_first_and_nothing_declined_excuses_it
    a_wrong_value_is_not_excused_by_a_row_about_order
    no_pass_at_all_is_not_green
    a_case_that_expects_nothing_is_no_pass
    workers_that_are_no_processes_break_w3
    a_thread_that_is_not_there_is_noticed
    what_is_left_is_found_wherever_it_hides
    a_launcher_is_understood
    what_is_wrong_with_a_message_is_one_line
    polls_that_are_understated_are_named
    an_interpreter_that_is_missing_is_named
    a_handle_that_nobody_keeps_is_let_go
    a_launcher_hides_no_exit_code
    a_spokesman_is_not_the_adapter
    a_list_of_expected_failures_excuses_no_exit_code
}

const JOBS: &str = "spec: 1
title: two jobs have their values
covers: [O5, L9]
tasks:
  func(i):
    - sleep: 1
    - return: i * 2
main:
  - pool: 2
  - apply_async: func(1)
    as: first
  - apply_async: func(2)
    as: second
  - get: second
    as: two
  - get: first
    as: one
  - print: \"{one} {two}\"
  - close
  - join
expect: { output: [\"2 4\"] }
";

const IN_ORDER: &str = "spec: 1
title: the queue is no stack
covers: [O5]
tasks:
  func(i):
    - sleep: 1
    - print: \"{i}\"
main:
  - pool: 1
  - for: i in range(3)
    do:
      - apply_async: func(i)
  - sleep: 4
  - close
  - join
expect:
  timeline: { 1: [0], 2: [1], 3: [2] }
";

/// The path by which the harness starts a liar: a shell that becomes it.
fn liar(lie: Lie) -> File {
    let program = std::env::current_exe().expect("it is there");
    let program = program.display();
    File::program(
        "liar.sh",
        &format!("#!/bin/sh\nexec '{program}' adapter {lie:?}\n"),
    )
}

/// Runs a case on a liar.
fn run(lie: Lie, case: &str) -> Said {
    let (liar, case) = (liar(lie), File::new("case.yaml", case));
    harness(&["run", case.path(), "--on", liar.path()])
}

fn adapter_test(lie: Lie) -> Said {
    harness(&["adapter-test", liar(lie).path()])
}

/// Everything fails, and the line that is told first says why.
#[track_caller]
fn fails_alike(said: Said, reason: &str) {
    let said = said.ends_with(1);
    let first = said.out.lines().find(|line| line.starts_with("FAIL"));
    let first = first.unwrap_or_default();
    assert!(
        first.contains("for one reason: ") && first.contains(reason),
        "no {reason:?} in:\n{}",
        said.out
    );
}

fn the_honest_one_passes() {
    run(Lie::Honest, JOBS).ends_with(0).says(": 1 pass");
    run(Lie::Honest, IN_ORDER).ends_with(0).says(": 1 pass");
    adapter_test(Lie::Honest).ends_with(0).does_not_say("FAIL");
}

fn an_exit_code_is_told_first_and_nothing_declined_excuses_it() {
    for (lie, how) in [
        (Lie::EndsWith70, "with exit code 70"),
        (Lie::EndsBySignal, "by SIGKILL"),
    ] {
        let how = format!("the program ended {how} after its main had returned");
        fails_alike(adapter_test(lie), &how);
        let said = run(lie, JOBS).ends_with(1).says(": 1 FAIL");
        let mut told = said
            .out
            .lines()
            .skip_while(|line| !line.starts_with("FAIL"));
        assert!(
            told.nth(1).is_some_and(|line| line.contains(&how)),
            "{}",
            said.out
        );
        let liar = liar(lie);
        fails_alike(harness(&["run", "submit", "--on", liar.path()]), &how);
    }
}

fn a_wrong_value_is_not_excused_by_a_row_about_order() {
    run(Lie::OneMore, JOBS)
        .ends_with(1)
        .says("was given 5, which no task of its job returned")
        .says("breaks R3");
}

fn no_pass_at_all_is_not_green() {
    run(Lie::NewestFirst, IN_ORDER)
        .ends_with(1)
        .says("1 pass without")
        .says("no pass: thread:");
    run(Lie::CanNothing, JOBS)
        .ends_with(1)
        .says("1 n/a")
        .says("no pass: thread:");
    let (liar, case) = (liar(Lie::CanNothing), File::new("case.yaml", JOBS));
    let on = format!("thread,{}", liar.path());
    harness(&["run", case.path(), "--on", &on])
        .ends_with(1)
        .says("thread: 1 pass")
        .says("no pass: thread:/");
    adapter_test(Lie::CanNothing)
        .ends_with(1)
        .says("no pass: thread:");
}

fn a_case_that_expects_nothing_is_no_pass() {
    let silent = JOBS.split("expect:").next().expect("it has a beginning");
    run(Lie::Honest, silent)
        .ends_with(1)
        .says(": 1 expects nothing")
        .says("`spec-harness new ")
        .does_not_say("1 pass");
}

fn workers_that_are_no_processes_break_w3() {
    let own =
        "which is the adapter itself: a worker of kind process is a process of its own (breaks W3)";
    run(Lie::OwnThreads, JOBS).ends_with(1).says(own);
    fails_alike(adapter_test(Lie::OwnThreads), own);
    let one = "a worker of kind process is a process of its own (breaks W3)";
    run(Lie::OneProcess, JOBS)
        .ends_with(1)
        .says("puppets 0 and 1 run at a time in process")
        .says(one);
}

fn a_thread_that_is_not_there_is_noticed() {
    let none = "puppet 0 says that it runs on thread 1 of process ";
    run(Lie::NoSuchThread, JOBS)
        .ends_with(1)
        .says(none)
        .says("which has no such thread");
    fails_alike(adapter_test(Lie::NoSuchThread), none);
}

fn what_is_left_is_found_wherever_it_hides() {
    for lie in [Lie::Daemon, Lie::DaemonOfTask] {
        let said = run(lie, JOBS)
            .ends_with(1)
            .says("the program has ended and left sleep (pid ");
        let (_, rest) = said
            .out
            .split_once("left sleep (pid ")
            .expect("it was said");
        let pid = rest.split(')').next().expect("a number");
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        assert!(state.is_err(), "{}", state.unwrap_or_default());
    }
}

/// Starts the honest adapter as a part of this line of a shell.
fn launched(line: &str) -> File {
    let program = std::env::current_exe().expect("it is there");
    let line = line.replace(
        "ADAPTER",
        &format!("'{}' adapter Honest", program.display()),
    );
    File::program("launcher.sh", &format!("#!/bin/sh\n{line}\n"))
}

fn a_launcher_is_understood() {
    let case = File::new("case.yaml", JOBS);
    for line in [
        "ADAPTER; exit $?",
        "sh -c \"true; ADAPTER; exit \\$?\"",
        "env A=b ADAPTER",
    ] {
        let launcher = launched(line);
        harness(&["run", case.path(), "--on", launcher.path()])
            .ends_with(0)
            .says(": 1 pass");
        harness(&["adapter-test", launcher.path()])
            .ends_with(0)
            .does_not_say("FAIL");
    }
    let launcher = launched("ADAPTER; exit 3");
    fails_alike(
        harness(&["adapter-test", launcher.path()]),
        "the program ended with exit code 3",
    );
}

fn what_is_wrong_with_a_message_is_one_line() {
    let lines = [
        (
            Lie::BlankLine,
            "in line 2 of the adapter's stdout: the line is empty",
        ),
        (
            Lie::CarriageReturn,
            "in line 1 of the adapter's stdout: the line ends with CR LF",
        ),
        (
            Lie::WrongId,
            "the adapter answers request 7 in line 1 of its stdout; hello, the only one that is open, has the id 0",
        ),
        (
            Lie::UnknownAbility,
            "`can` has `call_backs`, which is no ability; did you mean `callback`?",
        ),
    ];
    for (lie, line) in lines {
        fails_alike(adapter_test(lie), line);
        run(lie, JOBS).ends_with(1).says(line);
    }
}

fn polls_that_are_understated_are_named() {
    run(Lie::UnderstatedPolls, JOBS)
        .ends_with(1)
        .says("more than three times the 1ms that `polls` says");
}

fn an_interpreter_that_is_missing_is_named() {
    let case = File::new("case.yaml", JOBS);
    let missing = [
        (
            "#!/nowhere/python3",
            "its interpreter `/nowhere/python3` (line 1) is not here",
        ),
        (
            "#!/usr/bin/env no-such-python",
            "its interpreter `no-such-python` (line 1) is in no folder of PATH",
        ),
    ];
    for (first, line) in missing {
        let script = File::program("script.py", &format!("{first}\nprint()\n"));
        fails_alike(harness(&["adapter-test", script.path()]), line);
        harness(&["run", case.path(), "--on", script.path()])
            .ends_with(1)
            .says(line);
    }
}

fn a_handle_that_nobody_keeps_is_let_go() {
    run(Lie::CountsHandles, IN_ORDER)
        .ends_with(0)
        .says(": 1 pass");
    run(Lie::CountsHandles, JOBS)
        .ends_with(1)
        .says("the program ended with exit code 2");
}

/// Whether the kernel says how a process ended that somebody else has waited for.
fn kernel_tells() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

fn a_launcher_hides_no_exit_code() {
    if !kernel_tells() {
        eprintln!("not done: Linux is older than 6.15");
        return;
    }
    let program = std::env::current_exe().expect("it is there");
    let line = format!("'{}' adapter EndsWith70; exit 0", program.display());
    let launcher = File::program("launcher.sh", &format!("#!/bin/sh\n{line}\n"));
    fails_alike(
        harness(&["adapter-test", launcher.path()]),
        "the program ended with exit code 70",
    );
}

fn a_spokesman_is_not_the_adapter() {
    run(Lie::Spokesman, JOBS)
        .ends_with(1)
        .says("only one of them is the adapter");
}

fn a_list_of_expected_failures_excuses_no_exit_code() {
    let (liar, case) = (liar(Lie::EndsWith70), File::new("case.yaml", JOBS));
    let list = "- id: ends-so\n  cases: [case]\n  kinds: [thread]\n  versions: ['1']\n  why: so\n";
    std::fs::write(liar.folder().join("liar.expected-failures.yaml"), list).expect("it is ours");
    let said = harness(&[
        "run",
        case.path(),
        "lifecycle/an-idle-pool-ends",
        "--on",
        liar.path(),
    ]);
    said.ends_with(1)
        .says("2 FAIL")
        .does_not_say("expected failure");
}
