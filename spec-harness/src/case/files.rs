//! Case files of a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The case files in a folder and in those below it, in the order of their names. What is known of an adapter
/// (`adapter.expected-failures.yaml`) is none.
///
/// # Errors
///
/// A folder cannot be read.
pub fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_case = name.ends_with(".yaml") || name.ends_with(".yml");
        if path.is_dir() {
            files.extend(below(&path)?);
        } else if is_case && !name.ends_with(".expected-failures.yaml") {
            files.push(path);
        }
    }
    Ok(files)
}
