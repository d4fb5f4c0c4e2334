//! The program has closed some of its standard streams, or something else has their numbers: no descriptor of a pool gets
//! one of these, and workers have /dev/null there.

mod common;

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use common::{Outcome, apart, apart_with, every_way};
use pool_process::{Pool, Process, ProcessPool};

/// What the standard streams of this process are.
fn streams(_: ()) -> Vec<Option<PathBuf>> {
    let of = |number| fs::read_link(format!("/proc/self/fd/{number}")).ok();
    (0..3).map(of).collect()
}

/// Says something on both.
fn say(_: ()) -> Vec<Option<PathBuf>> {
    println!("said");
    eprintln!("said");
    streams(())
}

fn null() -> Option<PathBuf> {
    Some(PathBuf::from("/dev/null"))
}

/// Closes standard streams; panics are told on a copy of stderr from now on.
fn close(numbers: &[i32]) {
    let copy = std::io::stderr().as_fd().try_clone_to_owned();
    let copy = fs::File::from(copy.expect("a copy"));
    std::panic::set_hook(Box::new(move |panic| {
        // Where that fails there is nobody left to tell.
        let _ = writeln!(&copy, "{panic}");
    }));
    for number in numbers {
        // SAFETY: nobody in this process owns a standard stream.
        assert_eq!(unsafe { nix::libc::close(*number) }, 0);
    }
}

/// Uses pools and a process, and checks that the closed streams stay closed here and are /dev/null there.
fn all_goes_well(closed: &[i32]) {
    let before = streams(());
    // One worker: whenever it answers, none is being started, for which files are opened for a moment.
    every_way(1, |pool| {
        for _ in 0..2 {
            let theirs = pool.apply(say, ())?;
            assert_eq!(theirs[0], null(), "{}", pool.stats().start_method);
            for number in closed {
                assert_eq!(
                    theirs[*number as usize],
                    null(),
                    "{}",
                    pool.stats().start_method
                );
            }
            assert_eq!(
                streams(()),
                before,
                "none of a pool's own has such a number"
            );
            common::loss(pool.apply(|()| -> () { std::process::abort() }, ()));
        }
        let reason = pool.stats().start_reason;
        assert!(
            ["it is the default", "it was asked for"].contains(&&*reason),
            "{reason}"
        );
        Ok(())
    })
    .expect("workers");
    let process = Process::new(|()| assert_eq!(say(())[0], null()), ());
    process.start().expect("a process");
    process.join().expect("it ends");
    assert_eq!(process.exitcode().ok(), Some(Some(0)));
    assert_eq!(streams(()), before);
}

const ALL: [&[i32]; 7] = [&[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]];

#[test]
fn streams_that_were_closed_before_the_first_pool_are_null_to_workers() -> Outcome {
    let check = |index: usize| {
        close(ALL[index]);
        all_goes_well(ALL[index]);
    };
    (0..ALL.len()).try_for_each(|index| apart_with(check, index))
}

#[test]
fn streams_that_were_closed_after_it_are_null_to_later_workers() -> Outcome {
    let check = |index: usize| {
        let before = streams(());
        let first = ProcessPool::new(1).expect("a pool");
        close(ALL[index]);
        all_goes_well(ALL[index]);
        // Its workers write where they did.
        common::loss(first.apply(|()| -> () { std::process::abort() }, ()));
        let theirs = first.apply(streams, ()).expect("a worker");
        assert_eq!(theirs[1..], before[1..]);
    };
    (0..ALL.len()).try_for_each(|index| apart_with(check, index))
}

#[test]
fn what_else_has_the_number_of_a_stream_is_not_written_to_by_workers() -> Outcome {
    apart(|()| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("accounts");
        close(&[1]);
        let mut file = fs::File::create(&path).expect("a file");
        assert_eq!(file.as_raw_fd(), 1, "the lowest that is free");
        writeln!(file, "mine").expect("a file");
        every_way(1, |pool| {
            assert_eq!(pool.apply(say, ())?[1], null());
            Ok(())
        })
        .expect("workers");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "mine\n");
    })
}
