//! The many kinds of programs in which workers must take their place. What a test needs and the machine lacks is said
//! on stderr, past the test's own capture, and the test passes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn skip(what: &str, why: &str) {
    // Not by `eprintln`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs it; what it has printed, if it ends well.
fn run(command: &mut Command) -> Result<String, Box<dyn std::error::Error>> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output()?;
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr),
    );
    if !status.success() {
        return Err(format!("{command:?}: {status}\n{stdout}\n{stderr}").into());
    }
    Ok(format!("{stdout}{stderr}"))
}

/// Has an example of this crate, and returns the directory where it lies. The whole workspace is named, so that nothing is
/// built with other features of its dependencies than the tests were.
fn examples() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root()).args([
        "build",
        "--quiet",
        "--offline",
        "--workspace",
        "--example",
        "figures",
        "--example",
        "loaded",
    ]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    run(&mut build)?;
    // Test programs lie in `deps` beside the examples.
    let own = std::env::current_exe()?;
    let profile = own.ancestors().nth(2).ok_or("no directory above")?;
    Ok(profile.join("examples"))
}

#[test]
fn an_example_has_workers() -> Outcome {
    let said = run(Command::new(examples()?.join("figures")).arg("--quick"))?;
    for figure in [
        "first pool of a program",
        "fork server there",
        "re-exec",
        "worker killed by its task",
        "apply of a no-op",
        "idle worker of",
    ] {
        assert!(said.contains(figure), "{figure} is not in\n{said}");
    }
    Ok(())
}

#[test]
fn a_library_loaded_into_python_is_refused_a_pool_and_told_why() -> Outcome {
    let script = "\
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.why_not.restype = ctypes.c_ssize_t
text = ctypes.create_string_buffer(4096)
assert 0 < library.why_not(text, ctypes.c_size_t(4096)) <= 4096
print(text.value.decode())";
    let mut python = Command::new("python3");
    if let Err(error) = Command::new("python3").arg("--version").output() {
        skip("a library loaded into Python", &error.to_string());
        return Ok(());
    }
    let library = examples()?.join("libloaded.so");
    let said = run(python.args(["-c", script]).arg(&library))?;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    for line in lines {
        assert!(
            line.contains("libloaded.so, but what would be started again is"),
            "{line}"
        );
        assert!(line.contains("python"), "{line}");
    }
    Ok(())
}

#[test]
fn nextest_runs_the_tests_and_reports_no_leak() -> Outcome {
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root());
        cargo
    };
    if let Err(error) = run(cargo().args(["nextest", "--version"])) {
        let why = error.to_string();
        skip("nextest", why.lines().last().unwrap_or_default());
        return Ok(());
    }
    let mut nextest = cargo();
    nextest.args([
        "nextest",
        "run",
        "--workspace",
        "--offline",
        "--test",
        "pool",
    ]);
    // A test that leaves behind a process which holds its output is named as leaky, and named at the end again.
    nextest.args(["--status-level", "all", "--color", "never"]);
    if !cfg!(debug_assertions) {
        nextest.arg("--release");
    }
    let said = run(&mut nextest)?;
    assert!(said.contains("a_call_runs_in_another_process"), "{said}");
    assert!(said.contains(" passed"), "{said}");
    assert!(!said.to_lowercase().contains("leak"), "{said}");
    Ok(())
}

#[test]
fn a_program_that_aborts_on_panic_and_lies_at_a_fixed_address_has_workers() -> Outcome {
    let script = root().join(".ci/programs");
    if !script.exists() {
        skip("programs", "the crate was not taken from its repository");
        return Ok(());
    }
    let said = run(Command::new(script).arg("abort"))?;
    assert!(said.contains("abort: all is well"), "{said}");
    Ok(())
}
