//! A worker: reads tasks from its socket one after the other, runs them, answers, and leaves when the socket ends.

use std::io::{self, Write};
use std::os::fd::OwnedFd;

use nix::sys::prctl;
use pool_core::{CodecError, Worker, WorkerSeat};
use serde::{Deserialize, Serialize};

use crate::link::{Link, Patient};
use crate::surroundings::Written;
use crate::wire::{self, HEAD, Kind, Reader};
use crate::{codec, errand, sys, travel};

/// What a worker is told first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Its name.
    pub(crate) name: String,
    /// Its name for the system, 15 bytes at most.
    pub(crate) short_name: String,
    /// Its place in the pool.
    pub(crate) index: usize,
    /// The longest payload in either direction.
    pub(crate) max_payload: u64,
    /// Whether the panic hook may be installed.
    pub(crate) panic_hook: bool,
    /// What is around it.
    pub(crate) surroundings: Written,
}

/// What a reply buffer keeps of its room when it had to grow.
const KEEP: usize = 1024 * 1024;

/// A worker's whole life.
pub(crate) fn serve(link: &Link) -> ! {
    let mut stream = Patient {
        link,
        fds: Vec::new(),
    };
    // The pool's own limit comes with the setup; until then nothing is larger than an environment.
    let mut reader = Reader::new(wire::MAX_PAYLOAD);
    let setup = match await_setup(&mut reader, &mut stream) {
        Ok(Some(setup)) => setup,
        Ok(None) => leave(0),
        Err(_) => leave(1),
    };
    if let Err(error) = settle(&setup, std::mem::take(&mut stream.fds)) {
        say(link, Kind::Unfit, |out| {
            errand::report(Kind::Unfit, &error.to_string(), HEAD, out)
        });
        leave(1);
    }
    let seat = Worker {
        name: setup.name,
        index: setup.index,
        pid: std::process::id(),
    };
    let _seat = WorkerSeat::take(0, seat);
    say(link, Kind::Ready, |_| Kind::Ready);
    let mut reply = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(frame)) if frame.kind == Kind::Task => {
                run(
                    link,
                    frame.request,
                    frame.payload,
                    setup.max_payload,
                    &mut reply,
                );
            }
            // The pool keeps to the protocol; what does not is not the pool.
            Ok(Some(_)) | Err(_) => leave(1),
            Ok(None) => match reader.fill(&mut stream) {
                Ok(0) | Err(_) => leave(0),
                Ok(_) => stream.fds.clear(),
            },
        }
    }
}

fn await_setup(reader: &mut Reader, stream: &mut Patient<'_>) -> io::Result<Option<Setup>> {
    loop {
        match reader.next().map_err(io::Error::other)? {
            Some(frame) if frame.kind == Kind::Setup => {
                return codec::decode(frame.payload)
                    .map(Some)
                    .map_err(io::Error::other);
            }
            Some(_) => return Err(io::Error::other("the first frame is no setup")),
            None => {
                if reader.fill(stream)? == 0 {
                    return Ok(None);
                }
            }
        }
    }
}

/// Takes on the pool's surroundings and its own name.
fn settle(setup: &Setup, fds: Vec<OwnedFd>) -> io::Result<()> {
    setup.surroundings.adopt(fds)?;
    if let Ok(name) = std::ffi::CString::new(setup.short_name.as_str()) {
        prctl::set_name(&name)?;
    }
    if setup.panic_hook {
        pool_core::install_hook();
    }
    Ok(())
}

/// One task, from its frame to its answer.
fn run(link: &Link, request: u64, payload: &[u8], max: u64, reply: &mut Vec<u8>) {
    let callable = travel::open(payload).ok_or_else(|| "it is too short to be one".to_owned());
    let callable = callable.and_then(|(token, argument)| {
        token
            .resolve()
            .map(|callable| (callable, argument))
            .map_err(|refused| refused.to_string())
    });
    let mut started = [0; HEAD];
    wire::seal(&mut started, Kind::Started, request);
    deliver(link, &started);
    reply.clear();
    reply.resize(HEAD, 0);
    let mut kind = match callable {
        Ok((callable, argument)) => callable.run(argument, reply),
        Err(reason) => {
            let error = CodecError {
                type_name: "task".to_owned(),
                reason,
            };
            errand::report(Kind::BadArgument, &error, HEAD, reply)
        }
    };
    let length = (reply.len() - HEAD) as u64;
    if length > max {
        let reason = format!("{length} bytes are more than the {max} that a message may have");
        let error = CodecError {
            type_name: "the task's result".to_owned(),
            reason,
        };
        kind = errand::report(Kind::BadResult, &error, HEAD, reply);
    }
    flush();
    wire::seal(reply, kind, request);
    deliver(link, reply);
    if reply.capacity() > KEEP {
        *reply = Vec::new();
    }
}

/// Sends one of the frames that begin a worker's life.
fn say(link: &Link, kind: Kind, fill: impl FnOnce(&mut Vec<u8>) -> Kind) {
    let mut frame = vec![0; HEAD];
    fill(&mut frame);
    wire::seal(&mut frame, kind, 0);
    deliver(link, &frame);
}

/// A pool that no longer listens has gone: there is nothing left to work for.
fn deliver(link: &Link, frame: &[u8]) {
    if link.write_all(frame).is_err() {
        leave(0);
    }
}

/// What tasks have printed is written before they are reported done. A stream that nobody reads any more is
/// no failure of theirs.
fn flush() {
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
    sys::flush_c_streams();
}

/// Leaves without running what is meant for the end of the program that this process never was.
fn leave(code: i32) -> ! {
    flush();
    if std::env::var_os("LLVM_PROFILE_FILE").is_some() {
        // Coverage is written by a handler at exit.
        std::process::exit(code);
    }
    sys::exit_now(code)
}
