//! Workers have a session of their own and no terminal: none is ever stopped by one. The test program itself is
//! started again on a terminal, which the test holds the other end of.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use common::{Gate, Outcome, every_way, readable, wait_at, wait_with};
use nix::errno::Errno;
use nix::libc;
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpid, getsid};
use pool_process::{Pool, Process, ProcessPool};

/// The variable with the name of the gate at which a program's tasks report to the test.
const GATE: &str = "POOL_TEST_GATE";

/// Starts one of the programs below from a shell on a terminal, as a job in the foreground; the shell, and the other end of
/// the terminal. When the program is stopped the shell says so, waits for a line, and has it go on.
fn on_a_terminal(name: &str, gate: &Gate) -> Result<(Child, fs::File), Box<dyn std::error::Error>> {
    let pty = openpty(None, None)?;
    let stream = || pty.slave.try_clone();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", SCRIPT, "sh"])
        .arg(std::env::current_exe()?)
        .args([
            name,
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(GATE, gate.name())
        .stdin(stream()?)
        .stdout(stream()?)
        .stderr(stream()?);
    let terminal = pty.slave.as_raw_fd();
    // SAFETY: two system calls, with a number that the child has.
    unsafe {
        shell.pre_exec(move || {
            Errno::result(libc::setsid())?;
            Errno::result(libc::ioctl(terminal, libc::TIOCSCTTY, 0))?;
            Ok(())
        });
    }
    Ok((shell.spawn()?, fs::File::from(pty.master)))
}

/// What the shell does: a status above 128 is that of one that was stopped.
const SCRIPT: &str = r#"set -m
"$@"
status=$?
if [ "$status" -gt 128 ]; then
    echo "it was stopped"
    read -r line
    fg
    status=$?
fi
exit "$status""#;

/// What is said on a terminal until something is, or its program has gone.
fn said(master: &mut fs::File, until: Option<&str>) -> String {
    let mut said = String::new();
    let mut room = [0; 4096];
    while until.is_none_or(|word| !said.contains(word)) {
        assert!(readable(master.as_fd()), "nothing is said after {said}");
        // A terminal ends with an error.
        match master.read(&mut room) {
            Ok(0) | Err(_) => break,
            Ok(length) => said.push_str(&String::from_utf8_lossy(&room[..length])),
        }
    }
    said
}

/// What becomes of a task that turns to the terminal, and of the mode that it sets on what it has inherited.
fn touch(_: ()) -> (Option<i32>, Result<(), String>) {
    let opened = fs::File::open("/dev/tty")
        .err()
        .and_then(|error| error.raw_os_error());
    let output = std::io::stdout();
    let set = tcgetattr(&output).and_then(|mode| tcsetattr(&output, SetArg::TCSANOW, &mode));
    (opened, set.map_err(|error| error.to_string()))
}

/// The session, and whether it is this process's own.
fn session(_: ()) -> (i32, bool) {
    let session = getsid(None).expect("it has one");
    (session.as_raw(), session == getpid())
}

#[test]
#[ignore = "a program for the test below"]
fn program_on_a_terminal() -> Outcome {
    // As `stty tostop`: who is not in the foreground is stopped when it writes.
    let terminal = OwnedFd::from(fs::File::open("/dev/tty")?);
    let mut mode = tcgetattr(&terminal)?;
    mode.local_flags |= LocalFlags::TOSTOP;
    tcsetattr(&terminal, SetArg::TCSANOW, &mode)?;
    let check = |pool: &ProcessPool| -> Outcome {
        let (own, leads) = pool.apply(session, ())?;
        assert!(leads && own != session(()).0);
        assert_eq!(pool.apply(touch, ())?, (Some(libc::ENXIO), Ok(())));
        pool.apply(
            |method| println!("a worker by {method}"),
            pool.stats().start_method.to_string(),
        )?;
        // What a task starts is in that session, too.
        let status = |()| {
            let shell = Command::new("sh").args(["-c", ": < /dev/tty"]).output();
            shell.map(|output| output.status.success()).unwrap_or(true)
        };
        assert!(!pool.apply(status, ())?);
        Ok(())
    };
    every_way(1, check)?;
    let process = Process::new(
        |()| {
            assert!(session(()).1);
            assert_eq!(touch(()), (Some(libc::ENXIO), Ok(())));
            println!("a process");
        },
        (),
    );
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(0));
    // The server, too, so that nothing that a preload does stops it.
    let pool = ProcessPool::builder()
        .size(1)
        .preload(|| println!("a preload"))
        .build()?;
    let server = common::parent(pool.apply(common::pid, ())?);
    let server = Pid::from_raw(i32::try_from(server)?);
    assert_eq!(getsid(Some(server))?, server);
    println!("all is well");
    Ok(())
}

#[test]
fn nothing_of_a_worker_is_stopped_by_the_terminal() -> Outcome {
    let gate = Gate::new();
    let (mut shell, mut master) = on_a_terminal("program_on_a_terminal", &gate)?;
    let said = said(&mut master, None);
    assert!(shell.wait()?.success(), "{said}");
    for line in [
        "a worker by fork server",
        "a worker by re-exec",
        "a worker by raw fork",
        "a process",
        "a preload",
        "all is well",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    Ok(())
}

/// Comes to a gate twice.
fn come_twice(gate: String) -> u32 {
    wait_with(&gate, "once");
    wait_with(&gate, "twice")
}

#[test]
#[ignore = "a program for the test below"]
fn program_to_be_stopped() -> Outcome {
    let pools = [
        ProcessPool::new(1)?,
        ProcessPool::builder().size(1).reexec().build()?,
    ];
    let gate = std::env::var(GATE)?;
    let handles: Result<Vec<_>, _> = pools
        .iter()
        .map(|pool| pool.apply_async(come_twice, gate.clone()))
        .collect();
    for handle in handles? {
        handle.get()?;
    }
    pools[0].apply(wait_at, gate)?;
    Ok(())
}

#[test]
fn ctrl_z_stops_the_program_and_not_its_workers() -> Outcome {
    let gate = Gate::new();
    let (mut shell, mut master) = on_a_terminal("program_to_be_stopped", &gate)?;
    let guests = gate.guests(2);
    master.write_all(b"\x1a")?;
    said(&mut master, Some("it was stopped"));
    drop(guests);
    // Their tasks go on, and the program hears of it when it does.
    drop(gate.guests(2));
    master.write_all(b"\n")?;
    drop(gate.guests(1));
    let said = said(&mut master, None);
    assert!(shell.wait()?.success(), "{said}");
    Ok(())
}
