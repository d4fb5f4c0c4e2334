//! A private directory for one run's socket, gone afterwards; those of harnesses that were killed go at the next start.
//!
//! Whoever owns a directory holds a lock on it, which the kernel takes away with the process: a directory without
//! a lock is nobody's, whoever has its owner's number by now. A socket without a name would need no directory, but
//! not every language can connect to one.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc::{O_DIRECTORY, O_NOFOLLOW};

/// First part of the names; the number of the process and one of its own follow.
const PREFIX: &str = "spec-run-";

/// What lies in a directory.
const SOCKET: &str = "s";

/// The directory of one run.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    name: String,
    /// Locked as long as it is open.
    _lock: File,
}

impl Scratch {
    pub(super) fn new() -> io::Result<Scratch> {
        static SWEPT: Once = Once::new();
        let parent = std::env::temp_dir();
        SWEPT.call_once(|| sweep(&parent));
        Scratch::below(&parent)
    }

    fn below(parent: &Path) -> io::Result<Scratch> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{count}", std::process::id());
            let path = parent.join(&name);
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                // Somebody had this process's number, in another container perhaps.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                created => created?,
            }
            // Before it was locked, somebody who sweeps may have taken it away.
            match lock(&path) {
                Some(_lock) if path.exists() => return Ok(Scratch { path, name, _lock }),
                _ => remove(&path),
            }
        }
    }

    /// Its name, which no other run on this machine has.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Opens a directory of this user's and locks it; nothing where somebody else has locked it, or it is none.
fn lock(path: &Path) -> Option<File> {
    let mut open = File::options();
    open.read(true).custom_flags(O_DIRECTORY | O_NOFOLLOW);
    let directory = open.open(path).ok()?;
    let own = directory.metadata().ok()?.uid() == nix::unistd::geteuid().as_raw();
    (own && directory.try_lock().is_ok()).then_some(directory)
}

/// Removes the directories that nobody owns any more.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let numbers = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let numbers = numbers.and_then(|numbers| numbers.split_once('-'));
        let number = |text: &str| text.parse::<u64>().is_ok();
        if numbers.is_some_and(|(pid, count)| number(pid) && number(count)) {
            let path = entry.path();
            if let Some(_lock) = lock(&path) {
                remove(&path);
            }
        }
    }
}

/// Removes a run's directory and nothing else; what cannot be removed now is swept by a later harness.
fn remove(path: &Path) {
    let _ = fs::remove_file(path.join(SOCKET));
    let _ = fs::remove_dir(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_owns_any_more_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().expect("there is a place for files");
        let parent = folder.path();
        let live = Scratch::below(parent).expect("it can be made");
        let dead = parent.join(format!("{PREFIX}{}-999", std::process::id()));
        fs::create_dir(&dead).expect("it can be made");
        fs::write(dead.join(SOCKET), "").expect("it can be written");
        let others = [
            format!("{PREFIX}notes"),
            format!("{PREFIX}7-x"),
            "mine-7-0".to_owned(),
        ];
        for name in &others {
            fs::create_dir(parent.join(name)).expect("it can be made");
        }
        let kept = parent.join(format!("{PREFIX}7-1"));
        fs::create_dir(&kept).expect("it can be made");
        fs::write(kept.join("notes"), "").expect("it can be written");
        let link = parent.join(format!("{PREFIX}7-2"));
        std::os::unix::fs::symlink(parent.join("mine-7-0"), &link).expect("it can be made");

        sweep(parent);
        assert!(live.path.exists() && !dead.exists());
        assert!(others.iter().all(|name| parent.join(name).exists()));
        assert!(kept.join("notes").exists() && link.is_symlink());

        let path = live.path.clone();
        drop(live);
        assert!(!path.exists());
    }

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        let folder = tempfile::tempdir().expect("there is a place for files");
        let parent = folder.path();
        let first = Scratch::below(parent).expect("it can be made");
        let last = first.name().rsplit('-').next().expect("there is a number");
        let last: u64 = last.parse().expect("it is a number");
        for next in last + 1..last + 50 {
            let name = format!("{PREFIX}{}-{next}", std::process::id());
            fs::create_dir(parent.join(name)).expect("it can be made");
        }
        let second = Scratch::below(parent).expect("another name is found");
        assert_ne!(first.name(), second.name());
    }
}
