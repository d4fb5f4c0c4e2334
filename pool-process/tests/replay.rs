//! A call that has cost its worker is saved, and run again alone.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::{fs, io};

use common::{Outcome, each_way, loss};
use nix::sys::signal::Signal;
use pool_process::{Pool, TaskError, WorkerLost, current_worker};

fn crash(word: String) {
    eprintln!("got {} bytes, {}", word.len(), &word[..1]);
    std::process::abort();
}

/// This test program, which runs the call in a file in the place of its `main`.
fn replay(path: &Path) -> io::Result<Output> {
    Command::new(std::env::current_exe()?)
        .env("POOL_REPLAY", path)
        .output()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_saved_call_crashes_again_alone() -> Outcome {
    let directory = tempfile::tempdir()?;
    each_way(1, |pool| {
        let path = directory.path().join("lost.task");
        // One that fits into a slot of a ring, and one that does not.
        for word in ["seven".to_owned(), "x".repeat(1 << 20)] {
            let lost = loss(pool.apply(crash, word.clone()));
            lost.save(&path)?;
            let mode = fs::metadata(&path)?.permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let again = lost.save(&path).map_err(|error| error.kind());
            assert_eq!(again, Err(io::ErrorKind::AlreadyExists));
            let output = replay(&path)?;
            assert_eq!(output.status.signal(), Some(Signal::SIGABRT as i32));
            let got = format!("got {} bytes, {}\n", word.len(), &word[..1]);
            assert!(said(&output).starts_with(&got));
            fs::remove_file(&path)?;
        }
        Ok(())
    })
}

#[test]
fn a_saved_chunk_has_its_items_and_its_context() -> Outcome {
    let directory = tempfile::tempdir()?;
    each_way(1, |pool| {
        let path = directory.path().join("lost.task");
        let view = pool.with(vec!["zero".to_owned(), "one".to_owned(), "two".to_owned()]);
        let look = |table: &Vec<String>, index: usize| {
            eprintln!("{}", table[index]);
            if index == 2 && current_worker().is_some() {
                std::process::abort();
            }
        };
        let lost = loss(view.each(look, [1, 2]).chunksize(2).wait());
        lost.save(&path)?;
        let output = replay(&path)?;
        assert_eq!(output.status.code(), Some(0));
        let end = format!(
            "pool-process: the call in {} has returned\n",
            path.display()
        );
        assert_eq!(said(&output), format!("one\ntwo\n{end}"));
        fs::remove_file(&path)?;
        Ok(())
    })
}

#[test]
fn what_is_no_call_is_not_run() -> Outcome {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("lost.task");
    let refusal = |why: &str| -> Outcome {
        let output = replay(&path)?;
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(why), "{}", said(&output));
        Ok(())
    };
    refusal("No such file")?;
    fs::write(&path, "something else")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    refusal("may have written it")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    refusal("no call that was saved")?;
    let mut call = b"pool-process call 1\n".to_vec();
    call.extend([0; 200]);
    fs::write(&path, call)?;
    refusal("another build")?;
    // A true call in a file of another program: its hash is not that of this one.
    fs::remove_file(&path)?;
    each_way(1, |pool| {
        loss(pool.apply(crash, "seven".to_owned())).save(&path)?;
        let mut call = fs::read(&path)?;
        call["pool-process call 1\n".len()] ^= 1;
        fs::write(&path, call)?;
        refusal("another build")?;
        Ok(fs::remove_file(&path)?)
    })?;
    let elsewhere = WorkerLost::new(1, pool_process::Cause::Exit(1), "a thread's");
    let refused = elsewhere.save(directory.path().join("none"));
    assert_eq!(
        refused.map_err(|error| error.kind()),
        Err(io::ErrorKind::Unsupported)
    );
    let kept: Result<(), TaskError> = Err(TaskError::WorkerLost(Box::new(elsewhere)));
    assert_eq!(loss(kept).call, None);
    Ok(())
}
