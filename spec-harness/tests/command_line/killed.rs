//! A harness that is killed, or has next to nothing to start: what it leaves, and what it says.

use super::*;

/// Where runs keep their sockets, for the length of a test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(test: &str) -> Temporary {
        let name = format!("killed-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("there is a place for files");
        Temporary(path)
    }

    /// What runs have left in it.
    fn runs(&self) -> usize {
        let entries = fs::read_dir(&self.0).expect("it can be read").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("spec-run-")).count()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_a_killed_harness_leaves_goes_with_the_next() {
    let place = Temporary::new("sweep");
    let ready = place.0.join("ready");
    let made = Command::new("mkfifo").arg(&ready).status();
    assert!(made.expect("mkfifo is here").success());
    let mut harness = Command::new(PROGRAM)
        .args(["run", "--exact", IDLE, "--on", &adapter("says-when")])
        .env("TMPDIR", &place.0)
        .env("READY", &ready)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program can be started");
    // Returns when the adapter has said that it runs.
    fs::read_to_string(&ready).expect("it can be read");
    harness.kill().expect("it can be killed");
    harness.wait().expect("it has ended");
    assert_eq!(place.runs(), 1);
    let next = with(&["run", "--exact", IDLE, "--on", "thread"], |command| {
        command.env("TMPDIR", &place.0);
    });
    next.ends_with(0);
    assert_eq!(place.runs(), 0);
}

#[test]
fn how_much_the_kernel_shows_is_found_out_without_any_program() {
    let evidence = |said: Said| said.out.lines().next().map(str::to_owned);
    let here = evidence(harness(&["doctor"]));
    let bare = with(&["doctor"], |command| {
        command.env("PATH", "/nowhere");
    });
    assert_eq!(evidence(bare), here);
    assert!(here.is_some_and(|line| !line.starts_with("evidence: none")));
}
