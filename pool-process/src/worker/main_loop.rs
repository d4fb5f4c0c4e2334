//! The main loop of a worker: it reads tasks from its socket one after the other, runs them and answers, until a frame tells it to
//! leave.
//!
//! Then it ends as a program does, and so does a process whose function has returned: what was made in it is dropped, exit handlers
//! run, buffers are flushed. Where the socket ends without that frame, the pool was terminated or has gone, and the worker exits at
//! once.

use std::collections::VecDeque;

use pool_core::backend::WorkerGuard;
use pool_core::{CodecError, TaskError, Worker};

use crate::wire::setup::{Purpose, Setup};
use crate::wire::socket::{Blocking, Socket};
use crate::wire::{self, HEAD, KEEP, Kind, Payload, Reader, Reply, answer, codec};

use super::contexts;
use super::entry_points::{self, report};
use super::exit::{self, Exit, exit_now, flush};
use super::ring_loop;
use super::task::{call, print_error, send};

/// Runs a worker from its setup to its end.
pub(crate) fn serve(socket: &Socket, exit: Exit) -> ! {
    let mut stream = Blocking {
        socket,
        fds: VecDeque::new(),
    };
    // The pool's own limit comes with the setup frame, for which this one holds.
    let mut reader = Reader::new(wire::MAX_PAYLOAD);
    let (setup, applied) = match Setup::receive(&mut reader, &mut stream) {
        Ok(Some(setup)) => setup,
        Ok(None) => exit_now(0),
        Err(_) => exit_now(1),
    };
    reader.set_max(setup.max_payload);
    match (setup.purpose, applied) {
        (Purpose::Pool { .. }, Err(error)) => {
            let error = error.to_string();
            send_first(socket, Kind::Unfit, |reply| {
                report(Kind::Unfit, &error, reply);
            });
            exit_now(1)
        }
        (Purpose::Alone, Err(error)) => {
            print_error(&format!("{} cannot start: {error}", setup.name));
            exit_now(1)
        }
        (Purpose::Pool { index }, Ok(ring)) => {
            let name = setup.name.clone();
            let guard = WorkerGuard::enter(
                0,
                Worker {
                    name,
                    index,
                    pid: std::process::id(),
                },
            );
            if let Err(why) = initialize(&setup, &guard) {
                send_first(socket, Kind::Unfit, |reply| {
                    report(Kind::Unfit, &why, reply);
                });
                exit_now(1)
            }
            send_first(socket, Kind::Ready, |reply| {
                let has = match &ring {
                    None => &[],
                    Some((ring, _)) if ring.arena().is_none() => wire::RING_MAPPED,
                    Some(_) => wire::RING_AND_ARENA,
                };
                reply.bytes.extend_from_slice(has);
            });
            match ring {
                Some(ring) => {
                    let spin = setup.ring.unwrap_or_default();
                    ring_loop::work(ring, reader, stream, setup.max_payload, spin);
                }
                None => work(reader, stream, setup.max_payload),
            }
            if let Some(token) = setup.worker_exit {
                // The panic hook has reported a panic, and the pool found the function when it was built.
                let mut nothing = Reply::new(Vec::new(), 0, None, u64::MAX);
                let _ = call(token[..].into(), &mut nothing);
            }
            drop(guard);
            exit::exit(0, exit)
        }
        (Purpose::Alone, Ok(_)) => {
            let code = run_alone(reader, stream, &setup.name);
            exit::exit(code, exit)
        }
    }
}

/// Ends a process that cannot be a worker. It reports why, to its pool and on stderr.
pub(crate) fn refuse(socket: &Socket, why: &str) -> ! {
    print_error(&format!("pool-process: a worker cannot start: {why}"));
    send_first(socket, Kind::Unfit, |reply| {
        report(Kind::Unfit, &why, reply);
    });
    exit_now(1)
}

/// Runs the pool's initializer, whose value becomes the worker's state.
fn initialize(setup: &Setup, guard: &WorkerGuard) -> Result<(), String> {
    let Some(payload) = &setup.initializer else {
        return Ok(());
    };
    let mut reply = Reply::new(Vec::new(), 0, None, u64::MAX);
    let kind = call(payload[..].into(), &mut reply);
    let decode = |payload: Payload<'_>| codec::decode_value(payload, || None);
    match answer::read::<(), String>(kind, reply.bytes[..].into(), decode) {
        Ok(Ok(())) => {
            entry_points::made()
                .into_iter()
                .for_each(|state| guard.set_state(state));
            Ok(())
        }
        Ok(Err(TaskError::Raised { error: why, .. })) => {
            Err(format!("the initializer failed: {why}"))
        }
        Ok(Err(failure)) => Err(format!("the initializer failed: {failure}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs tasks until the pool has no more.
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
            Ok(Some(frame)) if frame.kind == Kind::SharedContext => {
                contexts::keep_shared(frame.request, stream.fds.pop_front());
            }
            Ok(Some(frame)) if frame.kind == Kind::Forget => contexts::forget(frame.request),
            Ok(Some(frame)) if frame.kind == Kind::Leave => return,
            // A pool keeps to the protocol, so this comes from something else.
            Ok(Some(_)) | Err(_) => exit_now(1),
            Ok(None) => match reader.fill(&mut stream) {
                Ok(0) | Err(_) => exit_now(0),
                Ok(_) => {}
            },
        }
    }
}

/// Runs one task, and returns the exit code of the process: 0, or 1 after a panic.
fn run_alone(mut reader: Reader, mut stream: Blocking<'_>, name: &str) -> i32 {
    loop {
        match reader.next() {
            Ok(Some(frame)) if frame.kind == Kind::Task => {
                let mut reply = Reply::new(Vec::new(), 0, None, u64::MAX);
                match call(frame.payload.into(), &mut reply) {
                    Kind::Done => return 0,
                    // The panic hook has reported it.
                    Kind::Panicked => return 1,
                    _ => {
                        let error = codec::decode::<CodecError>(&reply.bytes);
                        let error = error.unwrap_or_else(|error| error);
                        print_error(&format!("{name}: cannot decode {error}"));
                        return 1;
                    }
                }
            }
            Ok(Some(_)) | Err(_) => exit_now(1),
            Ok(None) => match reader.fill(&mut stream) {
                // The parent has gone before it sent the task.
                Ok(0) | Err(_) => exit_now(1),
                Ok(_) => {}
            },
        }
    }
}

/// Runs one task and sends its answer.
fn run(socket: &Socket, request: u64, payload: &[u8], max: u64, reply: &mut Vec<u8>) {
    let mut started = [0; HEAD];
    wire::seal(&mut started, Kind::Started, request);
    send(socket, &started);
    let mut made = Reply::new(std::mem::take(reply), HEAD, None, max);
    let kind = call(payload.into(), &mut made);
    let mut frame = made.bytes;
    flush();
    wire::seal(&mut frame, kind, request);
    send(socket, &frame);
    if frame.capacity() <= KEEP {
        *reply = frame;
    }
}

/// Sends `Ready` or `Unfit`.
fn send_first(socket: &Socket, kind: Kind, fill: impl FnOnce(&mut Reply<'_>)) {
    let mut reply = Reply::new(Vec::new(), HEAD, None, u64::MAX);
    fill(&mut reply);
    wire::seal(&mut reply.bytes, kind, 0);
    send(socket, &reply.bytes);
}
