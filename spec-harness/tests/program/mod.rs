//! The program as people run it, and what it says.

#![allow(dead_code, reason = "each test uses some of it")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_spec-harness");

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Said {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Said {
        let Said { out, err, .. } = &self;
        assert!(out.contains(text), "no {text:?} in:\n{out}{err}");
        self
    }

    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Said {
        assert!(self.err.contains(text), "no {text:?} in:\n{}", self.err);
        self
    }

    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Said {
        assert!(!self.out.contains(text), "{text:?} in:\n{}", self.out);
        self
    }
}

pub(crate) fn harness(arguments: &[&str]) -> Said {
    with(arguments, |_| {})
}

pub(crate) fn with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Said {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    if let Some(path) = path() {
        command.env("PATH", path);
    }
    change(&mut command);
    said(command)
}

/// The search path with Python's own folder in front: what else is called `python3` may be a script that looks for it at each start.
fn path() -> Option<&'static OsString> {
    static PATH: OnceLock<Option<OsString>> = OnceLock::new();
    let find = || {
        let script = "import os, sys; print(os.path.dirname(sys.executable), end='')";
        let python = Command::new("python3").args(["-IS", "-c", script]).output();
        let folder = String::from_utf8(python.ok()?.stdout).ok()?;
        let folders = std::env::var_os("PATH")?;
        let folders = std::env::split_paths(&folders);
        std::env::join_paths(std::iter::once(folder.into()).chain(folders)).ok()
    };
    PATH.get_or_init(find).as_ref()
}

pub(crate) fn said(mut command: Command) -> Said {
    let output = command.stdin(Stdio::null()).output();
    let output = output.expect("the program can be started");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// An adapter of these tests.
pub(crate) fn adapter(name: &str) -> String {
    format!("{}/tests/adapters/{name}.sh", env!("CARGO_MANIFEST_DIR"))
}

/// A folder that is there for the length of a test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().expect("there is a place for files"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the harness here.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        with(arguments, |command| {
            command.current_dir(self.path());
        })
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect(name);
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect(name)
    }

    /// What is in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("the folder");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            let name = entry.expect("an entry").file_name();
            name.to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }
}

/// A file in a folder of its own, for the length of a test.
pub(crate) struct File {
    folder: Folder,
    path: PathBuf,
}

impl File {
    pub(crate) fn new(name: &str, text: &str) -> File {
        let folder = Folder::new();
        let path = folder.write(name, text);
        File { folder, path }
    }

    /// One that can be run.
    pub(crate) fn program(name: &str, text: &str) -> File {
        use std::os::unix::fs::PermissionsExt;
        let file = File::new(name, text);
        fs::set_permissions(&file.path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        file
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().expect("the path is text")
    }
}
