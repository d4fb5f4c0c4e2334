//! Keeps the house tidy: `lib.rs` lists a crate's modules ground floor first, and each uses only those above it.

use std::fs;
use std::path::{Path, PathBuf};

/// The crate itself, and those that lie beside it in the workspace.
const CRATES: [&str; 4] = ["pool-core", "pool-thread", "pool-process", "spec-harness"];

#[test]
fn each_module_uses_only_those_above_it() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for name in CRATES {
        let src = match name {
            "pool-core" => here.join("src"),
            name => here.join("..").join(name).join("src"),
        };
        // A package of its own has no neighbours.
        if src.is_dir() {
            check(&src, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn check(src: &Path, wrong: &mut Vec<String>) {
    let lib = read(&src.join("lib.rs"));
    let declared = |line: &str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    let modules: Vec<String> = lib.lines().filter_map(declared).collect();
    assert!(modules.len() > 10, "{} lists the modules", src.display());
    for (floor, module) in modules.iter().enumerate() {
        for file in files(src, module) {
            for used in uses(&read(&file)) {
                if modules[floor + 1..].contains(&used) {
                    wrong.push(format!("{} uses {used}", file.display()));
                }
            }
        }
    }
}

/// A module's file, and those in its folder.
fn files(src: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = vec![src.join(module).with_extension("rs")];
    let mut folders = vec![src.join(module)];
    while let Some(folder) = folders.pop().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The crate's modules that a file names, each as often as it does: `crate::one::..`, `use crate::{one, two::..}`.
fn uses(text: &str) -> Vec<String> {
    let tests = text.find("#[cfg(test)]\nmod tests {");
    let lines = text[..tests.unwrap_or(text.len())].lines();
    let code: Vec<&str> = lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut used = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => used.extend(first_names(list)),
            None => used.push(name(rest)),
        }
    }
    used
}

/// The first name of each part of a list in braces, lists within it left out.
fn first_names(list: &str) -> Vec<String> {
    let mut names = vec![name(list.trim_start())];
    let mut depth = 0;
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(list[at + 1..].trim_start())),
            _ => {}
        }
    }
    names
}

fn name(text: &str) -> String {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    text[..end.unwrap_or(text.len())].to_owned()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
