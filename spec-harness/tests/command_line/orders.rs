//! Pools that are wrong by one order of same-instant events only, and the command that shows that order again.

use std::env;

use super::foreign::python;
use super::*;

/// Two errors in one instant: which of them is first depends on the order.
const TWO_ERRORS: &str = "spec: 1
title: the first error that came is the map's
covers: [O7]
tasks:
  bad(i):
    - sleep: 1
    - raise: \"ValueError: {i}\"
main:
  - pool: 2
  - map: bad
    over: range(2)
    chunksize: 1
    raises: ValueError
  - close
  - join
expect:
  schedules: rule
";

/// The harness on an adapter whose map fails with its first item's error.
fn by_index(arguments: &[&str]) -> Said {
    with(arguments, |command| {
        command.env("ERROR_BY_INDEX", "1");
    })
}

/// A line that a shell performs, where `spec-harness` is this one.
fn shell(line: &str) -> Said {
    let folder = Path::new(PROGRAM).parent().expect("it lies in a folder");
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [folder.to_owned()]
        .into_iter()
        .chain(env::split_paths(&path));
    let path = env::join_paths(folders).expect("they are paths");
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null());
    command.env("PATH", path).env("ERROR_BY_INDEX", "1");
    said(command)
}

/// What was said of the failure, without times and without how to see it again.
fn failure(said: &Said) -> &str {
    let begin = said.out.find("FAIL two").expect("it fails");
    let end = said
        .out
        .find("  again: ")
        .expect("it says how to see it again");
    &said.out[begin..end]
}

#[test]
fn a_failure_by_one_order_alone_is_shown_again_by_the_command_it_prints() {
    if !python() {
        return;
    }
    // A shell has to take this path for one word.
    let case = File::new("two 'errors'.yaml", TWO_ERRORS);
    let adapter = format!(
        "thread:{}/tests/adapters/variant.py",
        env!("CARGO_MANIFEST_DIR")
    );
    let run = ["run", case.path(), "--on", &adapter];
    by_index(&run).ends_with(0).says("1 pass");
    let said = by_index(&[&run[..], &["--schedules", "all"]].concat()).ends_with(1);
    let said = said
        .says("orders of same-instant events played on the model; the result depends on them in 1 of 1")
        .says("raises ValueError: 1")
        .says("raises ValueError: 0");
    let again = said
        .out
        .lines()
        .find_map(|line| line.trim().strip_prefix("again: "));
    let again = again.expect("it says how to see it again");
    assert!(again.contains(" --order "), "{again}");
    let repeated = shell(again).ends_with(1);
    assert_eq!(failure(&repeated), failure(&said));
    assert!(repeated.out.contains(again), "{}", repeated.out);
    // The report's command is the same.
    let report = File::new("two.json", "");
    let json = format!("json={}", report.path());
    by_index(&[&run[..], &["--schedules", "all", "--report", &json]].concat()).ends_with(1);
    let text = fs::read_to_string(report.path()).expect("it was written");
    let data: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(data["cases"][0]["runs"][0]["again"], again);
}

#[test]
fn an_order_that_no_case_has_is_refused() {
    let case = File::new("no-such-order.yaml", TWO_ERRORS);
    let run = |order| harness(&["run", case.path(), "--on", "thread", "--order", order]);
    run("99:1")
        .ends_with(2)
        .complains("the case has no order 99:1");
    run("0:7")
        .ends_with(2)
        .complains("the case has no order 0:7");
}

#[test]
fn a_case_without_the_order_is_not_applicable() {
    let said = harness(&[
        "run",
        "--exact",
        IDLE,
        "tutorial/S004-1",
        "--on",
        "thread",
        "--order",
        "3:1",
    ]);
    said.ends_with(0)
        .says("the case has no order 3:1")
        .says("thread: 1 pass, 1 n/a");
}
