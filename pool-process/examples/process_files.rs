//! A map over the files of a directory, on processes: each is read by a task that may fail, and an error names its item. An
//! `io::Error` cannot travel between processes; `?` makes a `Report` of it.
//!
//! `cargo run -p pool-process --example process_files -- DIRECTORY`
//!
//! ```text
//! 64 files, 9736 lines, 340966 bytes
//! map: Err("task failed at item 1: No such file or directory (os error 2)")
//! imap: task failed at item 1: No such file or directory (os error 2): Some("pool-process/src/deleted")
//! imap: 64 files counted
//! ```

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use pool_process::prelude::*;

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => walk(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

fn count(path: PathBuf) -> Result<(usize, usize), Report> {
    let text = fs::read(path)?;
    Ok((text.split(|byte| *byte == b'\n').count() - 1, text.len()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::args().nth(1).unwrap_or_else(|| ".".into()));
    let mut files = vec![];
    walk(&root, &mut files)?;

    let pool = ProcessPool::with_default_size()?;
    let counts = pool.try_map(count, files.clone())?;
    let lines: usize = counts.iter().map(|(lines, _)| lines).sum();
    let bytes: usize = counts.iter().map(|(_, bytes)| bytes).sum();
    println!("{} files, {lines} lines, {bytes} bytes", files.len());

    // One of them was deleted meanwhile. A map gives the first error; an imap yields all results.
    files.insert(1, root.join("deleted"));
    let again = pool.try_map(count, files.clone());
    println!("map: {:?}", again.map(|_| ()).map_err(|e| e.to_string()));
    let mut counted = 0;
    for result in pool.try_imap(count, files.clone())? {
        match result {
            Ok(_) => counted += 1,
            Err(error) => println!("imap: {error}: {:?}", error.item().map(|item| &files[item])),
        }
    }
    println!("imap: {counted} files counted");
    Ok(())
}
