//! The exit of a worker. A worker that is no longer needed exits as a program does: its state is dropped, exit handlers run, buffers are
//! flushed. A worker that is terminated does none of that.

mod common;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use common::{Gate, Outcome, ignore_sigterm, pid, wait_at};
use pool_process::{Builder, Pool, Process, ProcessPool, worker_state};

/// Each way in which workers are started that have handlers of their own.
fn ways() -> [Builder; 2] {
    [ProcessPool::builder(), ProcessPool::builder().reexec()]
}

/// A worker's log, which writes what it holds back when it is dropped.
fn log(folder: String) -> BufWriter<File> {
    let file = File::create(format!("{folder}/{}", std::process::id()));
    BufWriter::new(file.expect("a folder"))
}

fn note(x: u64) -> bool {
    worker_state(|log: &mut BufWriter<File>| writeln!(log, "{x}").is_ok()).unwrap_or(false)
}

fn lines(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).expect("a folder").flatten();
    let texts = files.map(|file| std::fs::read_to_string(file.path()).expect("text"));
    texts.map(|text| text.lines().count()).sum()
}

#[test]
fn the_state_of_a_worker_is_dropped_when_it_leaves() -> Outcome {
    for share in [None, NonZeroUsize::new(2)] {
        for mut builder in ways() {
            let folder = tempfile::tempdir()?;
            let path = folder.path().display().to_string();
            if let Some(tasks) = share {
                builder = builder.maxtasksperchild(tasks);
            }
            let pool = builder.size(2).initializer(log, path).build()?;
            assert!(pool.map(note, 0..20)?.into_iter().all(|noted| noted));
            pool.close();
            pool.join()?;
            assert_eq!(lines(folder.path()), 20);
            assert_eq!(pool.stats().lost, 0);
        }
    }
    Ok(())
}

#[test]
fn nothing_of_it_happens_where_the_pool_is_terminated() -> Outcome {
    for builder in ways() {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display().to_string();
        let pool = builder.size(1).initializer(log, path).build()?;
        assert!(pool.apply(note, 1)?);
        pool.terminate();
        pool.join()?;
        assert_eq!(lines(folder.path()), 0);
    }
    Ok(())
}

/// A state that closes what it finds open before it writes its last line: a gate and a folder.
struct Thorough(String, String);

impl Drop for Thorough {
    fn drop(&mut self) {
        // SAFETY: what is open here is used no more: this process is about to end.
        unsafe { nix::libc::syscall(nix::libc::SYS_close_range, 3, nix::libc::c_uint::MAX, 0) };
        wait_at(self.0.clone());
        let last = format!("{}/{}", self.1, std::process::id());
        std::fs::write(last, "whole\n").expect("a folder");
    }
}

#[test]
fn a_worker_that_leaves_may_close_everything() -> Outcome {
    for builder in ways() {
        let gate = Gate::new();
        let folder = tempfile::tempdir()?;
        let names = (gate.name(), folder.path().display().to_string());
        let pool = builder
            .size(2)
            .maxtasksperchild(NonZeroUsize::MIN)
            .initializer(|(gate, folder)| Thorough(gate, folder), names)
            .build()?;
        pool.apply(pid, ())?;
        let first = gate.guests(1);
        // The pool has heard that the first one's socket was closed before it hears this answer.
        pool.apply(pid, ())?;
        let second = gate.guests(1);
        pool.close();
        drop((first, second));
        // Whoever has taken their places has run nothing, and leaves as well.
        drop(gate);
        pool.join()?;
        assert_eq!(pool.stats().lost, 0);
        assert!(lines(folder.path()) >= 2);
    }
    Ok(())
}

static AT_EXIT: OnceLock<String> = OnceLock::new();

extern "C" fn handler() {
    if let Some(path) = AT_EXIT.get() {
        std::fs::write(path, "handled\n").expect("a folder");
    }
}

/// Registers a handler for the exit, and leaves something in a buffer of C's and in a context of a thread.
fn prepare(path: String) {
    struct Last(String);
    impl Drop for Last {
        fn drop(&mut self) {
            std::fs::write(format!("{}.local", self.0), "dropped\n").expect("a folder");
        }
    }
    thread_local! {
        static LAST: OnceLock<Last> = const { OnceLock::new() };
    }
    LAST.with(|last| drop(last.set(Last(path.clone()))));
    let buffered = std::ffi::CString::new(format!("{path}.buffered")).expect("no zero");
    AT_EXIT.set(path).expect("it is the first");
    // SAFETY: a handler that lives as long as the process, strings that end with a zero, and a stream that stays open.
    unsafe {
        assert_eq!(nix::libc::atexit(handler), 0);
        let stream = nix::libc::fopen(buffered.as_ptr(), c"w".as_ptr());
        assert!(!stream.is_null());
        nix::libc::fputs(c"written\n".as_ptr(), stream);
    }
}

#[test]
fn handlers_for_the_exit_run_and_buffers_are_written_in_workers_and_processes() -> Outcome {
    for builder in ways() {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("worker").display().to_string();
        let pool = builder.size(1).build()?;
        pool.apply(prepare, path)?;
        pool.close();
        pool.join()?;
        assert_eq!(lines(folder.path()), 3);
    }
    for fails in [false, true] {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("process").display().to_string();
        let run = |(path, fails): (String, bool)| {
            prepare(path);
            assert!(!fails, "it is to fail");
        };
        let process = Process::new(run, (path, fails));
        process.start()?;
        process.join()?;
        assert_eq!(process.exitcode()?, Some(i32::from(fails)));
        assert_eq!(lines(folder.path()), 3);
    }
    Ok(())
}

/// A state whose drop panics, or does not come back before it is let go.
enum Reluctant {
    Panics,
    Waits(String),
}

impl Drop for Reluctant {
    fn drop(&mut self) {
        match self {
            Reluctant::Panics => panic!("in a drop"),
            Reluctant::Waits(gate) => {
                ignore_sigterm();
                wait_at(gate.clone());
            }
        }
    }
}

#[test]
fn a_state_whose_drop_panics_or_hangs_is_the_workers_affair_until_the_pool_is_terminated() -> Outcome
{
    let pool = ProcessPool::builder()
        .size(1)
        .initializer(|()| Reluctant::Panics, ())
        .build()?;
    pool.apply(pid, ())?;
    pool.close();
    pool.join()?;
    assert_eq!(pool.stats().lost, 0);

    let gate = Gate::new();
    let pool = ProcessPool::builder()
        .size(1)
        .grace(Duration::from_millis(1))
        .initializer(Reluctant::Waits, gate.name())
        .build()?;
    pool.apply(pid, ())?;
    pool.close();
    let _guests = gate.guests(1);
    assert!(!pool.join_timeout(Duration::ZERO)?, "it waits for the drop");
    pool.terminate();
    pool.join()?;
    Ok(())
}
