//! What a bare Process does (P1 to P4), or its twin on threads.

use super::raised;
use super::work::End;
use crate::case::expr::Value;
use crate::history::{Key, Raised};

pub(super) const SIGKILL: i64 = 9;
pub(super) const SIGTERM: i64 = 15;

/// A process of its own, from its making to its end.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) key: Key,
    pub(super) daemon: bool,
    /// It ignores SIGTERM.
    pub(super) deaf: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Made,
    Runs,
    /// By SIGSTOP: a later SIGTERM changes nothing.
    Stopped,
    /// With this exit code, or by this signal (negative).
    Ended(i64),
}

impl Process {
    pub(super) fn new(key: Key, daemon: bool) -> Process {
        Process {
            key,
            daemon,
            deaf: false,
            state: State::Made,
        }
    }

    /// P1: once.
    pub(super) fn start(&mut self) -> Result<(), Raised> {
        if self.state != State::Made {
            return Err(raised("AlreadyStarted", "process was started already"));
        }
        self.state = State::Runs;
        Ok(())
    }

    /// P1: what has not begun can be neither waited for nor sent a signal.
    pub(super) fn started(&self) -> Result<(), Raised> {
        match self.state {
            State::Made => Err(raised("NotStarted", "process was not started")),
            State::Runs | State::Stopped | State::Ended(_) => Ok(()),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        matches!(self.state, State::Runs | State::Stopped)
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// P1: nothing, the code, or minus the signal.
    pub(super) fn exitcode(&self) -> Value {
        match self.state {
            State::Ended(code) => Value::Int(code),
            State::Made | State::Runs | State::Stopped => Value::None,
        }
    }

    /// Its function ended. P3: an error is exit code 1.
    pub(super) fn ended(&mut self, end: &End) {
        self.state = State::Ended(match end {
            End::With(Ok(_)) => 0,
            End::With(Err(_)) | End::Unsendable { raised: true } => 1,
            // It goes nowhere.
            End::Unsendable { raised: false } => 0,
            End::WorkerDied { code, .. } => *code,
        });
    }

    pub(super) fn stop(&mut self) {
        self.state = State::Stopped;
    }

    /// Sends it a signal, which is nothing to one that has ended; true when it dies of it.
    pub(super) fn signal(&mut self, signal: i64) -> bool {
        let dies = match self.state {
            State::Runs => !self.deaf || signal == SIGKILL,
            State::Stopped => signal == SIGKILL,
            State::Made | State::Ended(_) => false,
        };
        if dies {
            self.state = State::Ended(-signal);
        }
        dies
    }
}
