//! A project of somebody else's, with nothing but a dependency: every case is a test of its pool, by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A case of that project's own.
const IDLE: &str = "spec: 1\ntitle: an idle pool ends\nmain:\n  - pool: 1\n  - close\n  - join\nexpect:\n  elapsed: 0\n";

/// A project below the folder for tests' files, with its dependencies as they are locked here.
struct Project {
    folder: PathBuf,
}

impl Project {
    fn new() -> Project {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("elsewhere");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("folders");
            if fs::read_to_string(&path).ok().as_deref() != Some(text) {
                fs::write(path, text).expect("files");
            }
        };
        let manifest = include_str!("elsewhere/manifest.toml");
        let path = here.to_str().expect("the path is text");
        write("Cargo.toml", &manifest.replace("SPEC_HARNESS", path));
        write("src/lib.rs", include_str!("elsewhere/pool.rs"));
        write(
            "tests/conformance.rs",
            include_str!("elsewhere/conformance.rs"),
        );
        write("tests/nothing.rs", include_str!("elsewhere/nothing.rs"));
        write(
            "tests/tiny.expected-failures.yaml",
            include_str!("elsewhere/tiny.expected-failures.yaml"),
        );
        write("tests/own/small/idle.yaml", IDLE);
        let lock = fs::read_to_string(here.join("../Cargo.lock")).expect("there is a lock file");
        write("Cargo.lock", &lock);
        Project { folder }
    }

    /// Runs cargo there without the network; what is built already is not built again.
    fn cargo(&self, arguments: &[&str]) -> (bool, String) {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", target.expect("it is in a folder"))
            .env("CARGO_NET_OFFLINE", "true")
            .output()
            .expect("cargo can be started");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.success(), said)
    }
}

#[test]
fn every_case_is_a_test_of_a_foreign_pool() {
    let project = Project::new();
    let list = ["test", "--test", "conformance", "--", "--list"];
    let (well, said) = project.cargo(&list);
    assert!(well, "{said}");
    for (case, _) in spec_cases::CASES {
        for name in ["tiny", "tiny-with-a-list"] {
            let line = format!("{name}::{case}: test");
            assert!(
                said.lines().any(|said| said == line),
                "no {line} in\n{said}"
            );
        }
    }
    let idle = "tiny::lifecycle/an-idle-pool-ends";
    let (well, said) = project.cargo(&["test", "--test", "conformance", "--", "--exact", idle]);
    assert!(well && said.contains("1 passed"), "{said}");
    let (well, said) = project.cargo(&["test", "--test", "conformance", "--", "tiny::error"]);
    assert!(
        well && said.contains("... ok") && said.contains("... ignored"),
        "{said}"
    );
    // A program in Rust ends under its threads; the list says so.
    let listed = "tutorial/S001-2v-noJoin";
    let (well, said) = project.cargo(&[
        "test",
        "--test",
        "conformance",
        "--",
        &format!("tiny::{listed}"),
    ]);
    assert!(!well && said.contains("... FAILED"), "{said}");
    let listed = format!("tiny-with-a-list::{listed}");
    let (well, said) = project.cargo(&["test", "--test", "conformance", "--", &listed]);
    assert!(well && said.contains("1 ignored"), "{said}");
    // Where every test is ignored nothing is shown; one that was asked for by its name may be.
    let (well, said) = project.cargo(&["test", "--test", "nothing"]);
    assert!(!well && said.contains("no case passes on mute"), "{said}");
    let idle_here = ["test", "--test", "nothing", "--", "mute::small/idle"];
    let (well, said) = project.cargo(&idle_here);
    let alone = said.contains("1 ignored") && said.contains("0 filtered out");
    assert!(well && alone, "{said}");
    if !project.cargo(&["nextest", "--version"]).0 {
        eprintln!("not done: there is no nextest");
        return;
    }
    let filter = format!("test(={idle})");
    let nextest = ["nextest", "run", "--test", "conformance", "-E", &filter];
    let (well, said) = project.cargo(&nextest);
    assert!(well && said.contains("1 passed"), "{said}");
}
