//! A private directory for one run's socket, gone afterwards; also those of harnesses that were killed.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// First part of the names; the number of the process that owns it follows.
const PREFIX: &str = "spec-harness-";

/// The directory of one run.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    name: String,
}

impl Scratch {
    pub(super) fn new() -> io::Result<Scratch> {
        static SWEPT: Once = Once::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let parent = std::env::temp_dir();
        SWEPT.call_once(|| sweep(&parent));
        let name = format!(
            "{PREFIX}{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = parent.join(&name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Scratch { path, name })
    }

    /// Its name, which no other run on this machine has.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path.join("s")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is swept by a later harness.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the directories of processes that do not exist any more.
fn sweep(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|n| n.strip_prefix(PREFIX))
            .and_then(|n| n.split('-').next());
        let Some(owner) = owner.and_then(|n| n.parse::<i32>().ok()) else {
            continue;
        };
        if !Path::new(&format!("/proc/{owner}")).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
