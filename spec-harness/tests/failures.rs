//! What a failure shows: expected beside seen, the first broken rule, the run's picture, and how to see it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spec-harness");

/// Lines that a failure may take.
const MOST: usize = 40;

const WRONG: &str = r#"spec: 1
title: a case that expects what does not happen
tasks:
  work(i):
    - sleep: 1
    - print: "{i} at {clock}"
main:
  - pool: 2
  - map: work
    over: range(6)
    takes: 2
  - close
  - join
expect:
  timeline: { 1: [0 at 1, 1 at 1], 2: [2 at 2, 3 at 2], 3: [4 at 3, 6 at 3] }
  tasks: { "work(5)": raised }
"#;

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("failures");
    fs::create_dir_all(&folder).expect("a place for files");
    fs::write(folder.join("wrong.yaml"), WRONG).expect("a case");
    folder
}

/// What `run` says of the failures, each from its headline to the command that repeats it.
fn failures(arguments: &[&str]) -> Vec<String> {
    let run = Command::new(PROGRAM)
        .arg("run")
        .args(arguments)
        .current_dir(folder())
        .env("COLUMNS", "90")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert_eq!(run.status.code(), Some(1), "{said}");
    let mut failures: Vec<String> = Vec::new();
    let mut open = false;
    for line in said.lines() {
        if line.starts_with("FAIL ") {
            failures.push(String::new());
            open = true;
        }
        if let (true, Some(failure)) = (open, failures.last_mut()) {
            *failure += line;
            failure.push('\n');
        }
        open &= !line.starts_with("  again: ");
    }
    failures
}

#[test]
fn a_failure_looks_like_this() {
    let shown = failures(&["wrong.yaml", "--on", "thread,process"]);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("shown");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("failure", shown.join("\n")));
}

#[test]
fn a_failure_fits_a_screen_whatever_is_wrong() {
    let adapter = format!(
        "thread:{}/tests/adapters/answers-wrongly.sh",
        env!("CARGO_MANIFEST_DIR")
    );
    let shown = failures(&["submit", "lifecycle", "--on", &adapter]);
    assert!(shown.len() > 3, "{shown:?}");
    for failure in shown {
        assert!(failure.lines().count() <= MOST, "{failure}");
        assert!(
            failure.contains("\n  again: spec-harness run --exact "),
            "{failure}"
        );
    }
}

#[test]
fn one_order_of_what_happens_in_an_instant_can_be_repeated() {
    let run = |order: &str| {
        let arguments = [
            "run",
            "--exact",
            "tutorial/S004-1",
            "--on",
            "thread",
            "--order",
            order,
        ];
        let run = Command::new(PROGRAM).args(arguments).output();
        let run = run.expect("the program can be started");
        (
            run.status.code(),
            String::from_utf8_lossy(&run.stderr).into_owned(),
        )
    };
    assert_eq!(run("3:1").0, Some(0));
    let (code, said) = run("3:1,2:1");
    assert_eq!(code, Some(2));
    assert!(said.contains("`2:1` is not a later turn"), "{said}");
}
