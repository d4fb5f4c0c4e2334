//! What workers say, and what is made of it.

use std::io;
use std::os::fd::AsFd;

use pool_core::Cause;

use crate::hand::Duty;
use crate::wire::{Frame, Kind};
use crate::{cause, codec};

use super::Dispatcher;

/// What a frame was.
enum Heard {
    /// What was due.
    Fine,
    /// The worker can be given work for the first time.
    Ready,
    /// Not what a worker says at this point.
    Breach(String),
}

impl Dispatcher {
    /// Reads what a worker wrote, once, and acts on it.
    pub(super) fn listen(&mut self, index: usize) {
        let Some(hand) = &mut self.slots[index].hand else {
            return;
        };
        match hand.fill() {
            Ok(0) => self.fell_silent(index),
            Ok(_) => self.hear(index),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The worker ended with something of ours unread.
            Err(_) => self.fell_silent(index),
        }
    }

    /// Reads what a worker that has ended left in its socket. Somebody who has left its group may still hold that and go
    /// on writing: it ends with the first breach, and of one that was leaving nothing would be a breach, nor does it matter.
    pub(super) fn listen_to_the_end(&mut self, index: usize) {
        while let Some(hand) = &mut self.slots[index].hand
            && !matches!(hand.duty, Duty::Leaving)
            && !hand.silent
            && hand.verdict.is_none()
            && hand.fill().is_ok_and(|bytes| bytes > 0)
        {
            self.hear(index);
        }
    }

    /// Acts on every whole frame that is there.
    fn hear(&mut self, index: usize) {
        while let Some(hand) = &mut self.slots[index].hand {
            let pid = hand.child.pid();
            let heard = match hand.next() {
                (Ok(Some(frame)), duty) => understand(pid, &frame, duty),
                (Ok(None), _) => return,
                (Err(breach), _) => Heard::Breach(breach.to_string()),
            };
            match heard {
                Heard::Fine => {}
                Heard::Ready => self.failures = 0,
                Heard::Breach(what) => {
                    self.condemn(index, what);
                    return;
                }
            }
        }
    }

    /// Nothing is read any more of what comes from a worker's socket, whoever holds it.
    pub(super) fn stop_listening(&mut self, index: usize) {
        if let Some(hand) = &mut self.slots[index].hand
            && !std::mem::replace(&mut hand.silent, true)
        {
            // It was in the set, and is open: nothing else is said to fail.
            let _ = self.epoll.delete(hand.link.as_fd());
        }
    }

    /// A worker's socket has ended. Mostly its process is ending as well, and will say why; otherwise it is stopped. One that is
    /// leaving may close what it likes: nothing is expected of it but its end.
    fn fell_silent(&mut self, index: usize) {
        let Some(hand) = &mut self.slots[index].hand else {
            return;
        };
        let is_ending = matches!(hand.duty, Duty::Leaving) || hand.child.is_ending();
        self.stop_listening(index);
        if !is_ending {
            self.condemn(index, "it closed its connection".to_owned());
        }
    }
}

/// What a frame means to a worker with this duty.
fn understand(pid: u32, frame: &Frame<'_>, duty: &mut Duty) -> Heard {
    let unexpected = || {
        Heard::Breach(format!(
            "{:?} of request {} was not expected",
            frame.kind, frame.request
        ))
    };
    match (frame.kind, &mut *duty) {
        // What it says while it is being stopped concerns nobody any more.
        (_, Duty::Leaving) => Heard::Fine,
        (Kind::Ready, Duty::Starting) => {
            *duty = Duty::Idle;
            Heard::Ready
        }
        (Kind::Unfit, Duty::Starting) => {
            Heard::Breach(codec::decode(frame.payload).unwrap_or_else(|error| error.to_string()))
        }
        (Kind::Started, Duty::Busy(task)) if task.request == frame.request && !task.started => {
            task.started = true;
            Heard::Fine
        }
        (
            Kind::Done | Kind::Raised | Kind::Panicked | Kind::BadArgument | Kind::BadResult,
            Duty::Busy(task),
        ) if task.request == frame.request && task.started => {
            let Duty::Busy(task) = std::mem::replace(duty, Duty::Idle) else {
                return unexpected();
            };
            let job = task.claim.job;
            match job.complete(task.claim.unit, frame.kind, frame.payload) {
                Ok(()) => Heard::Fine,
                Err((unit, error)) => {
                    let what = error.to_string();
                    let lost =
                        cause::lost(pid, Cause::Protocol(what.clone()), (&*job, &unit), None);
                    job.fail(unit, lost);
                    Heard::Breach(what)
                }
            }
        }
        _ => unexpected(),
    }
}
