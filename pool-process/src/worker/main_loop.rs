//! A worker: reads tasks from its socket one after the other, runs them, answers, and leaves when it is told to.
//!
//! One that is told to leave, and a process whose function has returned, ends as a program does: what was made in it is dropped,
//! handlers for the exit run, buffers are written. Where its socket just ends, its pool was terminated or is gone: then it
//! ends at once.

use std::io::{self, Write};

use pool_core::{CodecError, Failure, Worker, WorkerSeat};

use crate::wire::setup::{Purpose, Setup};
use crate::wire::socket::{self, Blocking, Socket};
use crate::wire::token::{TOKEN, Token};
use crate::wire::{self, HEAD, Kind, Reader, answer, codec};

use super::contexts;
use super::entry_points::{self, report};
use super::exit::{self, Exit, exit_now, flush};

/// What a reply buffer keeps of its room when it had to grow.
const KEEP: usize = 1024 * 1024;

/// A worker's whole life.
pub(crate) fn serve(socket: &Socket, exit: Exit) -> ! {
    let mut stream = Blocking {
        socket,
        fds: Vec::new(),
    };
    // The pool's own limit comes with the setup, which has this one.
    let mut reader = Reader::new(wire::MAX_PAYLOAD);
    let (setup, settled) = match Setup::receive(&mut reader, &mut stream) {
        Ok(Some(setup)) => setup,
        Ok(None) => exit_now(0),
        Err(_) => exit_now(1),
    };
    reader.set_max(setup.max_payload);
    match (setup.purpose, settled) {
        (Purpose::Pool { .. }, Err(error)) => {
            let error = error.to_string();
            send_first(socket, Kind::Unfit, |out| {
                report(Kind::Unfit, &error, HEAD, out)
            });
            exit_now(1)
        }
        (Purpose::Alone, Err(error)) => {
            print_error(&format!("{} cannot start: {error}", setup.name));
            exit_now(1)
        }
        (Purpose::Pool { index }, Ok(())) => {
            let name = setup.name.clone();
            let seat = WorkerSeat::take(
                0,
                Worker {
                    name,
                    index,
                    pid: std::process::id(),
                },
            );
            if let Err(why) = initialize(&setup, &seat) {
                send_first(socket, Kind::Unfit, |out| {
                    report(Kind::Unfit, &why, HEAD, out)
                });
                exit_now(1)
            }
            send_first(socket, Kind::Ready, |_| Kind::Ready);
            work(reader, stream, setup.max_payload);
            drop(seat);
            exit::exit(0, exit)
        }
        (Purpose::Alone, Ok(())) => {
            let code = run_alone(reader, stream, &setup.name);
            exit::exit(code, exit)
        }
    }
}

/// Ends a process that cannot be a worker. Its pool is told why, and where there is none stderr.
pub(crate) fn refuse(socket: &Socket, why: &str) -> ! {
    print_error(&format!("pool-process: a worker cannot start: {why}"));
    send_first(socket, Kind::Unfit, |out| {
        report(Kind::Unfit, &why, HEAD, out)
    });
    exit_now(1)
}

/// Runs the pool's initializer, whose value is the worker's state; or says why there is none.
fn initialize(setup: &Setup, seat: &WorkerSeat) -> Result<(), String> {
    let Some(payload) = &setup.initializer else {
        return Ok(());
    };
    let mut reply = Vec::new();
    let kind = call(payload, &mut reply);
    match answer::read::<(), String>(kind, &reply) {
        Ok(Ok(())) => {
            entry_points::made()
                .into_iter()
                .for_each(|state| seat.keep(state));
            Ok(())
        }
        Ok(Err(Failure::Raised(why))) => Err(format!("the initializer failed: {why}")),
        Ok(Err(failure)) => Err(format!("the initializer failed: {failure}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Task after task, until the pool has no more.
fn work(mut reader: Reader, mut stream: Blocking<'_>, max_payload: u64) {
    let mut reply = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(frame)) if frame.kind == Kind::Task => {
                run(
                    stream.socket,
                    frame.request,
                    frame.payload,
                    max_payload,
                    &mut reply,
                );
            }
            Ok(Some(frame)) if frame.kind == Kind::Context => {
                contexts::keep(frame.request, frame.payload)
            }
            Ok(Some(frame)) if frame.kind == Kind::Forget => contexts::forget(frame.request),
            Ok(Some(frame)) if frame.kind == Kind::Leave => return,
            // The pool keeps to the protocol; what does not is not the pool.
            Ok(Some(_)) | Err(_) => exit_now(1),
            Ok(None) => match reader.fill(&mut stream) {
                Ok(0) | Err(_) => exit_now(0),
                Ok(_) => stream.fds.clear(),
            },
        }
    }
}

/// Not `eprintln`, which panics where nobody reads stderr.
fn print_error(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// One task, and the exit code of the process: 0, or 1 after a panic.
fn run_alone(mut reader: Reader, mut stream: Blocking<'_>, name: &str) -> i32 {
    loop {
        match reader.next() {
            Ok(Some(frame)) if frame.kind == Kind::Task => {
                let mut reply = Vec::new();
                match call(frame.payload, &mut reply) {
                    Kind::Done => return 0,
                    // The panic hook has said it all.
                    Kind::Panicked => return 1,
                    _ => {
                        let error = codec::decode::<CodecError>(&reply);
                        let error = error.unwrap_or_else(|error| error);
                        print_error(&format!("{name}: cannot decode {error}"));
                        return 1;
                    }
                }
            }
            Ok(Some(_)) | Err(_) => exit_now(1),
            Ok(None) => match reader.fill(&mut stream) {
                // Whoever started it is gone before it could say what to do.
                Ok(0) | Err(_) => exit_now(1),
                Ok(_) => {}
            },
        }
    }
}

/// One task, from its frame to its answer.
fn run(socket: &Socket, request: u64, payload: &[u8], max: u64, reply: &mut Vec<u8>) {
    let mut started = [0; HEAD];
    wire::seal(&mut started, Kind::Started, request);
    send(socket, &started);
    reply.clear();
    reply.resize(HEAD, 0);
    let mut kind = call(payload, reply);
    if let Err(error) = wire::fits("the task's result", reply.len() - HEAD, max) {
        kind = report(Kind::BadResult, &error, HEAD, reply);
    }
    flush();
    wire::seal(reply, kind, request);
    send(socket, reply);
    if reply.capacity() > KEEP {
        *reply = Vec::new();
    }
}

/// Finds the code that a task names and runs it; what comes of it is appended.
fn call(payload: &[u8], reply: &mut Vec<u8>) -> Kind {
    let refused = match payload.split_first_chunk::<TOKEN>() {
        Some((token, argument)) => match Token::from_bytes(*token).resolve() {
            Ok(callable) => return callable.run(argument, reply),
            Err(refused) => refused.to_string(),
        },
        None => "it is too short to be one".to_owned(),
    };
    let error = CodecError {
        type_name: "task".to_owned(),
        reason: refused,
    };
    report(Kind::BadArgument, &error, reply.len(), reply)
}

/// Sends one of the frames that begin a worker's life.
fn send_first(socket: &Socket, kind: Kind, fill: impl FnOnce(&mut Vec<u8>) -> Kind) {
    let mut frame = vec![0; HEAD];
    fill(&mut frame);
    wire::seal(&mut frame, kind, 0);
    send(socket, &frame);
}

/// A pool that no longer listens has gone: there is nothing left to work for. Where the system refuses to send, the
/// task is lost with this worker, and said to be.
fn send(socket: &Socket, frame: &[u8]) {
    match socket.write_all(frame) {
        Ok(()) => {}
        Err(error) if socket::is_end(&error) => exit_now(0),
        Err(error) => {
            print_error(&format!("a worker cannot answer its pool: {error}"));
            exit_now(1)
        }
    }
}
