//! Programs that must not compile, and what the compiler says of them.
//!
//! Beside each program in `ui` lies a file of the same name that ends in `.stderr`. It holds the lines that matter: the
//! error, its place, and the words that are this project's own. What the compiler prints must have all of them, in this
//! order, and no other error. What else it prints depends on its version and on whether it finds the source of `std`.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The compilers whose words stand in `ui/*.stderr`. On any other the codes of the errors are compared, and no words.
const COMPILERS: [&str; 2] = ["rustc 1.88.", "rustc 1.95."];

#[test]
fn what_must_not_compile_is_refused_and_the_refusal_points_at_the_cause() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let entries = fs::read_dir(&folder).expect("a folder of programs");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a file").file_name())
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "there are no programs");

    let version = output(Command::new(rustc()).arg("-V"));
    let words = COMPILERS.iter().any(|known| version.starts_with(known));
    let errors = errors(&folder, &names);
    let mut wrong = String::new();
    for name in &names {
        let place = format!("tests/ui/{name}.rs:");
        let said: Vec<&str> = errors
            .iter()
            .filter(|error| place_of(error).is_some_and(|line| line.contains(&place)))
            .map(String::as_str)
            .collect();
        let said = said.join("\n");
        let expected = folder.join(format!("{name}.stderr"));
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if let Err(why) = compare(&expected, &said, words) {
            wrong.push_str(&format!("\n== {name}: {why}\nThe compiler says:\n{said}\n"));
        }
    }
    assert!(wrong.is_empty(), "{version}{wrong}");
}

/// The errors of all programs, each with what belongs to it.
fn errors(folder: &Path, names: &[String]) -> Vec<String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = env!("CARGO_PKG_NAME");
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let project = scratch.join(format!("ui-{name}"));
    fs::create_dir_all(&project).expect("a place for the project");
    let mut manifest = format!(
        "[package]\nname = \"ui\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{name} = {{ path = {package:?} }}\n",
    );
    for name in names {
        let path = folder.join(format!("{name}.rs"));
        manifest.push_str(&format!("[[bin]]\nname = {name:?}\npath = {path:?}\n"));
    }
    fs::write(project.join("Cargo.toml"), manifest).expect("a manifest");
    // The same versions as here, so that nothing has to be fetched.
    let lock = package.join("../Cargo.lock");
    fs::copy(lock, project.join("Cargo.lock")).expect("the lock file");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let text = output(
        Command::new(cargo)
            .args(["check", "--bins", "--keep-going", "--offline", "--quiet"])
            .args(["--color", "never"])
            .current_dir(&project)
            .env("CARGO_TARGET_DIR", scratch.join("ui")),
    );
    let text = text.replace(&format!("{}/", package.display()), "");
    // An error is one paragraph, or several; each begins with a line that is not indented.
    let mut errors: Vec<String> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if line.starts_with("error") {
            errors.push(String::new());
            within = true;
        } else if line.starts_with("warning") || line.starts_with("For more") {
            within = false;
        }
        if let Some(error) = errors.last_mut().filter(|_| within) {
            error.push_str(line);
            error.push('\n');
        }
    }
    // What cargo says at the end of each program has no place. An error that is not of a program must be seen.
    errors.retain(|error| !error.starts_with("error: could not compile `ui`"));
    let elsewhere = errors
        .iter()
        .find(|error| place_of(error).is_none_or(|line| !line.contains("tests/ui/")));
    if let Some(error) = elsewhere {
        panic!("this error is not one of the programs':\n{error}\nin\n{text}");
    }
    errors
}

/// Says what is missing, or too much.
fn compare(expected: &str, said: &str, words: bool) -> Result<(), String> {
    let codes = |text: &str| -> Vec<String> {
        let heads = text.lines().filter(|line| line.starts_with("error"));
        heads
            .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
            .collect()
    };
    let (wanted, found) = (codes(expected), codes(said));
    if wanted.is_empty() {
        return Err("its file of expected lines names no error".to_owned());
    }
    if wanted != found {
        return Err(format!("expected the errors {wanted:?}, found {found:?}"));
    }
    let mut lines = said.lines().map(plain);
    for line in expected.lines().map(plain) {
        if words && !line.is_empty() && !lines.any(|found| found == line) {
            return Err(format!("this line is missing, or not in its order: {line}"));
        }
    }
    Ok(())
}

/// A line without the room that the margin takes, which is as wide as the largest number in it.
fn plain(line: &str) -> String {
    let line = line.trim();
    match line.split_once('|') {
        Some((margin, rest)) if margin.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{} |{rest}", margin.trim())
        }
        _ => line.to_owned(),
    }
}

/// The line that says where an error is.
fn place_of(error: &str) -> Option<&str> {
    error
        .lines()
        .find(|line| line.trim_start().starts_with("-->"))
}

fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// All that a program prints.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("it can be started");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}
