//! Writes the tables of embedded files: one row per case, per transcript, per recorded run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let tables = [
        table(&root, "cases", "yaml")?,
        table(&root, "transcripts", "snap")?,
        table(&root, "recorded", "jsonl")?,
    ];
    let out = Path::new(&variable("OUT_DIR")?).join("tables.rs");
    fs::write(out, format!("({})", tables.join(", ")))
}

/// A slice literal with a `(name, text)` pair for each file below `folder`, sorted by name.
fn table(root: &Path, folder: &str, ending: &str) -> io::Result<String> {
    // Cargo looks at everything below; a folder that is not there yet is rebuilt for when it comes.
    println!("cargo::rerun-if-changed={folder}");
    let folder = root.join(folder);
    let mut names = Vec::new();
    if folder.is_dir() {
        collect(&folder, "", ending, &mut names)?;
    }
    names.sort();
    let rows = names.iter().map(|name| {
        let path = folder.join(format!("{name}.{ending}"));
        format!(
            "({name:?}, include_str!({:?})),\n",
            path.display().to_string()
        )
    });
    Ok(format!("&[\n{}]", rows.collect::<String>()))
}

/// Adds the name of each file with this ending: its path below the folder, with `/`, without the ending.
fn collect(folder: &Path, prefix: &str, ending: &str, names: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
            return Err(not_text(&path));
        };
        if path.is_dir() {
            collect(&path, &format!("{prefix}{stem}/"), ending, names)?;
        } else if path.extension().is_some_and(|found| found == ending) {
            names.push(format!("{prefix}{stem}"));
        }
    }
    Ok(())
}

fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

fn not_text(path: &Path) -> io::Error {
    io::Error::other(format!("{}: the name is not UTF-8", path.display()))
}
