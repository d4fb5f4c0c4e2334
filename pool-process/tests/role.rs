//! A process that was started to be a worker or a fork server and cannot be one ends. It never runs `main`.

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Outcome, apart, each_way, is_root};
use nix::libc;
use nix::sys::statvfs::{FsFlags, statvfs};
use pool_process::{Pool, Process, ProcessPool};

const ROLE: &str = "POOL_PROCESS_ROLE";

#[test]
#[ignore = "a program for the tests below"]
fn program() {
    println!("main has begun");
}

/// Starts the program with a role in its environment; what it says on stderr. It must not get to `main`.
fn ends(file: &Path, role: &str, stdin: Stdio) -> Result<String, Box<dyn std::error::Error>> {
    let ended = Command::new(file)
        .args(["--exact", "program", "--ignored", "--nocapture"])
        .env(ROLE, role)
        .stdin(stdin)
        .output()?;
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(ended.stdout)?,
        "",
        "`main` was not reached"
    );
    Ok(String::from_utf8(ended.stderr)?)
}

#[test]
fn who_finds_a_role_that_it_cannot_play_says_so_and_ends() -> Outcome {
    let file = std::env::current_exe()?;
    for role in ["worker", "server"] {
        let listener = TcpListener::bind("localhost:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let pipe = std::io::pipe()?;
        for stdin in [
            Stdio::null(),
            Stdio::from(pipe.0),
            Stdio::from(OwnedFd::from(stream)),
        ] {
            let said = ends(&file, role, stdin)?;
            assert!(
                said.contains(ROLE) && said.contains("standard input"),
                "{said}"
            );
            assert!(
                said.contains("must not have it in their environment"),
                "{said}"
            );
        }
        // Closed.
        let mut shell = Command::new("sh");
        let ended = shell
            .args([
                "-c",
                "exec \"$0\" --exact program --ignored --nocapture <&-",
            ])
            .arg(&file)
            .env(ROLE, role)
            .output()?;
        assert_eq!((ended.status.code(), &*ended.stdout), (Some(1), &b""[..]));
    }
    for role in ["", "king", "worker 1", "server x y z w"] {
        let (ours, theirs) = UnixStream::pair()?;
        let said = ends(&file, role, Stdio::from(OwnedFd::from(theirs)))?;
        assert!(said.contains("role"), "{said}");
        drop(ours);
    }
    Ok(())
}

#[test]
fn who_has_more_rights_than_its_starter_does_not_play_a_role() -> Outcome {
    if !is_root("a program with another group") {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let file = common::copy_into(directory.path())?;
    if statvfs(&file)?.flags().contains(FsFlags::ST_NOSUID) {
        common::skip("a program with another group", "its file system has none");
        return Ok(());
    }
    std::os::unix::fs::chown(&file, None, Some(1))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o2755))?;
    for role in ["worker", "server"] {
        let (ours, theirs) = UnixStream::pair()?;
        let said = ends(&file, role, Stdio::from(OwnedFd::from(theirs)))?;
        assert!(
            said.contains("more rights than who has started it"),
            "{said}"
        );
        drop(ours);
    }
    Ok(())
}

#[test]
fn a_thread_whose_user_is_not_its_real_one_is_refused_a_pool_at_that_moment() -> Outcome {
    if !is_root("an effective user") {
        return Ok(());
    }
    apart(|()| {
        // SAFETY: plain numbers.
        let become_for_a_while = |user| unsafe { assert_eq!(libc::seteuid(user), 0) };
        let first = ProcessPool::new(1).expect("a pool");
        become_for_a_while(65534);
        for said in [
            ProcessPool::new(1).expect_err("not now").to_string(),
            ProcessPool::builder()
                .size(1)
                .reexec()
                .build()
                .expect_err("not now")
                .to_string(),
            Process::new(|()| (), ())
                .start()
                .expect_err("not now")
                .to_string(),
        ] {
            assert!(
                said.contains("cannot be started here: the user id of this thread is 0, but"),
                "{said}"
            );
        }
        // What is there goes on, as it was.
        // SAFETY: it has no preconditions.
        let user = |()| unsafe { libc::geteuid() };
        assert_eq!(first.apply(user, ()).expect("a worker"), 0);
        become_for_a_while(0);
        assert_eq!(
            ProcessPool::new(1)
                .expect("a pool")
                .apply(user, ())
                .expect("a worker"),
            0
        );
        // The same goes for groups, and for files alone.
        // SAFETY: plain numbers.
        unsafe { assert_eq!(libc::setegid(65534), 0) };
        let said = ProcessPool::new(1).expect_err("not now").to_string();
        assert!(said.contains("the group id of this thread"), "{said}");
        // SAFETY: plain numbers.
        unsafe { assert_eq!((libc::setegid(0), libc::setfsuid(65534)), (0, 0)) };
        let said = ProcessPool::new(1).expect_err("not now").to_string();
        assert!(said.contains("the one for files 65534"), "{said}");
    })
}

#[test]
fn what_a_task_starts_knows_nothing_of_roles() -> Outcome {
    each_way(1, |pool| {
        let environment = |()| {
            let output = Command::new("env").output().expect("it is there");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert!(!pool.apply(environment, ())?.contains(ROLE));
        Ok(())
    })
}
