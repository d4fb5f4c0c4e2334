//! A map over the files of a directory, on threads: each is read by a task that may fail, and an error names its item.
//!
//! `cargo run -p pool-thread --example thread_files -- DIRECTORY`
//!
//! ```text
//! 11 files, 1962 lines, 66195 bytes
//! map: Err("task failed at item 1: No such file or directory (os error 2)")
//! imap: task failed at item 1: No such file or directory (os error 2): Some("pool-thread/src/deleted")
//! imap: 11 files counted
//! ```

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use pool_thread::prelude::*;

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => walk(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}

fn count(path: &Path) -> io::Result<(usize, usize)> {
    let text = fs::read(path)?;
    Ok((text.split(|byte| *byte == b'\n').count() - 1, text.len()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::args().nth(1).unwrap_or_else(|| ".".into()));
    let mut files = vec![];
    walk(&root, &mut files)?;

    let pool = ThreadPool::with_default_size()?;
    // A call that waits borrows: neither the list nor its paths are cloned.
    let counts = pool.try_map(|path: &PathBuf| count(path), &files)?;
    let lines: usize = counts.iter().map(|(lines, _)| lines).sum();
    let bytes: usize = counts.iter().map(|(_, bytes)| bytes).sum();
    println!("{} files, {lines} lines, {bytes} bytes", files.len());

    // One of them was deleted meanwhile. A map gives the first error; an imap yields all results.
    files.insert(1, root.join("deleted"));
    let again = pool.try_map(|path: &PathBuf| count(path), &files);
    println!("map: {:?}", again.map(|_| ()).map_err(|e| e.to_string()));
    let mut counted = 0;
    for result in pool.try_imap(|path: PathBuf| count(&path), files.clone())? {
        match result {
            Ok(_) => counted += 1,
            Err(error) => println!("imap: {error}: {:?}", error.item().map(|item| &files[item])),
        }
    }
    println!("imap: {counted} files counted");
    Ok(())
}
