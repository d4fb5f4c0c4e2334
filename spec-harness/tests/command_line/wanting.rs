//! A machine that lacks something: what the harness then says, and that it is nobody's failure.

use super::*;

/// A program called python3, in a folder of its own.
fn python3(script: &str) -> File {
    File::program("python3", script)
}

#[test]
fn where_there_is_no_place_for_sockets_nothing_is_run() {
    for command in [&["run", "--on", "thread"][..], &["random"], &["doctor"]] {
        let said = with(command, |command| {
            command.env("TMPDIR", "/nowhere");
        });
        let said = said.ends_with(2).does_not_say("FAIL");
        said.complains("there is no place for sockets in /nowhere, where TMPDIR says: ");
    }
}

#[test]
fn without_descriptors_nothing_is_claimed() {
    for most in ["8", "12", "16"] {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", most, PROGRAM]);
        command.args(["run", "--exact", APPLY, "--on", "thread"]);
        command.args(["--patience", "2"]).stdin(Stdio::null());
        let said = said(command).ends_with(1);
        said.says("thread: 1 unknown").does_not_say("FAIL");
    }
}

#[test]
fn a_python_that_is_of_no_use_is_as_good_as_none() {
    let python = python3("#!/bin/sh\necho 'SyntaxError: invalid syntax' >&2\nexit 1\n");
    let on = |arguments: &[&str]| {
        with(arguments, |command| {
            command.env("PATH", python.folder());
        })
    };
    on(&["run", "--exact", IDLE, "--on", "cpython"])
        .ends_with(0)
        .says("cpython:process: 1 pass")
        .says("not run here, but judged as recorded with 3.")
        .says("with exit code 1 before it answered hello (SyntaxError: invalid syntax)");
}

#[test]
fn output_that_is_lost_is_no_success() {
    let lists = [
        "list",
        "schema",
        "plot S004-1 --on model:thread --svg -",
        "run --exact lifecycle/an-idle-pool-ends --on thread",
    ];
    for arguments in lists {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" > /dev/full", "sh", PROGRAM]);
        command.args(arguments.split(' ')).stdin(Stdio::null());
        said(command)
            .ends_with(2)
            .complains("standard output: No space left on device");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_is_run() {
    let run = ["run", "--exact", IDLE, "--on", "thread", "--report"];
    let said = harness(&[&run[..], &["json=/nowhere/report.json"]].concat()).ends_with(2);
    said.does_not_say("pass")
        .complains("/nowhere/report.json: ");
}
