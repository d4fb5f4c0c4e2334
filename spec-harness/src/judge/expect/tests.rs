//! Expectations against runs made by hand: each part holds, and is missed when it does not.

use super::*;
use crate::judge::sample::Sample;

const HEAD: &str = "spec: 1
title: t
tasks:
  f(i):
    - print: \"{i}\"
main:
  - pool: { size: 2, name: p }
  - apply_async: f(0)
  - apply_async: f(1)
expect:
";

fn case(expect: &str) -> Case {
    let text = format!("{HEAD}{expect}");
    Case::parse("t", &text).unwrap_or_else(|problems| {
        let shown: Vec<_> = problems.iter().map(|p| p.render(&text, false)).collect();
        panic!("{}", shown.join("\n"))
    })
}

fn run() -> History {
    Sample::wave().history
}

fn check(expect: &str) -> Vec<Reason> {
    mismatches(&case(expect), Kind::Process, &run())
}

#[track_caller]
fn differs(expect: &str, part: &str, left: &[&str], right: &[&str]) {
    match &check(expect)[..] {
        [
            Reason::Mismatch {
                what,
                expected,
                seen,
                ..
            },
        ] => {
            assert_eq!(
                (*what, &expected[..], &seen[..]),
                (part, &owned(left)[..], &owned(right)[..])
            );
        }
        other => panic!("one mismatch was expected: {other:?}"),
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn what_is_as_expected_gives_no_reason() {
    let all = "  timeline: { 1: ['1', '0'] }
  output: [any: ['1', '0']]
  elapsed: 1
  tasks: { f: done }
  workers: { distinct: 2, reaped: true }
  order: [start f(0) < start f(1), start f < end f(0)]
";
    assert_eq!(check(all), []);
}

#[test]
fn a_line_at_another_instant_is_missed() {
    differs(
        "  timeline: { 0: ['0'], 1: ['1'] }\n",
        "timeline",
        &["0: 0", "1: 1"],
        &["1: 1", "1: 0"],
    );
}

#[test]
fn lines_in_another_order_are_missed() {
    differs("  output: ['1', '0']\n", "output", &["1", "0"], &["0", "1"]);
}

#[test]
fn a_line_too_many_is_missed() {
    differs("  output: ['0']\n", "output", &["0"], &["0", "1"]);
}

#[test]
fn another_duration_is_missed() {
    differs("  elapsed: 2\n", "elapsed", &["2"], &["1"]);
}

#[test]
fn another_fate_is_missed() {
    differs(
        "  tasks: { 'f(0)': never, 'f(1)': done }\n",
        "tasks",
        &["f(0): never"],
        &["f(0): done"],
    );
}

#[test]
fn another_number_of_workers_is_missed() {
    differs(
        "  workers: { distinct: 3 }\n",
        "workers",
        &["distinct: 3"],
        &["distinct: 2"],
    );
}

#[test]
fn an_order_that_does_not_hold_is_missed() {
    let seen = ["start f(1) at 0", "end f(0) at 1"];
    differs(
        "  order: [end f(0) < start f(1)]\n",
        "order",
        &["end f(0) < start f(1)"],
        &seen,
    );
}

#[test]
fn a_worker_may_have_any_name() {
    let mut run = Sample::pool(2);
    run.apply_async(0).begin(0, 0).print(0, "I am w0").end(0);
    run.apply_async(1)
        .begin(1, 1)
        .print(1, "I am w1")
        .end(1)
        .exit();
    let expect = case("  output: ['I am {worker}', 'I am {worker}']\n");
    assert_eq!(mismatches(&expect, Kind::Thread, &run.history), []);
}

#[test]
fn one_kind_of_worker_may_have_expectations_of_its_own() {
    let case =
        case("  output: []\non:\n  thread:\n    expect:\n      timeline: { 1: ['0', '1'] }\n");
    assert_eq!(mismatches(&case, Kind::Thread, &run()), []);
    assert_eq!(mismatches(&case, Kind::Process, &run()).len(), 1);
}
