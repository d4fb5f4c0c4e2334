//! The end of the program: no process of it is left, however it ends. Each test runs a program: this test program again, with one of
//! the ignored tests below as its `main`.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};

use common::{
    Gate, Outcome, Watch, descendants, each_way, kill, linger, never_end, parent, readable, stop,
    wait_with,
};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, killpg, sigaction};
use nix::unistd::{ForkResult, Pid, fork};
use pool_process::{Pool, Process, ProcessPool};

/// The variable with the name of the gate at which a program's tasks report to the test.
const GATE: &str = "POOL_TEST_GATE";

/// A program that has said where it has got to.
struct Program {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    gate: Gate,
}

impl Program {
    /// Starts one of the programs below, and waits until it says that it is ready.
    fn start(name: &str) -> Result<Program, Box<dyn std::error::Error>> {
        Program::start_file(&std::env::current_exe()?, name)
    }

    fn start_file(file: &Path, name: &str) -> Result<Program, Box<dyn std::error::Error>> {
        let gate = Gate::new();
        let mut child = Command::new(file)
            .args([
                "--exact",
                name,
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(GATE, gate.name())
            // As a shell starts a program from a terminal.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut program = Program {
            child,
            output,
            gate,
        };
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

    /// Says something to the program.
    fn tell(&mut self, line: &str) -> Outcome {
        let input = self.child.stdin.as_mut().ok_or("no input")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// What it has started, all of which must end with it.
    fn family(&self, at_least: usize) -> Family {
        let pids: Vec<u32> = descendants(self.child.id()).into_iter().collect();
        assert!(pids.len() >= at_least, "{pids:?}");
        Family(pids.into_iter().map(Watch::over).collect())
    }
}

struct Family(Vec<Watch>);

impl Family {
    fn ends(&self) {
        self.0.iter().for_each(Watch::ends);
    }
}

/// In a program: says something to the test.
fn say(what: &str) {
    println!("{what}");
    let _ = std::io::stdout().flush();
}

/// In a program: waits until the test says something, or lets it go.
fn listen() -> String {
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    line
}

/// In a task of a program: reports to the test, and waits there for ever.
fn report(word: String) -> u32 {
    wait_with(&std::env::var(GATE).expect("it is inherited"), &word)
}

fn report_with_company(word: String) -> u32 {
    linger(());
    report(word)
}

/// A pool with workers that are idle, busy, busy with company, and stopped.
fn all_sorts(pool: &ProcessPool) {
    for (word, task) in [
        ("busy", report as fn(String) -> u32),
        ("accompanied", report_with_company),
        ("to be stopped", report),
    ] {
        pool.apply_async(task, word.to_owned())
            .map(drop)
            .expect("open");
    }
    say("ready");
    listen();
}

/// Waits until a program's workers are as they should be: the family of a program with [`all_sorts`].
fn settle(program: &Program) -> Family {
    for guest in program.gate.guests(3) {
        if guest.word == "to be stopped" {
            stop(guest.pid);
        }
        // The others are let go at the gate, and may not end before their program does.
        std::mem::forget(guest);
    }
    // Four workers and company, and where there is one the server.
    program.family(5)
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
fn program_panic() {
    let pool = ProcessPool::new(4).expect("a pool");
    all_sorts(&pool);
    panic!("meant to");
}

#[test]
#[ignore = "a program for the tests below"]
fn program_queue() -> Outcome {
    let pools = [
        ProcessPool::new(2)?,
        ProcessPool::builder().size(2).reexec().build()?,
    ];
    for pool in &pools {
        for _ in 0..2 {
            pool.apply_async(report, "busy".to_owned()).map(drop)?;
        }
        for x in 0..1_000 {
            pool.apply_async(|x: u64| x, x).map(drop)?;
        }
    }
    say("ready");
    listen();
    Ok(())
}

/// Makes pools as somebody else than the one it was started as.
fn as_nobody(builder: pool_process::Builder) -> Outcome {
    drop(ProcessPool::new(1)?);
    common::become_nobody();
    all_sorts(&builder.size(4).build()?);
    Ok(())
}

#[test]
#[ignore = "a program for the tests below"]
fn program_of_nobody_fork_server() -> Outcome {
    as_nobody(ProcessPool::builder())
}

#[test]
#[ignore = "a program for the tests below"]
fn program_of_nobody_reexec() -> Outcome {
    as_nobody(ProcessPool::builder().reexec())
}

#[test]
#[ignore = "a program for the tests below"]
fn program_with_workers_of_nobody() -> Outcome {
    let pools = [
        ProcessPool::new(1)?,
        ProcessPool::builder().size(1).reexec().build()?,
    ];
    for pool in &pools {
        let task = |word| {
            common::become_nobody();
            report(word)
        };
        pool.apply_async(task, "changed".to_owned()).map(drop)?;
    }
    say("ready");
    listen();
    Ok(())
}

#[test]
fn a_killed_parent_that_has_changed_its_user_leaves_nothing() -> Outcome {
    if !common::is_root("a change of user") {
        return Ok(());
    }
    for name in ["program_of_nobody_fork_server", "program_of_nobody_reexec"] {
        let mut program = Program::start(name)?;
        let family = settle(&program);
        program.child.kill()?;
        family.ends();
        program.child.wait()?;
    }
    Ok(())
}

#[test]
fn workers_that_have_changed_their_user_end_with_a_killed_parent() -> Outcome {
    if !common::is_root("a change of user") {
        return Ok(());
    }
    let mut program = Program::start("program_with_workers_of_nobody")?;
    let guests = program.gate.guests(2);
    let family = program.family(3);
    stop(guests[0].pid);
    program.child.kill()?;
    family.ends();
    program.child.wait()?;
    Ok(())
}

#[test]
fn a_killed_parent_leaves_nothing() -> Outcome {
    for name in ["program_fork_server", "program_reexec"] {
        let mut program = Program::start(name)?;
        let family = settle(&program);
        program.child.kill()?;
        family.ends();
        program.child.wait()?;
    }
    Ok(())
}

#[test]
#[ignore = "a program for the tests below"]
fn program_forked() -> Outcome {
    let pools = [
        ProcessPool::new(2)?,
        ProcessPool::builder().size(2).reexec().build()?,
    ];
    for pool in &pools {
        pool.apply_async(report, "busy".to_owned()).map(drop)?;
    }
    let process = Process::new(report, "busy".to_owned());
    process.start()?;
    // SAFETY: the child goes to the gate and ends there, as a child of a process with threads may.
    if let ForkResult::Child = unsafe { fork() }? {
        report("forked".to_owned());
        // SAFETY: no precondition.
        unsafe { nix::libc::_exit(0) };
    }
    say("ready");
    listen();
    Ok(())
}

#[test]
fn a_killed_parent_leaves_nothing_also_where_a_child_that_it_has_forked_lives_on() -> Outcome {
    let mut program = Program::start("program_forked")?;
    let guests = program.gate.guests(4);
    let forked = guests.iter().find(|guest| guest.word == "forked");
    let forked = forked.ok_or("no child")?.pid;
    let mut family = descendants(program.child.id());
    assert!(family.remove(&forked));
    let family = Family(family.into_iter().map(Watch::over).collect());
    program.child.kill()?;
    family.ends();
    program.child.wait()?;
    assert!(common::lives(forked), "it is nobody's worker");
    let watch = Watch::over(forked);
    drop(guests);
    watch.ends();
    Ok(())
}

#[test]
fn a_parent_killed_with_a_thousand_tasks_queued_leaves_nothing() -> Outcome {
    let mut program = Program::start("program_queue")?;
    let guests = program.gate.guests(4);
    let family = program.family(5);
    program.child.kill()?;
    family.ends();
    program.child.wait()?;
    drop(guests);
    Ok(())
}

/// The fork server of a program with [`all_sorts`], which is the only one of its children that has any.
fn server_of(program: &Program) -> Result<u32, Box<dyn std::error::Error>> {
    let family = descendants(program.child.id());
    let worker = family
        .iter()
        .find(|pid| parent(**pid) != program.child.id());
    let worker = *worker.ok_or("no server")?;
    let mut server = parent(worker);
    while parent(server) != program.child.id() {
        server = parent(server);
    }
    Ok(server)
}

#[test]
fn a_parent_killed_together_with_its_fork_server_leaves_nothing() -> Outcome {
    let mut program = Program::start("program_fork_server")?;
    let family = settle(&program);
    kill(server_of(&program)?, Signal::SIGKILL);
    program.child.kill()?;
    family.ends();
    program.child.wait()?;
    Ok(())
}

#[test]
fn a_parent_killed_while_its_fork_server_is_stopped_leaves_nothing() -> Outcome {
    let mut program = Program::start("program_fork_server")?;
    let family = settle(&program);
    stop(server_of(&program)?);
    program.child.kill()?;
    family.ends();
    program.child.wait()?;
    Ok(())
}

#[test]
fn a_parent_that_returns_exits_or_panics_leaves_nothing() -> Outcome {
    for name in [
        "program_fork_server",
        "program_reexec",
        "program_exit",
        "program_panic",
    ] {
        let mut program = Program::start(name)?;
        let family = settle(&program);
        drop(program.child.stdin.take());
        program.child.wait()?;
        family.ends();
    }
    Ok(())
}

#[test]
fn a_parent_that_is_interrupted_leaves_nothing() -> Outcome {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGSEGV] {
        let mut program = Program::start("program_fork_server")?;
        let family = settle(&program);
        kill(program.child.id(), signal);
        program.child.wait()?;
        family.ends();
    }
    Ok(())
}

#[test]
fn the_output_of_a_program_ends_when_it_does() -> Outcome {
    for name in ["program_fork_server", "program_reexec"] {
        let mut program = Program::start(name)?;
        let family = settle(&program);
        drop(program.child.stdin.take());
        program.child.wait()?;
        // Busy and stopped workers, their company and the server had it open as well.
        while readable(program.output.get_ref().as_fd()) {
            if program.output.read_line(&mut String::new())? == 0 {
                break;
            }
        }
        assert_eq!(program.output.read_line(&mut String::new())?, 0, "its end");
        family.ends();
    }
    Ok(())
}

#[test]
#[ignore = "a program for the test below"]
fn program_interrupted() -> Outcome {
    static PIPE: AtomicI32 = AtomicI32::new(-1);
    extern "C" fn note(_: i32) {
        // SAFETY: a descriptor that stays open, and one byte.
        unsafe { nix::libc::write(PIPE.load(Ordering::Acquire), c"!".as_ptr().cast(), 1) };
    }
    let (mut interrupted, writer) = std::io::pipe()?;
    PIPE.store(writer.as_raw_fd(), Ordering::Release);
    let handler = SigAction::new(
        SigHandler::Handler(note),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: the handler makes a system call.
    unsafe { sigaction(Signal::SIGINT, &handler)? };
    let pools = [
        ProcessPool::new(2)?,
        ProcessPool::builder().size(2).reexec().build()?,
    ];
    let everybody = || pools.each_ref().map(|pool| common::everybody(pool, 2));
    let before = everybody();
    say("ready");
    interrupted.read_exact(&mut [0])?;
    assert_eq!(before, everybody());
    say("unharmed");
    Ok(())
}

#[test]
fn ctrl_c_is_the_programs_alone() -> Outcome {
    let mut program = Program::start("program_interrupted")?;
    // As a terminal does it: to the whole group that is in the foreground.
    killpg(
        Pid::from_raw(program.child.id().cast_signed()),
        Signal::SIGINT,
    )?;
    program.line_after("unharmed")?;
    assert!(program.child.wait()?.success());
    Ok(())
}

#[test]
#[ignore = "a program for the tests below"]
fn program_processes() -> Outcome {
    let late = |word: String| {
        report(word);
        say("late");
    };
    for _ in 0..3 {
        Process::new(late, "late".to_owned()).start()?;
    }
    let daemon = Process::new(never_end, ()).daemon(true);
    daemon.start()?;
    say(&format!(
        "ready\ndaemon {}",
        daemon.pid()?.ok_or("it was started")?
    ));
    std::process::exit(0)
}

#[test]
fn the_end_of_a_program_waits_for_its_processes_and_kills_its_daemons() -> Outcome {
    let mut program = Program::start("program_processes")?;
    let daemon = Watch::over(program.line_after("daemon ")?.parse()?);
    let guests = program.gate.guests(3);
    // It has nothing left to do but to wait for them, and has killed the daemon before.
    daemon.ends();
    assert_eq!(program.child.try_wait()?, None);
    drop(guests);
    for _ in 0..3 {
        program.line_after("late")?;
    }
    assert!(program.child.wait()?.success());
    Ok(())
}

#[test]
#[ignore = "a program for the test below"]
fn program_own_waits() -> Outcome {
    let pool = ProcessPool::new(2)?;
    // Takes the status of whatever ends, as an init process does; it sleeps as long as the fork server is there.
    std::thread::spawn(|| while nix::sys::wait::waitpid(None, None).is_ok() {});
    for code in 1..20 {
        let lost = common::loss(pool.apply(|code: i32| -> u8 { std::process::exit(code) }, code));
        assert_eq!(lost.cause, pool_process::Cause::Exit(code));
    }
    // By re-exec the status may be lost to that thread, and is known all the same where the kernel keeps it.
    let pool = ProcessPool::builder().size(2).reexec().build()?;
    for code in 1..20 {
        let lost = common::loss(pool.apply(|code: i32| -> u8 { std::process::exit(code) }, code));
        common::is_kept(&lost, &pool_process::Cause::Exit(code));
        assert_eq!(pool.apply(|x: i32| x, code)?, code);
    }
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
    // By re-exec the status is lost, but not to a kernel that keeps it.
    let pool = ProcessPool::builder().size(2).reexec().build()?;
    let lost = common::loss(pool.apply(|()| -> u8 { std::process::exit(7) }, ()));
    common::is_kept(&lost, &pool_process::Cause::Exit(7));
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
    listen();
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
        let folder = tempfile::tempdir()?;
        let copy = common::copy_into(folder.path())?;
        let mut program = Program::start_file(&copy, "program_replaced")?;
        std::fs::remove_file(&copy)?;
        if replace {
            std::fs::copy("/bin/false", &copy)?;
        }
        program.tell("go on")?;
        program.line_after("worked")?;
        program.child.wait()?;
    }
    Ok(())
}
