//! What tasks print: forwarded, or kept for their errors.

mod common;

use std::io::Write;

use common::{Outcome, loss};
use pool_process::{Output, Pool, ProcessPool, TaskError};

fn pool(output: Output) -> Result<ProcessPool, pool_process::StartError> {
    ProcessPool::builder().size(1).output(output).build()
}

#[test]
fn an_error_tells_the_end_of_what_its_own_task_has_written_to_stderr() -> Outcome {
    for output in [Output::Forward, Output::Capture] {
        let pool = pool(output)?;
        let say = |word: String| {
            println!("printed");
            eprintln!("said {word}");
        };
        pool.apply(say, "before".to_owned())?;
        let fail = |word: String| -> Result<(), String> {
            eprintln!("tried {word}");
            Err("failed".to_owned())
        };
        let failed = pool.try_apply(fail, "once".to_owned());
        assert_eq!(
            failed.as_ref().err().and_then(TaskError::stderr),
            Some("tried once")
        );
        let quiet = |()| -> Result<(), String> { Err("failed".to_owned()) };
        let failed = pool.try_apply(quiet, ());
        assert_eq!(failed.as_ref().err().and_then(TaskError::stderr), None);
        let panics = |()| -> u8 {
            eprintln!("about to panic");
            panic!("never mind")
        };
        let failed = pool.apply(panics, ());
        let text = failed.as_ref().err().and_then(TaskError::stderr);
        // With a backtrace it may be long.
        assert!(
            text.is_some_and(|text| text.lines().count() > 1),
            "{text:?}"
        );
        let aborts = |lines: usize| -> u8 {
            for line in 0..lines {
                eprintln!("line {line}");
            }
            std::process::abort()
        };
        let lost = loss(pool.apply(aborts, 10_000));
        let stderr = lost.stderr.clone().unwrap_or_default();
        assert!(
            stderr.len() <= 4096 && stderr.starts_with("line "),
            "{stderr}"
        );
        assert!(stderr.ends_with("line 9999"), "{stderr}");
        assert!(
            lost.to_string()
                .ends_with("; the last line on its stderr: line 9999"),
            "{lost}"
        );
        // A map's error is that of a chunk.
        let failed = pool.try_map(
            |x: u32| {
                if x == 3 {
                    eprintln!("three");
                    Err("odd".to_owned())
                } else {
                    Ok(x)
                }
            },
            0..5,
        );
        assert_eq!(
            failed.as_ref().err().and_then(TaskError::stderr),
            Some("three")
        );
    }
    Ok(())
}

#[test]
fn without_a_tail_and_where_output_is_inherited_errors_tell_nothing() -> Outcome {
    let silent = ProcessPool::builder()
        .size(1)
        .output(Output::Capture)
        .stderr_tail(0);
    for pool in [silent.build()?, pool(Output::Inherit)?] {
        let lost = loss(pool.apply(
            |()| -> u8 {
                eprintln!("a secret");
                std::process::abort()
            },
            (),
        ));
        assert_eq!(lost.stderr, None);
        assert!(!lost.to_string().contains("secret"), "{lost}");
    }
    Ok(())
}

#[test]
fn much_output_of_many_workers_holds_up_nobody() -> Outcome {
    let pool = ProcessPool::builder()
        .size(4)
        .output(Output::Capture)
        .build()?;
    let print = |index: usize| {
        let line = [b'x'; 1000];
        for _ in 0..1000 {
            std::io::stdout().write_all(&line).expect("a pipe");
            std::io::stderr().write_all(&line).expect("a pipe");
        }
        index
    };
    assert_eq!(pool.map(print, 0..16)?, (0..16).collect::<Vec<_>>());
    // A task that closes what it prints into is no worse than others.
    let closes = |()| {
        for stream in [1, 2] {
            // SAFETY: the streams of this worker, which nothing here uses any more.
            unsafe { nix::libc::close(stream) };
        }
        7
    };
    assert_eq!(pool.apply(closes, ())?, 7);
    assert_eq!(pool.map(|x: u32| x + 1, 0..8)?, (1..9).collect::<Vec<_>>());
    pool.close();
    pool.join()?;
    Ok(())
}

/// Run by the test below in a program of its own: what it forwards, its standard output shows.
#[test]
fn forwards_lines() -> Outcome {
    let print = |worker: u32| {
        for line in 0..20 {
            print!("worker {worker} ");
            std::io::stdout().flush().expect("a pipe");
            println!("line {line}");
        }
        print!("unended {worker}");
    };
    let pools = [pool(Output::Forward)?, pool(Output::Forward)?];
    let mut handles = vec![];
    for (worker, pool) in (0..2).zip(&pools) {
        handles.push(pool.apply_async(print, worker)?);
    }
    for (handle, pool) in handles.into_iter().zip(pools) {
        handle.get()?;
        pool.close();
        pool.join()?;
    }
    Ok(())
}

#[test]
fn forwarded_lines_are_whole_and_a_test_captures_them() -> Outcome {
    let this = std::env::current_exe()?;
    let run = |shows: bool| -> Result<String, std::io::Error> {
        let mut command = std::process::Command::new(&this);
        command.args(["--exact", "forwards_lines"]);
        if shows {
            command.arg("--nocapture");
        }
        let output = command.output()?;
        assert!(output.status.success());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let shown = run(true)?;
    for worker in 0..2 {
        for line in 0..20 {
            let whole = format!("worker {worker} line {line}");
            assert!(
                shown.lines().any(|shown| shown == whole),
                "{whole}\n{shown}"
            );
        }
        let last = format!("unended {worker}");
        assert!(shown.lines().any(|shown| shown == last), "{shown}");
    }
    assert!(!run(false)?.contains("worker 0 line 0"));
    Ok(())
}
