//! The README says what is so: its programs run in an empty project, its case passes, its commands are the check's.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::{File, harness};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// The blocks of the README that are fenced as this language.
fn blocks(language: &str) -> Vec<String> {
    let readme = readme();
    let fence = format!("```{language}\n");
    let after = readme.split(fence.as_str()).skip(1);
    after
        .filter_map(|text| Some(text.split_once("\n```")?.0.to_owned()))
        .collect()
}

#[test]
fn the_programs_run_in_an_empty_project_that_depends_on_the_crates_by_path() {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let bins = project.join("src/bin");
    fs::create_dir_all(&bins).expect("a place for the project");
    let manifest = format!(
        "[package]\nname = \"readme\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         pool-process = {{ path = {0:?} }}\npool-thread = {{ path = {1:?} }}\n",
        root().join("pool-process"),
        root().join("pool-thread"),
    );
    fs::write(project.join("Cargo.toml"), manifest).expect("a manifest");
    // The same versions as here, so that nothing has to be fetched.
    fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).expect("the lock file");
    let programs = blocks("rust");
    assert!(programs.len() >= 2, "a program for each backend");
    // What is built already is not built again.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let target = target.expect("it is in a folder");
    for (number, program) in programs.iter().enumerate() {
        let name = format!("readme-{number}");
        fs::write(bins.join(format!("{name}.rs")), program).expect("a program");
        let run = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--offline", "--bin", &name])
            .current_dir(&project)
            .env("CARGO_TARGET_DIR", target)
            .output()
            .expect("cargo");
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{name}: {}\n{said}", run.status);
    }
}

#[test]
fn the_case_passes_on_both_backends() {
    let cases = blocks("yaml");
    assert!(!cases.is_empty(), "a case");
    for (number, case) in cases.iter().enumerate() {
        let file = File::new(&format!("readme-{number}.yaml"), &format!("{case}\n"));
        harness(&["run", "--on", "thread,process", file.path()]).ends_with(0);
    }
}

#[test]
fn the_test_command_is_the_one_that_the_check_runs() {
    let check = fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    for command in blocks("sh").iter().flat_map(|block| block.lines()) {
        let command = command.split('#').next().unwrap_or_default().trim();
        if command.starts_with("cargo test") {
            assert!(check.contains(command), "{command}");
        }
    }
}

#[test]
fn the_files_that_it_points_to_are_there() {
    let readme = readme();
    let links = readme
        .split("](")
        .skip(1)
        .filter_map(|text| Some(text.split_once(')')?.0));
    let heading = |link: &str| {
        let titles = readme.lines().filter_map(|line| line.strip_prefix("## "));
        titles
            .map(str::to_lowercase)
            .any(|title| title.replace(' ', "-") == link)
    };
    let is_there = |link: &str| match link.strip_prefix('#') {
        Some(part) => heading(part),
        None => link.contains("://") || root().join(link).exists(),
    };
    let missing: Vec<_> = links.filter(|link| !is_there(link)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
