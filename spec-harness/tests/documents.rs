//! The documents that cases are taken from, asked about on the command line.

mod program;

use program::Said;

/// The exit code and the output of the command line.
fn harness(arguments: &[&str]) -> (Option<i32>, String) {
    let Said { code, out, .. } = program::harness(arguments);
    (code, out)
}

#[test]
fn what_documents_claim_is_told_with_what_happens() {
    let (code, told) = harness(&["list", "--claims", "--source", "004"]);
    assert_eq!(code, Some(0), "{told}");
    for part in [
        "004 what a pool of processes is",
        "\"`close` waits until all tasks are done\" (lines 13, 68)\n    no: it only refuses further work",
        "\"`join` has to come after `close` or `terminate`\" (line 12)\n    yes [tutorial/S004-1]",
        "not always: ",
        "\n8 claims: 1 yes, 2 not always, 5 no\n",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(told.lines().all(|line| line.len() <= 100), "{told}");
    let (_, one) = harness(&["list", "--claims", "S003-1"]);
    assert!(
        one.ends_with("\n1 claim: 0 yes, 1 not always, 0 no\n"),
        "{one}"
    );
}
