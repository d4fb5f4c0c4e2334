//! A harness that is killed, or has next to nothing to start: what it leaves, and what it says.

use super::*;

/// What runs have left in a folder.
fn runs(folder: &Folder) -> usize {
    let names = folder.names();
    names
        .iter()
        .filter(|name| name.starts_with("spec-run-"))
        .count()
}

#[test]
fn what_a_killed_harness_leaves_goes_with_the_next() {
    let place = Folder::new();
    let ready = place.path().join("ready");
    let made = Command::new("mkfifo").arg(&ready).status();
    assert!(made.expect("mkfifo is here").success());
    let mut harness = Command::new(PROGRAM)
        .args(["run", "--exact", IDLE, "--on", &adapter("says-when")])
        .env("TMPDIR", place.path())
        .env("READY", &ready)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program can be started");
    // Returns when the adapter has said that it runs.
    fs::read_to_string(&ready).expect("it can be read");
    harness.kill().expect("it can be killed");
    harness.wait().expect("it has ended");
    assert_eq!(runs(&place), 1);
    let next = with(&["run", "--exact", IDLE, "--on", "thread"], |command| {
        command.env("TMPDIR", place.path());
    });
    next.ends_with(0);
    assert_eq!(runs(&place), 0);
}

#[test]
fn how_much_the_kernel_shows_is_found_out_without_any_program() {
    let evidence = |said: Said| said.out.lines().next().map(str::to_owned);
    let here = evidence(harness(&["doctor"]));
    let bare = with(&["doctor"], |command| {
        command.env("PATH", "/nowhere");
    });
    assert_eq!(evidence(bare), here);
    assert!(here.is_some_and(|line| !line.starts_with("evidence: none")));
}
