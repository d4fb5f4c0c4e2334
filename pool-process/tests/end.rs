//! The end of the program, however it comes: nothing of it is left. Each test runs a program of its own: this
//! test program again, with one of the ignored tests below as its `main`.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Outcome, descendants, each_way, kill, lives, pid, soon};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use pool_process::{Process, ProcessPool};

/// A program that has said where it has got to.
struct Program {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Program {
    /// Starts one of the programs below, and waits until it says that it is ready.
    fn start(name: &str) -> Result<Program, Box<dyn std::error::Error>> {
        Program::start_file(&std::env::current_exe()?, name)
    }

    fn start_file(file: &Path, name: &str) -> Result<Program, Box<dyn std::error::Error>> {
        let mut child = Command::new(file)
            .args([
                "--exact",
                name,
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut program = Program { child, output };
        program.line_after("ready")?;
        Ok(program)
    }

    /// What follows this word on the first line that has it.
    fn line_after(&mut self, word: &str) -> Result<String, Box<dyn std::error::Error>> {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                return Err(format!("it ended before it said {word:?}").into());
            }
            // libtest begins the line with the name of the test.
            if let Some((_, rest)) = line.split_once(word) {
                return Ok(rest.trim().to_owned());
            }
        }
    }
}

/// In a program: says something to the test.
fn say(what: &str) {
    println!("{what}");
    let _ = std::io::stdout().flush();
}

fn nap(_: ()) {
    std::thread::sleep(Duration::from_secs(60));
}

fn nap_with_company(_: ()) {
    let company = Command::new("sleep").arg("60").spawn();
    drop(company);
    nap(());
}

/// A pool with workers that are idle, busy, busy with company, and stopped.
fn all_sorts(pool: &ProcessPool) {
    let workers = pool.map_task(
        |_: u8| (std::thread::sleep(Duration::from_millis(50)), pid(())).1,
        0..4,
    );
    let workers = workers
        .chunksize(1)
        .submit()
        .expect("open")
        .get()
        .expect("workers");
    for task in [nap, nap_with_company] {
        pool.apply_async(task, ()).map(drop).expect("open");
    }
    pool.apply_async(
        |()| nix::sys::signal::raise(Signal::SIGSTOP).expect("stopped"),
        (),
    )
    .map(drop)
    .expect("open");
    assert!(soon(|| workers
        .iter()
        .any(|worker| state(*worker) == Some('T'))));
    // The company takes a moment to be there.
    assert!(soon(|| descendants(std::process::id()).len() >= 5));
    say("ready");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[test]
#[ignore = "a program for the tests below"]
fn program_fork_server() -> Outcome {
    all_sorts(&ProcessPool::new(4)?);
    Ok(())
}

#[test]
#[ignore = "a program for the tests below"]
fn program_reexec() -> Outcome {
    all_sorts(&ProcessPool::builder().size(4).reexec().build()?);
    Ok(())
}

#[test]
#[ignore = "a program for the tests below"]
fn program_exit() -> Outcome {
    all_sorts(&ProcessPool::new(4)?);
    std::process::exit(5)
}

#[test]
#[ignore = "a program for the tests below"]
fn program_processes() -> Outcome {
    let late = |()| {
        std::thread::sleep(Duration::from_millis(100));
        say("late");
    };
    for _ in 0..3 {
        Process::new(late, ()).start()?;
    }
    let daemon = Process::new(nap, ()).daemon(true);
    daemon.start()?;
    say(&format!(
        "ready\ndaemon {}",
        daemon.pid()?.ok_or("it was started")?
    ));
    std::process::exit(0)
}

/// What a program has started, all of which must end with it.
fn everything_of(program: &Program) -> Result<Vec<u32>, Box<dyn std::error::Error>> {
    let family: Vec<u32> = descendants(program.child.id()).into_iter().collect();
    assert!(family.len() >= 5, "four workers and company: {family:?}");
    Ok(family)
}

fn assert_gone(family: &[u32]) {
    let left = || {
        family
            .iter()
            .copied()
            .filter(|pid| lives(*pid))
            .collect::<Vec<_>>()
    };
    assert!(soon(|| left().is_empty()), "still there: {:?}", left());
}

#[test]
fn a_killed_parent_leaves_nothing() -> Outcome {
    for name in ["program_fork_server", "program_reexec"] {
        let mut program = Program::start(name)?;
        let family = everything_of(&program)?;
        program.child.kill()?;
        assert_gone(&family);
        program.child.wait()?;
    }
    Ok(())
}

#[test]
fn a_parent_killed_together_with_its_fork_server_leaves_nothing() -> Outcome {
    let mut program = Program::start("program_fork_server")?;
    let family = everything_of(&program)?;
    let server = family
        .iter()
        .find(|pid| descendants(**pid).len() >= 4)
        .ok_or("no server")?;
    kill(*server, Signal::SIGKILL);
    program.child.kill()?;
    assert_gone(&family);
    program.child.wait()?;
    Ok(())
}

#[test]
fn a_parent_that_returns_or_exits_leaves_nothing() -> Outcome {
    for name in ["program_fork_server", "program_reexec", "program_exit"] {
        let mut program = Program::start(name)?;
        let family = everything_of(&program)?;
        drop(program.child.stdin.take());
        program.child.wait()?;
        assert_gone(&family);
    }
    Ok(())
}

#[test]
fn a_parent_that_is_interrupted_leaves_nothing() -> Outcome {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGSEGV] {
        let mut program = Program::start("program_fork_server")?;
        let family = everything_of(&program)?;
        kill(program.child.id(), signal);
        program.child.wait()?;
        assert_gone(&family);
    }
    Ok(())
}

#[test]
fn the_output_of_a_program_ends_when_it_does() -> Outcome {
    let mut program = Program::start("program_fork_server")?;
    program.child.kill()?;
    program.child.wait()?;
    let start = std::time::Instant::now();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut program.output, &mut rest)?;
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    Ok(())
}

#[test]
fn the_end_of_a_program_waits_for_its_processes_and_kills_its_daemons() -> Outcome {
    let mut program = Program::start("program_processes")?;
    let daemon: u32 = program.line_after("daemon ")?.parse()?;
    for _ in 0..3 {
        program.line_after("late")?;
    }
    assert!(program.child.wait()?.success());
    assert!(soon(|| !lives(daemon)));
    Ok(())
}

#[test]
#[ignore = "a program for the test below"]
fn program_own_waits() -> Outcome {
    let pool = ProcessPool::new(2)?;
    let reaper = std::thread::spawn(|| {
        // Takes the status of whatever ends, as an init process does.
        for _ in 0..200 {
            let _ = nix::sys::wait::waitpid(None, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    for code in 1..20 {
        let lost = common::loss(pool.apply(|code: i32| -> u8 { std::process::exit(code) }, code));
        assert_eq!(lost.cause, pool_process::Cause::Exit(code));
    }
    let _ = reaper.join();
    say("ready");
    Ok(())
}

#[test]
#[ignore = "a program for the test below"]
fn program_ignores_children() -> Outcome {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: to ignore a signal calls no handler.
    unsafe { sigaction(Signal::SIGCHLD, &ignore)? };
    let pool = ProcessPool::new(2)?;
    let lost = common::loss(pool.apply(|()| -> u8 { std::process::exit(7) }, ()));
    assert_eq!(lost.cause, pool_process::Cause::Exit(7));
    // By re-exec the status is lost, and nothing else.
    let pool = ProcessPool::builder().size(2).reexec().build()?;
    let lost = common::loss(pool.apply(|()| -> u8 { std::process::exit(7) }, ()));
    assert!(
        matches!(lost.cause, pool_process::Cause::Unknown(_)),
        "{lost}"
    );
    assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
    pool.close();
    pool.join()?;
    say("ready");
    Ok(())
}

#[test]
fn a_program_may_wait_for_any_child_and_ignore_sigchld() -> Outcome {
    for name in ["program_own_waits", "program_ignores_children"] {
        let mut program = Program::start(name)?;
        assert!(program.child.wait()?.success());
    }
    Ok(())
}

#[test]
#[ignore = "a program for the test below"]
fn program_replaced() -> Outcome {
    say("ready");
    std::io::stdin().read_line(&mut String::new())?;
    each_way(2, |pool| {
        assert_eq!(pool.map(|x: u64| x * x, 0..4)?, [0, 1, 4, 9]);
        Ok(())
    })?;
    say("worked");
    Ok(())
}

#[test]
fn a_program_whose_file_was_replaced_or_removed_starts_itself_and_not_the_other() -> Outcome {
    for replace in [true, false] {
        let copy = std::env::temp_dir().join(format!(
            "pool-process-copy-{}-{replace}",
            std::process::id()
        ));
        std::fs::copy(std::env::current_exe()?, &copy)?;
        let mut program = Program::start_file(&copy, "program_replaced")?;
        std::fs::remove_file(&copy)?;
        if replace {
            std::fs::copy("/bin/false", &copy)?;
        }
        program
            .child
            .stdin
            .take()
            .ok_or("no input")?
            .write_all(b"\n")?;
        program.line_after("worked")?;
        program.child.wait()?;
        if replace {
            std::fs::remove_file(&copy)?;
        }
    }
    Ok(())
}
