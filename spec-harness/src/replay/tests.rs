//! Adapters that misbehave: each gets a clear ending, and nothing of it is left.

use std::time::Duration;

use super::*;
use crate::history::What;

/// Answers hello, then every request with null, until `$1` occurs in one: then does what follows.
const UNTIL: &str = r#"
read -r line
echo '{"id":0,"ok":{"name":"sh","version":"1","kinds":["thread"],"can":["pool","close","join","exit","timers"]}}'
while read -r line; do
  id=${line##*\"id\":}; id=${id%%[,\}]*}
  case $line in *"$1"*) eval "$2";; esac
  echo "{\"id\":$id,\"ok\":null}"
done
eval "$3"
"#;

const CASE: &str = "spec: 1
title: a pool without work
main:
  - pool: 2
  - close
  - join
expect: { output: [] }
";

fn sh(script: &str, arguments: &[&str]) -> Target {
    let mut command = vec!["sh".into(), "-c".into(), script.into(), "adapter".into()];
    command.extend(arguments.iter().map(OsString::from));
    Target {
        name: "sh".into(),
        command,
        kind: Kind::Thread,
    }
}

fn until(word: &str, then: &str) -> Target {
    sh(UNTIL, &[word, then])
}

fn impatient() -> Runner {
    let limits = Limits {
        silence: Duration::from_secs(3),
        busy: Duration::from_millis(300),
        polling: Duration::from_millis(300),
        ..Limits::default()
    };
    Runner { limits }
}

fn ran(text: &str, target: &Target) -> Ran {
    let case = Case::parse("test", text).unwrap_or_else(|e| panic!("{}", e[0].render(text, false)));
    match impatient().run(&case, target) {
        Outcome::Ran(ran) => *ran,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn broken(target: &Target, words: &[&str]) {
    let ran = ran(CASE, target);
    let Ending::Broken(text) = &ran.history.ending else {
        panic!("{ran:?}");
    };
    for word in words {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
}

#[test]
fn an_adapter_that_behaves_is_believed() {
    let ran = ran(CASE, &until("never", ""));
    assert_eq!(ran.history.ending, Ending::Finished);
    assert_eq!(
        ran.history.events.last().map(|e| &e.what),
        Some(&What::Exit { code: 0 })
    );
    assert_eq!(ran.hello.map(|hello| hello.name).as_deref(), Some("sh"));
}

#[test]
fn an_adapter_that_dies_is_named_with_its_last_words() {
    broken(
        &sh("echo 'no such pool' >&2; exit 3", &[]),
        &["exit code 3", "hello", "no such pool"],
    );
    broken(
        &until("close", "kill -9 $$"),
        &["SIGKILL", "during `close pool`"],
    );
}

#[test]
fn rubbish_is_shown() {
    broken(
        &sh("read -r line; echo Hello World", &[]),
        &["not JSON", "Hello World"],
    );
    broken(
        &until("close", "echo '{\"id\":77,\"ok\":null}'"),
        &["request 77"],
    );
    broken(
        &until("close", "echo '{\"id\":2,\"ok\":{}}'"),
        &["no value"],
    );
    broken(&until("close", "printf '\\377\\n'"), &["UTF-8"]);
}

#[test]
fn output_without_end_has_an_end() {
    let long = "a line is longer than";
    broken(&until("close", "exec cat /dev/zero"), &[long]);
    broken(&sh("exec cat /dev/zero", &[]), &[long]);
    broken(&until("close", "exec yes"), &["not JSON: y"]);
    let endless = r#"exec yes '{"cancel":1}'"#;
    broken(&until("close", endless), &["no end of things"]);
    // Text on stderr is no sign of life, and whoever writes it is not at rest: given up for its work or for its
    // silence, whichever is enough first.
    let ran = ran(CASE, &until("close", "exec yes >&2"));
    let (Ending::Broken(text) | Ending::Unknown(text)) = &ran.history.ending else {
        panic!("{:.300}", format!("{:?}", ran.history.ending));
    };
    // Who writes to a pipe sleeps whenever it is full.
    let said = text.lines().next().unwrap_or_default();
    let who = ["thread yes", "it writes to stderr"];
    assert!(who.iter().any(|who| said.contains(who)), "{said}");
    let why = ["no message", "says nothing"];
    assert!(why.iter().any(|why| said.contains(why)), "{said}");
}

#[test]
fn a_call_is_answered_once() {
    let twice = r#"echo "{\"id\":$id,\"ok\":null}""#;
    broken(
        &until("close", twice),
        &["the adapter answers request 2 in line 4 of its stdout"],
    );
    let late = r#"echo '{"id":3,"ok":null}'"#;
    broken(
        &sh(UNTIL, &["never", "", late]),
        &["the adapter answers request 3 in line "],
    );
    let ahead = r#"echo '{"id":3,"ok":null}'"#;
    broken(
        &until("close", ahead),
        &["the adapter answers request 3 in line "],
    );
}

#[test]
fn an_adapter_that_goes_to_sleep_over_hello_is_not_waited_for() {
    broken(
        &sh("read -r line; read -r never", &[]),
        &["asleep", "hello"],
    );
}

#[test]
fn an_adapter_that_spins_is_told_from_one_that_waits() {
    broken(
        &until("join", "while :; do :; done"),
        &["does not come to rest", "thread sh"],
    );
}

#[test]
fn a_timed_wait_that_was_not_declared_is_unknown_and_never_a_pass() {
    let ran = ran(CASE, &until("join", "sleep 1000"));
    let Ending::Unknown(text) = &ran.history.ending else {
        panic!("{ran:?}");
    };
    assert!(
        text.contains("thread sleep") && text.contains("nanosleep"),
        "{text}"
    );
}

#[test]
fn a_timed_wait_that_ends_soon_or_was_declared_is_waited_for() {
    let declared = UNTIL.replace(r#""version""#, r#""polls":"60ms","version""#);
    for script in [UNTIL, &declared] {
        let ran = ran(CASE, &sh(script, &["join", "sleep 0.05"]));
        assert_eq!(ran.history.ending, Ending::Finished);
    }
}

#[test]
fn a_call_that_never_returns_is_a_proven_deadlock() {
    let ran = ran(CASE, &until("join", "read -r never"));
    let Ending::Deadlock(text) = &ran.history.ending else {
        panic!("{ran:?}");
    };
    assert!(text.contains("main waits in `join pool` since 0"), "{text}");
}

#[test]
fn a_call_that_is_to_block_may() {
    let case = CASE.replace("- join", "- join: pool\n    blocks: forever");
    let ran = ran(&case, &until("join", "read -r never"));
    assert_eq!(ran.history.ending, Ending::Finished);
    assert!(
        ran.history
            .events
            .iter()
            .any(|e| matches!(e.what, What::Blocked { .. }))
    );
}

#[test]
fn a_timer_of_the_implementation_is_an_instant_of_the_virtual_clock() {
    let case = CASE.replace("- join", "- join: pool\n    takes: 3600.5");
    let timer = r#"echo '{"timer":9,"after":3600.5}'; read -r fire; echo '{"id":4,"ok":null}'"#;
    let ran = ran(&case, &until("join", timer));
    assert_eq!(ran.history.ending, Ending::Finished);
    assert!(
        !ran.history
            .events
            .iter()
            .any(|e| matches!(e.what, What::Unmet { .. })),
        "{ran:?}"
    );
}

#[test]
fn a_process_left_behind_is_found_named_and_killed() {
    for left in ["setsid cat /dev/zero > /dev/null &", "setsid sleep 1000 &"] {
        let ran = ran(CASE, &sh(UNTIL, &["never", "", &format!("{left} exit 0")]));
        let Ending::Leaked(text) = &ran.history.ending else {
            panic!("{ran:?}");
        };
        let name = if left.contains("cat") { "cat" } else { "sleep" };
        assert!(text.contains(name), "{text}");
        let pid = text
            .rsplit_once("pid ")
            .and_then(|(_, pid)| pid.trim_end_matches(')').parse::<i32>().ok());
        assert!(
            procfs::stat(pid.unwrap()).is_none(),
            "{text} and is still there"
        );
    }
}

#[test]
fn much_on_stderr_blocks_nobody_and_is_kept_in_part() {
    let flood = "i=0; while [ $i -lt 3000 ]; do echo 'a line of some eighty characters, to be written very many times over and over' >&2; i=$((i+1)); done";
    let ran = ran(CASE, &until("close", flood));
    assert_eq!(ran.history.ending, Ending::Finished);
    assert!(ran.stderr.starts_with("...") && ran.stderr.len() < 64 * 1024);
}

#[test]
fn what_an_adapter_lacks_makes_a_case_not_applicable() {
    let case = CASE.replace("- join", "- terminate");
    let parsed = Case::parse("test", &case).unwrap();
    let outcome = impatient().run(&parsed, &until("never", ""));
    assert_eq!(
        outcome,
        Outcome::NotApplicable("sh cannot `terminate`".into())
    );
}

#[test]
fn an_adapter_that_is_not_installed_is_not_here() {
    let case = Case::parse("test", CASE).unwrap();
    let target = Target {
        name: "x".into(),
        command: vec!["no-such-program-anywhere".into()],
        kind: Kind::Thread,
    };
    assert!(matches!(
        impatient().run(&case, &target),
        Outcome::NotHere(_)
    ));
}

#[test]
fn runs_side_by_side_do_not_disturb_each_other() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(
                        ran(CASE, &until("never", "")).history.ending,
                        Ending::Finished
                    );
                }
            });
        }
    });
}
