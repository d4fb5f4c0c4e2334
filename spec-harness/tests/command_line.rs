//! The command line as people meet it: what it prints, its exit codes, and what becomes of bad adapters.

mod program;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use program::{File, Folder, PROGRAM, Said, adapter, harness, said, with};

/// A small case that every implementation runs at once.
const IDLE: &str = "lifecycle/an-idle-pool-ends";

/// A case in which tasks run and results matter.
const APPLY: &str = "submit/apply-waits-for-its-own-task";

#[test]
fn help_is_whole_at_eighty_columns() {
    let of = |command: &[&str]| harness(&[command, &["--help"]].concat()).ends_with(0).out;
    let all = of(&[]);
    let commands = all.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    // A line that is indented further goes on with the one above.
    let commands = commands.filter_map(|line| {
        line.strip_prefix("  ")
            .filter(|line| !line.starts_with(' '))
    });
    let commands: Vec<&str> = commands.filter_map(|line| line.split(' ').next()).collect();
    assert!(commands.len() > 8, "{commands:?}");
    let commands = commands.into_iter().filter(|command| *command != "help");
    let commands: Vec<&str> = commands.collect();
    for help in commands
        .iter()
        .map(|command| of(&[command]))
        .chain([all.clone()])
    {
        let wide = help.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{help}");
    }
}

mod running {
    use super::*;

    #[test]
    fn a_case_that_passes_ends_with_0_and_says_how_much_is_proven() {
        let said = harness(&["run", "--exact", IDLE, "--on", "thread,process"]).ends_with(0);
        assert!(said.out.starts_with("evidence: "), "{}", said.out);
        said.says("thread: 1 pass").says("process: 1 pass");
    }

    #[test]
    fn repeated_runs_are_counted_by_their_transcripts() {
        let said = harness(&["run", "--exact", APPLY, "--on", "thread", "--repeat", "5"]);
        said.ends_with(0)
            .says("5 runs, 1 transcript per case, 0 unknown");
    }

    #[test]
    fn a_failure_shows_expected_beside_seen_and_the_command_that_repeats_it() {
        let case = File::new(
            "wrong.yaml",
            "spec: 1\ntitle: wrong\nmain:\n  - print: one\nexpect:\n  output: [two]\n",
        );
        let said = harness(&["run", case.path(), "--on", "thread"]).ends_with(1);
        let said = said
            .says("expected | seen")
            .says("~ two      | one")
            .says("wrong.yaml:6:");
        let again = format!("again: spec-harness run {} --on thread", case.path());
        said.says(&again);
    }

    #[test]
    fn a_step_that_does_not_hold_is_shown_at_its_place() {
        let case = File::new(
            "step.yaml",
            "spec: 1\ntitle: wrong\nmain:\n  - check: 1 == 2\n",
        );
        let said = harness(&["run", case.path(), "--on", "thread"]).ends_with(1);
        said.says("step.yaml:4:5: the check is false")
            .says("4 |   - check: 1 == 2");
    }

    #[test]
    fn without_python_its_record_is_judged_and_said_to_be_one() {
        let said = with(
            &["run", "--exact", IDLE, "--on", "cpython,thread"],
            |command| {
                command.env("PATH", "/nowhere");
            },
        );
        said.ends_with(0)
            .says("cpython:process: 1 pass")
            .says("recorded: cpython:process, cpython:thread: not run here, but judged as recorded with 3.")
            .says("thread: 1 pass");
    }

    #[test]
    fn what_is_neither_here_nor_on_record_fails_nothing_unless_it_was_named() {
        let case = File::new(
            "new.yaml",
            "spec: 1\ntitle: new\nmain:\n  - print: one\nexpect: { output: [one] }\n",
        );
        let without_python = |arguments: &[&str]| {
            with(arguments, |command| {
                command.env("PATH", "/nowhere");
            })
        };
        without_python(&["run", case.path()])
            .ends_with(0)
            .says("cpython:process: 1 not here")
            .says("thread: 1 pass")
            .says("python3");
        without_python(&["run", case.path(), "--on", "cpython:process,thread"])
            .ends_with(1)
            .says("thread: 1 pass")
            .says("cpython:process was asked for, and nothing was run on it");
    }

    #[test]
    fn runs_are_kept_in_a_folder() {
        let folder = Folder::new();
        let into = folder.path().join("kept");
        let into = into.to_str().expect("the path is text");
        let run = ["run", "--exact", IDLE, "--on", "thread,process"];
        let said = harness(&[&run[..], &["--record", into]].concat()).ends_with(0);
        said.says("recorded: thread: 1 runs");
        let kept = Path::new(into).join(format!("thread/{IDLE}.jsonl"));
        let text = fs::read_to_string(kept).expect("it was written");
        assert!(
            text.starts_with(r#"{"record":1,"name":"pool-thread""#),
            "{text}"
        );
        assert!(text.ends_with("[\"exit\"]\n{\"exit\":0}\n"), "{text}");
        let said = harness(&[&run[..4], &["thread,cpython:thread", "--record", "x"]].concat());
        said.ends_with(2).complains("cpython:thread is one more");
    }

    #[test]
    fn a_case_by_its_path_runs_like_a_built_in_one() {
        let (_, text) = spec_cases::CASES
            .iter()
            .find(|(name, _)| *name == APPLY)
            .expect("it exists");
        let case = File::new("apply.yaml", text);
        harness(&["run", case.path(), "--on", "process"])
            .ends_with(0)
            .says("process: 1 pass");
    }

    /// Interrupts a command as soon as it says something, and gives back what else it says.
    fn interrupted(arguments: &[&str]) -> String {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut first = String::new();
        out.read_line(&mut first).expect("it says something");
        assert!(first.starts_with("evidence: "), "{first}");
        let status = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(status.expect("there is a `kill`").success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("it ends");
        let code = child.wait().expect("it ends").code();
        assert_eq!(code, Some(1), "{rest}");
        assert!(rest.contains("interrupted"), "{rest}");
        rest
    }

    #[test]
    fn an_interrupted_run_ends_at_once_and_claims_nothing() {
        interrupted(&["run", "--on", "thread", "--repeat", "100000"]);
        let on = "thread,process,cpython@recorded";
        let rest = interrupted(&["matrix", "--contract", "--jobs", "1", "--on", on]);
        assert!(!rest.contains("wrong:"), "{rest}");
    }

    #[test]
    fn a_file_of_output_holds_no_colours() {
        let said = harness(&["run", "--exact", IDLE, "--on", "thread"]).does_not_say("\u{1b}");
        said.ends_with(0);
        let forced = with(&["run", "--exact", IDLE, "--on", "thread"], |command| {
            command.env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
        });
        forced.says("\u{1b}[32mpass");
        let refused = with(&["run", "--exact", IDLE, "--on", "thread"], |command| {
            command.env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
        });
        refused.does_not_say("\u{1b}");
    }
}

mod usage {
    use super::*;

    #[test]
    fn a_case_that_does_not_exist_is_refused_with_the_one_that_was_meant() {
        let said = harness(&["run", "tutorial/S004_1"])
            .ends_with(2)
            .complains("tutorial/S004_1");
        said.complains("did you mean `tutorial/S004-1`?");
    }

    #[test]
    fn an_implementation_that_does_not_exist_is_refused() {
        harness(&["run", "--on", "cpyhton"])
            .ends_with(2)
            .complains("`cpyhton`");
    }

    #[test]
    fn an_unknown_option_is_refused() {
        harness(&["run", "--onn", "thread"]).ends_with(2);
    }

    #[test]
    fn a_bad_case_file_is_shown_and_nothing_is_run() {
        let case = File::new("bad.yaml", "spec: 1\ntitle: bad\nmain:\n  - joim\n");
        let said = harness(&["run", IDLE, case.path(), "--on", "thread"]).ends_with(2);
        let said = said
            .says("bad.yaml:4:5")
            .says("did you mean `join`?")
            .says("1 mistake in 1 case file");
        said.does_not_say("pass");
        harness(&["check", case.path()])
            .ends_with(2)
            .says("did you mean `join`?");
    }

    #[test]
    fn a_file_that_does_not_exist_is_refused() {
        harness(&["run", "none.yaml"])
            .ends_with(2)
            .complains("none.yaml");
    }

    #[test]
    fn every_built_in_case_is_in_order() {
        harness(&["check"]).ends_with(0).says("cases are in order");
    }
}

mod listing {
    use super::*;

    #[test]
    fn cases_are_listed_with_their_titles() {
        harness(&["list", IDLE])
            .ends_with(0)
            .says("a pool that never had work closes and joins at once");
    }

    #[test]
    fn cases_are_selected_by_source_and_tag() {
        let said = harness(&["list", "--source", "004", "--tag", "terminate"]).ends_with(0);
        said.says("tutorial/S004-1")
            .does_not_say("S003")
            .does_not_say(IDLE);
        harness(&["list", "--source", "004#S004-2"])
            .says("S004-2")
            .does_not_say("S004-1");
    }

    #[test]
    fn a_row_that_there_is_not_is_refused() {
        harness(&["list", "--row", "O5,Z9"])
            .ends_with(2)
            .complains("`Z9` is no row of the contract");
        // Each is there, but not together: no slip to guess at.
        let said = harness(&["list", "S004-1", "--row", "C2"]).ends_with(2);
        assert!(!said.err.contains("did you mean"), "{}", said.err);
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        let mut child = Command::new(PROGRAM)
            .arg("list")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), complaint.as_str()), (Some(0), ""));
    }
}

/// Each of these breaks one thing; the case fails with a clear reason, the others go on.
mod bad_adapters {
    use super::*;

    /// Runs a case on a bad adapter, beside threads; gives what was said of it.
    #[track_caller]
    fn fails(name: &str, case: &str, reason: &str) {
        let bad = format!("thread:{}", adapter(name));
        let on = format!("{bad},thread");
        let said = harness(&["run", "--exact", case, "--on", &on, "--patience", "2"]).ends_with(1);
        said.says(reason)
            .says("1 FAIL")
            .says("thread: 1 pass")
            .says(&format!("--on {bad}"));
    }

    #[test]
    fn one_that_dies_at_once() {
        fails(
            "dies-at-once",
            IDLE,
            "the adapter ended with exit code 3 before it answered hello",
        );
    }

    #[test]
    fn its_last_words_are_told() {
        fails("dies-at-once", IDLE, "no such library");
    }

    #[test]
    fn one_that_dies_in_a_call() {
        fails(
            "dies-in-a-call",
            IDLE,
            "the adapter ended with exit code 4 in the middle of the program",
        );
    }

    #[test]
    fn one_that_answers_nothing() {
        fails("hangs", IDLE, "deadlock: main waits in `pool of 3` since 0");
    }

    #[test]
    fn what_it_says_before_it_hangs_is_told() {
        fails("hangs", IDLE, "no words for that");
    }

    #[test]
    fn one_that_does_not_introduce_itself() {
        fails("is-silent", IDLE, "without answering hello");
    }

    #[test]
    fn one_that_prints_rubbish() {
        fails("prints-rubbish", IDLE, "the line is not JSON: Traceback");
    }

    #[test]
    fn one_that_answers_without_running_anything() {
        fails(
            "answers-wrongly",
            APPLY,
            "returned 42, but func(1) had not returned",
        );
    }

    #[test]
    fn one_that_leaves_a_process_behind() {
        fails(
            "leaves-a-process",
            IDLE,
            "nothing of the program is left when it has ended",
        );
        assert_eq!(
            processes_called("left-behind-by-a-test"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn one_that_is_no_program() {
        let file = File::new("no-program", "");
        let on = format!("thread:{},thread", file.path());
        let said = harness(&["run", "--exact", IDLE, "--on", &on]).ends_with(1);
        said.says("cannot be started").says("thread: 1 pass");
    }

    #[test]
    fn without_a_kind_it_is_asked_which_it_has() {
        let path = adapter("hangs");
        let said = harness(&["run", "--exact", IDLE, "--on", &path]).ends_with(1);
        said.says(&format!("thread:{path}"))
            .does_not_say(&format!("process:{path}"));
    }
}

/// Living processes with this word on their command line.
fn processes_called(word: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("there is /proc");
    let lines = processes.filter_map(|process| {
        let line = fs::read(process.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(word)).collect()
}

#[path = "command_line/adapter_test.rs"]
mod adapter_test;
#[path = "command_line/foreign.rs"]
mod foreign;
#[path = "command_line/hostile.rs"]
mod hostile;
#[path = "command_line/killed.rs"]
mod killed;
#[path = "command_line/orders.rs"]
mod orders;
#[path = "command_line/wanting.rs"]
mod wanting;

#[test]
fn doctor_says_what_is_here() {
    let said = harness(&["doctor"])
        .says("evidence: ")
        .says("thread: ")
        .says("process: ");
    said.says("cpython:process: ").says("CPUs: ");
}

#[test]
fn the_scripts_of_bad_adapters_can_be_run() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adapters"))
        .expect("there they are")
    {
        use std::os::unix::fs::PermissionsExt;
        let path = entry.expect("it can be read").path();
        let mode = fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        let script = path
            .extension()
            .is_some_and(|ending| ending == "sh" || ending == "py");
        assert_eq!(script, mode & 0o100 != 0, "{}", path.display());
    }
}

mod showing {
    use super::*;

    const DEATH: &str = "death/a-worker-that-leaves";

    #[test]
    fn plot_draws_what_the_model_has_and_what_runs_have() {
        let said = with(&["plot", "S004-1"], |command| {
            command.env("LC_ALL", "C.UTF-8");
        });
        let said = said.ends_with(0);
        said.says("tutorial/S004-1 on thread workers, as the model has it")
            .says("tutorial/S004-1 on process workers, as the model has it")
            .says("never ran  ┄func(4) … func(9), 6 tasks┄")
            .says("func(4) … func(9) (6 tasks) wait for a free worker");
        let said = harness(&["plot", DEATH, "--on", "thread,process", "--ascii"]).ends_with(0);
        said.says("on process (pool-process ")
            .says("thread: pool-thread cannot `exit_self`")
            .says("%+ lost with its worker");
    }

    #[test]
    fn what_runs_on_the_real_clock_prints_before_it_is_drawn() {
        let case = File::new(
            "nap.yaml",
            "spec: 1\ntitle: a nap\nmain:\n  - sleep: 0.01\n  - print: awake\n",
        );
        let said = harness(&["plot", case.path(), "--on", "thread", "--real-clock"]).ends_with(0);
        said.says("nap on thread\nawake\n\na nap\n");
        harness(&["plot", case.path(), "--real-clock"])
            .ends_with(2)
            .complains("the model runs nothing on the real clock");
    }

    #[test]
    fn plot_writes_one_picture_as_svg() {
        let said = harness(&["plot", "S004-1", "--on", "model:process", "--svg", "-"]).ends_with(0);
        assert!(said.out.starts_with("<svg xmlns="), "{}", said.out);
        harness(&["plot", "S004-1", "--svg", "-"])
            .ends_with(2)
            .complains("these differ: thread workers, as the model has it; process workers");
    }

    #[test]
    fn a_part_of_a_name_that_several_have_is_refused() {
        harness(&["plot", "callback"])
            .ends_with(2)
            .complains("cases match callback: callback/a-callback-that-fails, ");
    }

    #[test]
    fn an_implementation_that_does_not_exist_is_refused() {
        harness(&["plot", "S004-1", "--on", "thred"])
            .ends_with(2)
            .complains("write model, thread, ");
    }
}
