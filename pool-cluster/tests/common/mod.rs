//! What the tests share: a server and nodes of their own, and tasks that say when they run.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pool_cluster::{Builder, ClusterPool};

/// The longest that anything here may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

fn program() -> OsString {
    env::var_os("NATS_SERVER").unwrap_or_else(|| OsString::from("nats-server"))
}

/// Whether there is a server. Where there is none, it says that the test is skipped.
pub(crate) fn has_server() -> bool {
    let mut asked = Command::new(program());
    let there = asked.arg("--version").stdout(Stdio::null()).status();
    let is_there = there.is_ok_and(|status| status.success());
    if !is_there {
        println!(
            "skipped: {} is not on this machine (.ci/cluster installs it)",
            program().display()
        );
    }
    is_there
}

/// A server and its nodes, which end with it.
pub(crate) struct Rig {
    pub(crate) server: Child,
    pub(crate) port: u16,
    pub(crate) nodes: Vec<Child>,
    secret: String,
}

impl Rig {
    /// A server that lets everybody in, and so many nodes of one worker.
    pub(crate) fn new(nodes: usize) -> Rig {
        let (server, port) = start_server(0, "");
        let mut rig = Rig {
            server,
            port,
            nodes: Vec::new(),
            secret: String::new(),
        };
        for _ in 0..nodes {
            rig.add_node(1);
        }
        rig
    }

    /// A server that lets in who has this user and password, for subjects of ours alone.
    pub(crate) fn with_password(user: &str, password: &str) -> Rig {
        let rights = "permissions: { publish: \"pool.>\", subscribe: \"pool.>\" }";
        let settings = format!(
            "authorization {{ users: [{{ user: {user}, password: {password}, {rights} }}] }}"
        );
        let (server, port) = start_server(0, &settings);
        Rig {
            server,
            port,
            nodes: Vec::new(),
            secret: format!("{user}:{password}@"),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}127.0.0.1:{}", self.secret, self.port)
    }

    /// Starts this program as a node.
    pub(crate) fn add_node(&mut self, workers: usize) {
        let program = env::current_exe().expect("it has a file");
        self.add_node_of(&program, workers);
    }

    pub(crate) fn add_node_of(&mut self, program: &Path, workers: usize) {
        let mut node = Command::new(program);
        node.env("POOL_NODE", self.url())
            .env("POOL_NODE_WORKERS", workers.to_string())
            .env("POOL_NODE_QUIET", "1");
        self.nodes.push(
            node.stdin(Stdio::null())
                .spawn()
                .expect("it can be started"),
        );
    }

    /// A pool that misses nodes soon.
    pub(crate) fn builder(&self) -> Builder {
        ClusterPool::builder()
            .nodes(self.nodes.len())
            .contact(Duration::from_millis(300))
            .patience(LIMIT)
    }

    pub(crate) fn connect(&self) -> ClusterPool {
        self.builder()
            .connect(&self.url())
            .expect("its nodes are there")
    }

    /// Kills the server, and starts it again at the same port.
    pub(crate) fn restart_server(&mut self) {
        end(&mut self.server);
        (self.server, self.port) = start_server(self.port, "");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(end);
        end(&mut self.server);
    }
}

fn end(process: &mut Child) {
    // One that has ended already is as good.
    let _ = process.kill();
    process.wait().expect("it is a child");
}

/// Starts a server; port 0 is any.
fn start_server(port: u16, settings: &str) -> (Child, u16) {
    let mut server = Command::new(program());
    server
        .args(["-c", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut server = server.spawn().expect("it is there");
    let port = if port == 0 { -1 } else { i32::from(port) };
    let mut stdin = server.stdin.take().expect("it is piped");
    writeln!(stdin, "listen: \"127.0.0.1:{port}\"\n{settings}").expect("it reads its settings");
    drop(stdin);
    let mut lines = BufReader::new(server.stderr.take().expect("it is piped")).lines();
    let address = lines.find_map(|line| {
        let line = line.expect("its log is text");
        let (_, address) = line.split_once("Listening for client connections on ")?;
        Some(address.trim().to_owned())
    });
    let address = address.expect("it listens");
    std::thread::spawn(move || lines.for_each(drop));
    let (_, port) = address.rsplit_once(':').expect("an address has a port");
    (server, port.parse().expect("a port is a number"))
}

/// Where tasks say that they run, and wait to be let go.
pub(crate) struct Gate(TcpListener);

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate(TcpListener::bind("127.0.0.1:0").expect("there is a port"))
    }

    pub(crate) fn address(&self) -> String {
        self.0.local_addr().expect("it listens").to_string()
    }

    /// Waits until a task has come; it goes on when what this gives is dropped.
    pub(crate) fn wait(&self) -> TcpStream {
        let (task, _) = self.0.accept().expect("a task comes");
        task.set_read_timeout(Some(LIMIT)).expect("it is a socket");
        task
    }
}

/// A task that goes to a gate and waits there; gives its process.
pub(crate) fn hold(gate: String) -> u32 {
    let mut gate = TcpStream::connect(gate).expect("the gate is there");
    // An error is an end as well.
    let _ = gate.read(&mut [0]);
    std::process::id()
}

/// Waits until the process at the other end has gone.
pub(crate) fn has_gone(task: &mut TcpStream) -> bool {
    matches!(task.read(&mut [0]), Ok(0))
        || std::io::Error::last_os_error().raw_os_error() == Some(104)
}
