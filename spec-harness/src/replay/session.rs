//! One adapter and its puppets: starts it, carries lines to and fro, ends it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::time::TimeSpec;

use super::dialogue::Dialogue;
use super::scratch::Scratch;
use super::tree::Tree;
use super::wire::{Inlet, Outlet, Tail, Voice, set_nonblocking};
use super::{Fault, Target, sys};
use crate::history::Ending;
use crate::protocol::{self, FromAdapter, FromPuppet, Order, Request};

/// A connection of a puppet, by the order of accepting.
pub(super) type Line = u64;

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// With the number of its line.
    Adapter(u64, FromAdapter),
    Puppet(Line, FromPuppet),
    /// A puppet's connection ended.
    Gone(Line),
}

/// What came of listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    Nothing,
    /// Text on stderr. Whoever writes it, and may sleep because the pipe is full, is not at rest; but it is no sign that
    /// anything goes on.
    Noise,
    Something,
}

/// A running adapter.
#[derive(Debug)]
pub(super) struct Session {
    // Dropped in this order: first every process, then what they hold on to.
    pub(super) tree: Tree,
    stdin: Option<ChildStdin>,
    stdout: Voice,
    stderr: ChildStderr,
    to: Outlet,
    hanging_up: bool,
    from: Inlet,
    errors: Tail,
    listener: UnixListener,
    puppets: BTreeMap<Line, Puppet>,
    next: Line,
    /// What was said last.
    pub(super) dialogue: Dialogue,
    /// Readable when the adapter has ended, until that has been noticed.
    pidfd: Option<OwnedFd>,
    scratch: Scratch,
}

/// A directory for one run, and the socket in it.
///
/// # Errors
/// Says why there can be none, and where it was to be.
pub(super) fn place() -> Result<(Scratch, UnixListener), String> {
    let made = Scratch::new().and_then(|scratch| {
        let listener = UnixListener::bind(scratch.socket())?;
        listener.set_nonblocking(true)?;
        Ok((scratch, listener))
    });
    made.map_err(|error| {
        let parent = std::env::temp_dir();
        format!(
            "there is no place for sockets in {}, where TMPDIR says: {error}",
            parent.display()
        )
    })
}

/// Connections that may be open without a word. A task says who it is as soon as it has one.
const MOST_SILENT: usize = 256;

#[derive(Debug)]
struct Puppet {
    stream: UnixStream,
    /// The process that made the connection, if the kernel can tell.
    process: Option<i32>,
    silent: bool,
    from: Inlet,
    to: Outlet,
}

impl Session {
    pub(super) fn start(target: &Target, is_shared: bool) -> Result<Session, Fault> {
        let broken = |what: &str, e: io::Error| Fault::Ends(Ending::Broken(format!("{what}: {e}")));
        // What the harness itself lacks says nothing about the adapter.
        let lacking = |what: &str, e: io::Error| unknown(format!("{what}: {e}"));
        nix::sys::prctl::set_child_subreaper(true)
            .map_err(|e| lacking("the harness cannot become a subreaper", e.into()))?;
        let (scratch, listener) = place().map_err(unknown)?;
        let Some((program, arguments)) = target.command.split_first() else {
            return Err(Fault::NotHere("the target has no command".to_owned()));
        };
        let (stdout, its_stdout) =
            Voice::pair().map_err(|e| lacking("the adapter has no stdout", e))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            // A backtrace takes longer than the rest of a run, and no verdict needs it.
            .env_remove("RUST_BACKTRACE")
            .env(protocol::RUN_VARIABLE, scratch.name())
            .env(protocol::SOCKET_VARIABLE, scratch.socket())
            .env_remove(protocol::SHARED_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(its_stdout)
            .stderr(Stdio::piped());
        if is_shared {
            command.env(protocol::SHARED_VARIABLE, "1");
        }
        let (mark, spawned) = sys::spawn(&mut command);
        // It has a copy of the other end of its stdout.
        drop(command);
        let mut child = spawned.map_err(|e| match e.kind() {
            // It is there, and what is to read it is not.
            ErrorKind::NotFound if Path::new(program).is_file() => broken(
                &match interpreter(Path::new(program)) {
                    Some(missing) => format!(
                        "{} cannot be started: its interpreter `{missing}` (line 1) is not here",
                        program.display()
                    ),
                    None => format!(
                        "{} cannot be started: the loader that it names is not here",
                        program.display()
                    ),
                },
                e,
            ),
            ErrorKind::NotFound => Fault::NotHere(format!("{} is not here", program.display())),
            ErrorKind::PermissionDenied => broken(
                &format!(
                    "{} cannot be started (is it executable?)",
                    program.display()
                ),
                e,
            ),
            _ if is_shortage(&e) => lacking(&format!("{} cannot be started", program.display()), e),
            _ => broken(&format!("{} cannot be started", program.display()), e),
        })?;
        let pid = child.id() as i32;
        let marker = format!("{}={}", protocol::RUN_VARIABLE, scratch.name());
        // From here on the tree owns the process: whatever happens, its drop ends it.
        let tree = Tree::new(pid, mark, marker);
        let (Some(stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(Fault::Ends(Ending::Broken(
                "the adapter has no pipes".to_owned(),
            )));
        };
        let pidfd = sys::pidfd(pid).map_err(|e| lacking("the adapter cannot be watched", e))?;
        set_nonblocking(stdin.as_fd())
            .and_then(|()| set_nonblocking(stdout.as_fd()))
            .and_then(|()| set_nonblocking(stderr.as_fd()))
            .map_err(|e| broken("the adapter's pipes", e))?;
        Ok(Session {
            tree,
            stdin: Some(stdin),
            stdout,
            stderr,
            to: Outlet::default(),
            hanging_up: false,
            from: Inlet::default(),
            errors: Tail::default(),
            listener,
            puppets: BTreeMap::new(),
            next: 0,
            dialogue: Dialogue::default(),
            pidfd: Some(pidfd),
            scratch,
        })
    }

    /// The process that writes to stdout: the adapter itself, whatever has started it. Nothing where the kernel does not tell.
    pub(super) fn speaker(&self) -> Option<i32> {
        self.stdout.speaker
    }

    pub(super) fn socket(&self) -> String {
        self.scratch.socket().to_string_lossy().into_owned()
    }

    pub(super) fn request(&mut self, request: &Request) {
        let text = request.to_line();
        self.dialogue.note("to the adapter", &text);
        self.to.push(text.as_bytes());
        self.flush();
    }

    pub(super) fn order(&mut self, line: Line, order: &Order) {
        if let Some(puppet) = self.puppets.get_mut(&line) {
            let text = protocol::line(order);
            self.dialogue.note("to the puppet", &text);
            puppet.to.push(text.as_bytes());
            puppet.to.flush(&mut puppet.stream);
        }
    }

    /// Ends the adapter's requests: its stdin is closed as soon as everything is written. True the first time.
    pub(super) fn hang_up_after_writing(&mut self) -> bool {
        let was_open = !self.hanging_up && self.stdin.is_some();
        self.hanging_up = true;
        self.flush();
        was_open
    }

    /// How many connections were made to the socket.
    pub(super) fn connections(&self) -> u64 {
        self.next
    }

    /// The last of what was written to stderr.
    pub(super) fn stderr(&self) -> String {
        self.errors.text()
    }

    /// Whether bytes to anybody are waiting to be taken.
    pub(super) fn is_writing(&self) -> bool {
        (self.stdin.is_some() && self.to.pending()) || self.puppets.values().any(|p| p.to.pending())
    }

    /// Takes what is there, without waiting.
    ///
    /// # Errors
    /// A breach of the protocol.
    pub(super) fn pump(&mut self, heard: &mut Vec<Heard>) -> Result<Pumped, Fault> {
        self.flush();
        let noise = self.errors.fill(&mut self.stderr);
        let mut some = self.accept();
        some |= self.hear_puppets(heard)?;
        if self.puppets.values().filter(|puppet| puppet.silent).count() > MOST_SILENT {
            return Err(broken(format!(
                "more than {MOST_SILENT} connections to the socket are open and say nothing"
            )));
        }
        some |= self.from.fill(&mut self.stdout);
        loop {
            let line = self.from.line();
            let number = self.from.number();
            let breach = |e: String| {
                let place = format!("line {number} of the adapter's stdout");
                broken(format!("the adapter broke the protocol in {place}: {e}"))
            };
            let Some(line) = line.map_err(|e| breach(e.to_string()))? else {
                break;
            };
            self.dialogue.note("from the adapter", &line);
            let message = FromAdapter::parse(&line).map_err(|e| breach(e.to_string()))?;
            heard.push(Heard::Adapter(number, message));
        }
        if let (Some(one), Some(other)) = (self.stdout.speaker, self.stdout.another) {
            return Err(broken(format!(
                "process {other} writes to the adapter's stdout, and process {one} has answered hello: only one of them is the adapter"
            )));
        }
        if self.pidfd.as_ref().is_some_and(is_readable) {
            self.tree.reap_root();
            if self.tree.root_ended().is_some() {
                self.pidfd = None;
                some = true;
            }
        }
        Ok(match (some, noise) {
            (true, _) => Pumped::Something,
            (false, true) => Pumped::Noise,
            (false, false) => Pumped::Nothing,
        })
    }

    /// Waits until there is something to take, but no longer than this.
    pub(super) fn wait(&self, limit: Duration) {
        let read = PollFlags::POLLIN;
        let mut fds = Vec::with_capacity(5 + self.puppets.len());
        if !self.from.ended() {
            fds.push(PollFd::new(self.stdout.as_fd(), read));
        }
        if !self.errors.ended() {
            fds.push(PollFd::new(self.stderr.as_fd(), read));
        }
        fds.push(PollFd::new(self.listener.as_fd(), read));
        if let Some(pidfd) = &self.pidfd {
            fds.push(PollFd::new(pidfd.as_fd(), read));
        }
        if let Some(stdin) = self.stdin.as_ref().filter(|_| self.to.pending()) {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLOUT));
        }
        for puppet in self.puppets.values() {
            let wanted = if puppet.to.pending() {
                read | PollFlags::POLLOUT
            } else {
                read
            };
            fds.push(PollFd::new(puppet.stream.as_fd(), wanted));
        }
        // An interruption is a reason to look, like any other.
        let _ = ppoll(&mut fds, Some(TimeSpec::from_duration(limit)), None);
    }

    fn flush(&mut self) {
        if let Some(stdin) = &mut self.stdin {
            self.to.flush(stdin);
            if self.hanging_up && !self.to.pending() {
                sys::close_for_all(self.stdin.take());
            }
        }
        for puppet in self.puppets.values_mut() {
            puppet.to.flush(&mut puppet.stream);
        }
    }

    /// The process that made a connection, by the kernel's word.
    pub(super) fn process(&self, line: Line) -> Option<i32> {
        self.puppets.get(&line)?.process
    }

    /// Takes in whoever has connected; of those who come without end, so many that it shows.
    fn accept(&mut self) -> bool {
        let mut some = false;
        for _ in 0..=MOST_SILENT {
            let Ok((stream, _)) = sys::noted(self.listener.accept()) else {
                break;
            };
            some = true;
            if stream.set_nonblocking(true).is_ok() {
                let peer = getsockopt(&stream, PeerCredentials);
                let puppet = Puppet {
                    stream,
                    // In a namespace that is not seen from here it has no number.
                    process: peer.ok().map(|peer| peer.pid()).filter(|pid| *pid > 0),
                    silent: true,
                    from: Inlet::default(),
                    to: Outlet::default(),
                };
                self.puppets.insert(self.next, puppet);
                self.next += 1;
            }
        }
        some
    }

    fn hear_puppets(&mut self, heard: &mut Vec<Heard>) -> Result<bool, Fault> {
        let mut some = false;
        let mut gone = Vec::new();
        for (line, puppet) in &mut self.puppets {
            some |= puppet.from.fill(&mut puppet.stream);
            loop {
                let text = puppet.from.line();
                let number = puppet.from.number();
                let breach = |e: String| {
                    let place = format!("line {number} of its connection");
                    broken(format!("a puppet broke the protocol in {place}: {e}"))
                };
                let Some(text) = text.map_err(|e| breach(e.to_string()))? else {
                    break;
                };
                self.dialogue.note("from a puppet", &text);
                puppet.silent = false;
                let message = FromPuppet::parse(&text).map_err(|e| breach(e.to_string()))?;
                heard.push(Heard::Puppet(*line, message));
            }
            if puppet.from.ended() {
                heard.push(Heard::Gone(*line));
                gone.push(*line);
            }
        }
        for line in gone {
            if let Some(puppet) = self.puppets.remove(&line) {
                // A child that is just being started for another run has a copy of the descriptor: to close it alone
                // would leave a peer asleep that waits for this end. It may have gone itself.
                let _ = puppet.stream.shutdown(Shutdown::Both);
            }
        }
        Ok(some)
    }
}

/// What the first line of a script says that is to read it.
fn interpreter(script: &Path) -> Option<String> {
    let mut first = String::new();
    // A script whose beginning cannot be read as text has no such line.
    let file = BufReader::new(File::open(script).ok()?);
    file.take(256).read_line(&mut first).ok()?;
    Some(first.strip_prefix("#!")?.trim().to_owned())
}

/// The program that the first line of a script has `env` look for, where there is none.
pub(super) fn not_found_by_env(target: &Target) -> Option<String> {
    let line = interpreter(Path::new(target.command.first()?))?;
    let mut words = line.split_whitespace();
    let env = words.next().filter(|first| first.ends_with("/env"));
    let wanted =
        words.find(|word| env.is_some() && !word.starts_with('-') && !word.contains('='))?;
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).any(|folder| folder.join(wanted).is_file());
    (!found).then(|| wanted.to_owned())
}

fn is_readable(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    ppoll(
        &mut fds,
        Some(TimeSpec::from_duration(Duration::ZERO)),
        None,
    )
    .is_ok_and(|n| n > 0)
}

/// Whether the system has no more of something at this moment.
fn is_shortage(error: &io::Error) -> bool {
    let short = [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE];
    let number = error.raw_os_error();
    number.is_some_and(|number| short.contains(&Errno::from_raw(number)))
}

pub(super) fn unknown(text: String) -> Fault {
    Fault::Ends(Ending::Unknown(text))
}

pub(super) fn broken(text: String) -> Fault {
    Fault::Ends(Ending::Broken(text))
}
