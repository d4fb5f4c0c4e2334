//! What a failure shows: expected beside seen, the first broken rule, the run's picture, and how to see it again.

mod program;

use program::{Folder, Said, adapter, harness, with};

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

/// What `run` says of the failures, each from its headline to the command that repeats it.
fn failures(arguments: &[&str]) -> Vec<String> {
    let folder = Folder::new();
    folder.write("wrong.yaml", WRONG);
    let said = with(&[&["run"], arguments].concat(), |command| {
        command.current_dir(folder.path());
        command.env("COLUMNS", "90").env("LC_ALL", "C.UTF-8");
    });
    let said = said.ends_with(1).out;
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
    let on = format!("thread:{}", adapter("answers-wrongly"));
    let shown = failures(&["submit", "lifecycle", "--on", &on]);
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
    let run = |order: &str| -> Said {
        let run = ["run", "--exact", "tutorial/S004-1", "--on", "thread"];
        harness(&[&run[..], &["--order", order]].concat())
    };
    run("3:1").ends_with(0);
    run("3:1,2:1")
        .ends_with(2)
        .complains("`2:1` is not a later turn");
}
