//! A server and nodes on this machine, for programs that have no cluster at hand.
//!
//! # Safety
//!
//! Between fork and exec only system calls are made that are safe there.
#![expect(
    unsafe_code,
    reason = "children end with the thread that has started them"
)]

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::node;
use crate::wire::unique;

/// The variable that names the server's program.
const SERVER: &str = "NATS_SERVER";

/// How long the server may take to begin.
const START: Duration = Duration::from_secs(10);

/// How long a node may take to leave.
const LEAVE: Duration = Duration::from_secs(2);

/// A server that was started.
pub(crate) struct Server {
    process: Child,
    pub(crate) url: String,
}

impl Server {
    /// Starts a server that listens on this machine alone, and lets in only who has its token.
    ///
    /// # Errors
    ///
    /// There is none on this machine, or it does not begin.
    pub(crate) async fn start() -> Result<Server, String> {
        let program = env::var_os(SERVER).unwrap_or_else(|| OsString::from("nats-server"));
        let token = format!("{:016x}{:016x}", unique(), unique());
        let mut command = Command::new(&program);
        command
            .args(["-c", "/dev/stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = spawn(&mut command).map_err(|error| {
            format!(
                "{} cannot be started: {error}; a pool on this machine needs a NATS server, of which `{SERVER}` may say where it is",
                program.display()
            )
        })?;
        let (Some(mut stdin), Some(stderr)) = (process.stdin.take(), process.stderr.take()) else {
            return Err("the server has no standard streams".to_owned());
        };
        let settings =
            format!("listen: \"127.0.0.1:-1\"\nauthorization {{ token: \"{token}\" }}\n");
        let sent = stdin.write_all(settings.as_bytes()).await;
        sent.map_err(|error| format!("the server does not read its settings: {error}"))?;
        drop(stdin);
        let port = tokio::time::timeout(START, port(stderr)).await;
        let port = port.map_err(|_| format!("the server does not begin within {START:?}"))??;
        Ok(Server {
            process,
            url: format!("nats://{token}@127.0.0.1:{port}"),
        })
    }

    pub(crate) async fn stop(mut self) {
        stop(&mut self.process).await;
    }
}

/// Reads the server's log until it names its port; the rest of it is read and dropped.
async fn port(stderr: ChildStderr) -> Result<u16, String> {
    let mut lines = BufReader::new(stderr).lines();
    let mut last = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, address)) = line.split_once("Listening for client connections on ")
            && let Some(port) = address
                .rsplit(':')
                .next()
                .and_then(|port| port.trim().parse().ok())
        {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(port);
        }
        last = line;
    }
    Err(format!(
        "the server does not begin; the last that it said: {last}"
    ))
}

/// Starts this program as a node.
pub(crate) fn start_node(url: &str, workers: usize) -> Result<Child, String> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(env::args_os().next().unwrap_or_default())
        .env(node::NODE, url)
        .env(node::WORKERS, workers.to_string())
        .env(node::QUIET, "1")
        .stdin(Stdio::null());
    spawn(&mut command)
        .map_err(|error| format!("this program cannot be started as a node: {error}"))
}

/// Starts a program that ends with the calling thread.
fn spawn(command: &mut Command) -> io::Result<Child> {
    command.kill_on_drop(true).process_group(0);
    // SAFETY: one system call, which is safe after a fork.
    unsafe { command.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)) };
    command.spawn()
}

/// Has a process leave, and ends it where it does not.
pub(crate) async fn stop(process: &mut Child) {
    let pid = process.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid {
        // It is a child that was not waited for, so the number is its own; if it has ended, nothing happens.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if tokio::time::timeout(LEAVE, process.wait()).await.is_err() {
        // It was started by this process, which may end it; then it is gone.
        let _ = process.kill().await;
    }
}
