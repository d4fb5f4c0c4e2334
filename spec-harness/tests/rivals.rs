//! Adapters of other people's pools do as they declare and as their lists say, where what they need is here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use spec_harness::judge::ExpectedFailures;

/// Cases that need little.
const ANYBODY: [&str; 3] = [
    "handle/wait-never-fails",
    "lifecycle/an-idle-pool-ends",
    "submit/apply-waits-for-its-own-task",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/adapters")
}

/// Runs the cases of an adapter's list, and a few that any pool passes; says so where that is not possible.
#[track_caller]
fn keeps_to_its_list(adapter: &str, needs: &str) {
    if Command::new(needs).arg("--version").output().is_err() {
        eprintln!("not done: there is no {needs} for {adapter}");
        return;
    }
    let path = folder().join(adapter);
    let list =
        fs::read_to_string(path.with_extension("expected-failures.yaml")).expect("there is a list");
    let list = ExpectedFailures::parse(&list).expect("it is in order");
    let cases = list.entries().iter().flat_map(|entry| &entry.cases);
    let output = Command::new(env!("CARGO_BIN_EXE_spec-harness"))
        .args(["run", "--exact"])
        .args(cases)
        .args(ANYBODY)
        .arg("--on")
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    // Another version than those on the list may do otherwise; that it is newer than listed is said, and fails nothing.
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("{} pass", ANYBODY.len())), "{said}");
}

#[test]
fn process_pool_executor_keeps_to_its_list() {
    keeps_to_its_list("process-pool-executor.py", "python3");
}

#[test]
fn node_worker_threads_keep_to_their_list() {
    keeps_to_its_list("node-worker-threads.mjs", "node");
}

#[test]
fn every_list_is_in_order_and_names_cases_that_exist() {
    let mut lists = 0;
    for path in files() {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| name.ends_with(".expected-failures.yaml")) else {
            continue;
        };
        let text = fs::read_to_string(&path).expect(name);
        let list = ExpectedFailures::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for entry in list.entries() {
            let exists = |case: &String| spec_cases::CASES.iter().any(|(known, _)| known == case);
            assert!(entry.cases.iter().all(exists), "{name}: {entry:?}");
        }
        lists += 1;
    }
    assert!(lists >= 4, "{lists}");
}

#[test]
fn every_adapter_can_be_started_and_stands_on_the_page() {
    use std::os::unix::fs::PermissionsExt;
    let page = fs::read_to_string(folder().join("README.md")).expect("there is a page");
    for path in files() {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if !matches!(ending, Some("py" | "mjs" | "sh")) {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("it is text");
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
        let mode = fs::metadata(&path).expect(name).permissions().mode();
        assert!(mode & 0o100 != 0, "{name}");
    }
}

fn files() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder()).expect("there is a folder");
    entries.map(|entry| entry.expect("it can be read").path())
}
