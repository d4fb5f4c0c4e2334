//! Tasks that do not what they are told: the case fails with a clear reason, others go on, and nothing stays.

use super::foreign::python;
use super::*;

const CASE: &str = "spec: 1
title: one task
tasks:
  func(i):
    - sleep: 1
    - return: i * 2
main:
  - pool: 1
  - apply: func(4)
    as: value
  - print: \"{value}\"
expect: { output: [\"8\"] }
";

/// Runs the case on an adapter whose task does this, beside threads; each has to come to its own.
fn run(mode: &str) -> Said {
    let case = File::new(&format!("{mode}.yaml"), CASE);
    let path = format!(
        "thread:{}/tests/adapters/hostile.py",
        env!("CARGO_MANIFEST_DIR")
    );
    let on = format!("{path},thread");
    let said = with(&["run", case.path(), "--on", &on], |command| {
        command.env("MODE", mode);
    });
    said.says("\nthread: 1 pass")
}

#[test]
fn each_is_told_what_it_did() {
    if !python() {
        return;
    }
    run("good").ends_with(0).does_not_say("FAIL");
    let reasons = [
        (
            "silent-connections",
            "more than 256 connections to the socket are open and say nothing",
        ),
        (
            "unknown-key",
            "a puppet says it is 999, which was never submitted",
        ),
        (
            "twice-on-one-connection",
            "puppet 0 begins twice on one connection",
        ),
        ("twice", "func(4) began a second time"),
        (
            "as-a-callback",
            "puppet 0 says it is a callback, it is a task",
        ),
        ("done-unasked", "a puppet says done and was asked nothing"),
        (
            "returned-unasked",
            "a puppet says that a call has returned and made none",
        ),
        (
            "done-before-begin",
            "a puppet says done and was asked nothing",
        ),
        (
            "rubbish",
            "a puppet broke the protocol in line 1 of its connection: the line is not JSON: hello",
        ),
        ("a-huge-line", "a line is longer than 16777216 bytes"),
        ("not-text", "a line is not UTF-8"),
        ("cut", "deadlock: main waits in `apply func(4)` since 0"),
        ("leaves", "the program has ended and left sh"),
    ];
    for (mode, reason) in reasons {
        run(mode).ends_with(1).says(reason).says("1 FAIL");
    }
    let left = processes_called("left-by-a-hostile-task");
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(processes_called("hostile.py"), Vec::<String>::new());
}
