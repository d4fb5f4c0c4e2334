//! Somebody else's pool: what it declines, and how it is shown to whoever tries it for the first time.

use super::*;

const VARIANT: &str = "tests/adapters/variant.py";

/// Whether there is a Python; says so where there is none.
pub(super) fn python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        eprintln!("not done: there is no python3");
    }
    found
}

/// Runs the built-in cases on the minimal adapter with another hello.
fn variant(hello: &str, newest_first: bool, arguments: &[&str]) -> Said {
    let path = format!("{}/{VARIANT}", env!("CARGO_MANIFEST_DIR"));
    let arguments = [&["run", "--on", &path], arguments].concat();
    with(&arguments, |command| {
        command.env("HELLO", hello);
        if newest_first {
            command.env("NEWEST_FIRST", "1");
        }
    })
}

const STEALS: &str = r#"{"declines": {"O5": "work stealing"}}"#;

const DECLINES_NOTHING: &str = r#"{"declines": {}}"#;

/// A case in which the order of the starts matters.
fn first_in_first_out(test: &str) -> File {
    let case = "spec: 1
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
  - close
  - join
expect:
  timeline: { 1: [0], 2: [1], 3: [2] }
";
    File::new(&format!("{test}.yaml"), case)
}

#[test]
fn what_is_declined_is_no_failure() {
    if !python() {
        return;
    }
    let case = first_in_first_out("declined");
    variant(DECLINES_NOTHING, true, &[case.path()])
        .ends_with(1)
        .says("breaks O5");
    variant(STEALS, true, &[case.path(), "an-idle-pool-ends"])
        .ends_with(0)
        .says("1 pass, 1 pass without")
        .says("pass without O5")
        .says("O5: work stealing");
}

#[test]
fn what_is_declined_excuses_nothing_else() {
    if python() {
        let other = r#"{"declines": {"O6": "any order will do"}}"#;
        let case = first_in_first_out("declined-otherwise");
        variant(other, true, &[case.path()])
            .ends_with(1)
            .says("breaks O5");
    }
}

#[test]
fn a_decline_that_holds_after_all_is_told() {
    if python() {
        let case = first_in_first_out("declined-for-nothing");
        variant(STEALS, false, &[case.path()])
            .ends_with(0)
            .says("declines O5 (work stealing), and holds it in every case here that shows it");
    }
}

#[test]
fn to_decline_what_is_no_row_is_refused() {
    if python() {
        variant(r#"{"declines": {"O55": "?"}}"#, false, &[IDLE])
            .ends_with(2)
            .complains("declines `O55`, which is no row of the contract");
    }
}

#[test]
fn the_minimal_adapter_does_what_it_declares() {
    if python() {
        let path = format!(
            "{}/examples/adapters/minimal.py",
            env!("CARGO_MANIFEST_DIR")
        );
        let said = harness(&["run", "--on", &path]).ends_with(0);
        said.does_not_say("FAIL")
            .says("pass without")
            .says("cannot `allocate`, `call_from_callback`");
    }
}

#[test]
fn many_failures_are_shown_by_the_rows_of_the_contract() {
    if !python() {
        return;
    }
    // A pool of one worker fails wherever two are to work at a time.
    let path = format!("{}/{VARIANT}", env!("CARGO_MANIFEST_DIR"));
    let run = |more: &[&str]| {
        with(&[&["run", "--on", &path], more].concat(), |command| {
            command.env("WORKERS", "1");
        })
    };
    let brief = run(&["S001", "S002", "submit"]).ends_with(1);
    let brief = brief
        .says("row  promise")
        .says("\nO5 ")
        .says("FAIL ")
        .says("one in full: spec-harness run --exact ")
        .does_not_say("breaks C1");
    assert!(brief.out.lines().count() < 60, "{}", brief.out);
    let full = run(&["--full", "S001", "S002", "submit"]).ends_with(1);
    full.says("breaks C1").does_not_say("one in full");
}

#[test]
fn an_adapter_that_always_fails_alike_says_so_in_one_line() {
    let path = adapter("dies-at-once");
    let said = harness(&["run", "--on", &path, "lifecycle"]).ends_with(1);
    let lines = said.out.lines();
    let told = lines.filter(|line| line.contains("before it answered hello"));
    assert_eq!(told.count(), 1, "{}", said.out);
    said.says("every case that runs fails for one reason: the adapter ended with exit code 3");
}
