//! `adapter-test`: good adapters pass, bad ones are told what is wrong, in one line where it is one thing.

use super::foreign::python;
use super::*;

fn test(path: &str) -> Said {
    harness(&["adapter-test", path, "--patience", "4"])
}

/// Tests but these abilities, and hello.
fn test_of(path: &str, about: &[&str]) -> Said {
    harness(&[&["adapter-test", path, "--patience", "4"], about].concat())
}

/// It fails, and says why in one line.
#[track_caller]
fn fails_at_once(path: &str, what: &str, reason: &str) {
    let said = test(path).ends_with(1);
    let told = said.out.lines().filter(|line| line.starts_with("FAIL"));
    let told: Vec<&str> = told.collect();
    let one = format!("{what} fails for one reason: ");
    assert!(
        told.len() == 1 && told[0].contains(&one) && told[0].contains(reason),
        "{}",
        said.out
    );
    said.does_not_say("\nok ");
}

#[test]
fn the_minimal_adapter_passes() {
    if !python() {
        return;
    }
    let path = format!(
        "{}/examples/adapters/minimal.py",
        env!("CARGO_MANIFEST_DIR")
    );
    test(&path)
        .ends_with(0)
        .says(": ThreadPoolExecutor 1\n")
        .says("ok    hello ")
        .says("ok    threads ")
        .says(
            "note  join                a join before close is an error named StillRunning: here, ",
        )
        .says("-     not in `can`: wait, successful, stats, starmap")
        .does_not_say("FAIL");
}

#[test]
fn our_own_adapters_pass_every_check_that_is_for_their_kind() {
    for kind in ["thread", "process"] {
        let text = format!("#!/bin/sh\nexec {PROGRAM} adapter {kind}\n");
        let file = File::program(&format!("ours-{kind}.sh"), &text);
        let said = test(&format!("{kind}:{}", file.path())).ends_with(0);
        said.does_not_say("\nnote").does_not_say("FAIL");
    }
}

#[test]
fn one_reason_is_one_line() {
    fails_at_once(
        &adapter("dies-at-once"),
        "everything",
        "the adapter ended with exit code 3 before it answered hello",
    );
    fails_at_once(
        &adapter("is-silent"),
        "everything",
        "the adapter fell asleep without answering hello (is its answer still in a buffer?",
    );
    fails_at_once(
        &adapter("refuses"),
        "everything",
        "the adapter refuses hello: Protocol: protocol 1 is not spoken here",
    );
    fails_at_once(
        &adapter("says-too-little"),
        "everything",
        "the adapter's answer to hello: missing field `kinds`",
    );
    fails_at_once(
        &adapter("prints-rubbish"),
        "everything",
        "the line is not JSON: Traceback",
    );
    fails_at_once(
        &adapter("dies-in-a-call"),
        "everything but hello",
        "the adapter ended with exit code 4 in the middle of the program",
    );
    fails_at_once(
        &adapter("answers-wrongly"),
        "everything but hello",
        "no task ever connects to the socket that hello names",
    );
    let file = File::new("is-no-program", "");
    fails_at_once(file.path(), "everything", "cannot be started");
}

#[test]
fn an_adapter_that_is_not_there_is_a_matter_of_usage() {
    test("./nowhere").ends_with(2).complains("`./nowhere`");
    test_of(&adapter("hangs"), &["threds"])
        .ends_with(2)
        .complains("did you mean `threads`?");
}

/// The minimal adapter, with this in place of that.
fn changed(this: &str, that: &str, name: &str) -> File {
    let text = include_str!("../../examples/adapters/minimal.py");
    assert!(text.contains(this), "{this}");
    File::program(name, &text.replace(this, that))
}

#[test]
fn a_time_limit_that_is_not_kept_is_named() {
    if !python() {
        return;
    }
    let file = changed("result(timeout)", "result()", "for-ever.py");
    harness(&["adapter-test", file.path(), "timeout", "--patience", "4"])
        .ends_with(1)
        .says("everything sleeps without one: is its `timeout` kept?");
}

#[test]
fn a_single_mistake_is_shown_beside_what_was_said() {
    if !python() {
        return;
    }
    let late = changed(".done(),", ".done() or True,", "always-ready.py");
    test_of(late.path(), &["get", "ready"])
        .ends_with(1)
        .says("FAIL  ready ")
        .says("the check is false")
        .says("the last messages")
        .says(r#"to the adapter    {"by":"main","cmd":"ready""#)
        .says("ok    get ");
    let unnamed = changed(
        r#"kind, text = "NotRunning", str(error)"#,
        "raise error",
        "unnamed.py",
    );
    test_of(unnamed.path(), &["close"])
        .ends_with(1)
        .says("FAIL  close ");
    let one = changed(
        "threading.Thread(target=perform, args=(calls,), daemon=True).start()",
        "callers[request[\"by\"]] = callers[\"main\"]",
        "one-caller.py",
    );
    test_of(one.path(), &["threads"])
        .ends_with(1)
        .says("FAIL  threads ");
    let strange = changed(r#"+ ["threads"]"#, r#"+ ["threds"]"#, "strange.py");
    test_of(strange.path(), &["threads"])
        .ends_with(1)
        .says("everything fails for one reason: the adapter's answer to hello: `can` has `threds`, which is no ability; did you mean `threads`?");
}

#[test]
fn a_pool_that_polls_is_told_to_say_so() {
    if !python() {
        return;
    }
    let this = "perform(callers[\"main\"])";
    let that = "threading.Thread(target=lambda: [__import__('time').sleep(0.02) for _ in iter(int, 1)], daemon=True).start()\nperform(callers[\"main\"])";
    let polls = changed(this, that, "polls.py");
    fails_at_once(
        polls.path(),
        "everything but hello",
        "does not declare that it polls",
    );
    let text = fs::read_to_string(polls.path()).expect("it is there");
    let says_so = r#""declines": DECLINES, "polls": "20ms"}"#;
    let text = text.replace(r#""declines": DECLINES}"#, says_so);
    fs::write(polls.path(), text).expect("it is ours");
    test_of(polls.path(), &["apply", "get"])
        .ends_with(0)
        .says("ok    get ");
}
