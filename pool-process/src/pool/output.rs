//! What tasks print, read by the parent: forwarded line by line, or kept for the errors of those tasks.
//!
//! A worker's stdout and stderr are pipes then. The dispatcher reads them whenever there is something, and before it completes the
//! task that a worker has answered: so all that the task has printed is read before its outcome is known, and nothing of it is taken for
//! the next one's. For this, such a worker has no ring: it has one task at a time, and the dispatcher handles its answers.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::{fmt, fs};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;
use pool_core::backend::catch;

/// So many bytes are read in one go; a task that prints without end is read on when the dispatcher comes back to it.
const AT_ONCE: usize = 1 << 20;

/// A line that is longer is forwarded in parts.
const LONGEST_LINE: usize = 64 * 1024;

/// Which stream of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Stdout,
    Stderr,
}

/// The parent's ends of a worker's stdout and stderr.
pub(crate) struct WorkerOutput {
    streams: [Stream; 2],
    /// So many bytes of stderr are kept at most.
    keeps: usize,
    /// The last bytes that the current task has written to stderr.
    tail: Vec<u8>,
    /// There was more before them.
    is_cut: bool,
}

struct Stream {
    name: Name,
    pipe: fs::File,
    forwards: bool,
    /// Nobody can write into it any more.
    ended: bool,
    /// A line whose end has not come yet.
    line: Vec<u8>,
}

impl WorkerOutput {
    /// Pipes for a worker, and its own ends of them: stdout and stderr. Of stderr so many bytes are kept.
    pub(crate) fn new(forwards: bool, keeps: usize) -> io::Result<(WorkerOutput, [OwnedFd; 2])> {
        let (stdout, out) = Stream::new(Name::Stdout, forwards)?;
        let (stderr, err) = Stream::new(Name::Stderr, forwards)?;
        let output = WorkerOutput {
            streams: [stdout, stderr],
            keeps,
            tail: Vec::new(),
            is_cut: false,
        };
        Ok((output, [out, err]))
    }

    /// The descriptors that are readable when there is something to read.
    pub(crate) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        self.streams.each_ref().map(|stream| stream.pipe.as_fd())
    }

    /// Those of them that are readable for ever, since nobody can write there any more.
    pub(crate) fn ended(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let ended = self.streams.iter().filter(|stream| stream.ended);
        ended.map(|stream| stream.pipe.as_fd())
    }

    /// Reads what there is.
    pub(crate) fn read(&mut self) {
        for stream in &mut self.streams {
            let keeps = match stream.name {
                Name::Stdout => 0,
                Name::Stderr => self.keeps,
            };
            let mut buffer = [0; 8192];
            let mut left = AT_ONCE;
            while left > 0 {
                let count = match stream.pipe.read(&mut buffer) {
                    Ok(count @ 1..) => count,
                    Ok(_) => {
                        stream.ended = true;
                        break;
                    }
                    // There is nothing yet. No other error is known, and the worker's end is told otherwise.
                    Err(_) => break,
                };
                left = left.saturating_sub(count);
                stream.forward(&buffer[..count]);
                if keeps > 0 {
                    self.tail.extend_from_slice(&buffer[..count]);
                    let surplus = self.tail.len().saturating_sub(keeps);
                    self.is_cut |= surplus > 0;
                    self.tail.drain(..surplus);
                }
            }
        }
    }

    /// A task has ended: what it has written to stderr, if it has. What is written from now on is the next one's.
    pub(crate) fn end_task(&mut self) -> Option<String> {
        self.read();
        let (tail, is_cut) = (
            std::mem::take(&mut self.tail),
            std::mem::take(&mut self.is_cut),
        );
        // From the first whole line on, where there is one.
        let begin = match tail.iter().position(|byte| *byte == b'\n') {
            Some(end) if is_cut && end + 1 < tail.len() => end + 1,
            _ => 0,
        };
        let text = String::from_utf8_lossy(&tail[begin..]);
        (!text.trim().is_empty()).then(|| text.trim_end().to_owned())
    }

    /// The worker has ended: what it has printed last is forwarded, as a line of its own. As [`end_task`](Self::end_task), of
    /// the task that it ran.
    pub(crate) fn end(&mut self) -> Option<String> {
        let tail = self.end_task();
        self.streams.iter_mut().for_each(Stream::flush);
        tail
    }
}

impl Stream {
    fn new(name: Name, forwards: bool) -> io::Result<(Stream, OwnedFd)> {
        let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let stream = Stream {
            name,
            pipe: ours.into(),
            forwards,
            ended: false,
            line: Vec::new(),
        };
        Ok((stream, theirs))
    }

    fn forward(&mut self, bytes: &[u8]) {
        if !self.forwards {
            return;
        }
        self.line.extend_from_slice(bytes);
        let whole = match self.line.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.line.len() >= LONGEST_LINE => self.line.len(),
            None => return,
        };
        let lines: Vec<u8> = self.line.drain(..whole).collect();
        self.print(&lines);
    }

    fn flush(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            line.push(b'\n');
            self.print(&line);
        }
    }

    fn print(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        // The macros alone write where a test's output is captured. They panic where nobody reads: then nobody is to read on.
        let printed = catch(|| match self.name {
            Name::Stdout => print!("{text}"),
            Name::Stderr => eprint!("{text}"),
        });
        self.forwards = printed.is_ok();
    }
}

impl fmt::Debug for WorkerOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerOutput")
            .field("keeps", &self.keeps)
            .field("tail", &self.tail.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_tail_of_a_task_is_what_it_has_written_to_stderr_from_a_whole_line_on() {
        let (mut output, [out, err]) = WorkerOutput::new(false, 20).expect("pipes");
        let (mut out, mut err) = (fs::File::from(out), fs::File::from(err));
        assert_eq!(output.end_task(), None);
        for (printed, written, tail) in [
            ("lost\n", "", None),
            ("", "one\ntwo\n", Some("one\ntwo")),
            ("", "\n\n", None),
            ("", "a first line\na second line\n", Some("a second line")),
            (
                "",
                "a line without an end that is long",
                Some(" an end that is long"),
            ),
            ("", "\u{fffd}é", Some("\u{fffd}é")),
        ] {
            out.write_all(printed.as_bytes()).expect("room");
            err.write_all(written.as_bytes()).expect("room");
            assert_eq!(output.end_task().as_deref(), tail);
        }
        drop((out, err));
        assert_eq!(output.end(), None);
        assert_eq!(output.ended().count(), 2);
    }
}
