//! What the stage and whoever plays the pool say to each other.

use std::collections::BTreeSet;

use crate::case::ast::{Span, Time};
use crate::case::expr::Value;
use crate::history::{Key, Raised, Who};
use crate::interp::order::Deviations;
use crate::interp::program::ActorId;
use crate::protocol::{Call, Order};

/// How the player of the pool keeps deadlines.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// It reports its own timers ([`Observed::Timer`]); otherwise deadlines of calls are kept here.
    pub timers: bool,
    /// Calls, by their number in the run, that a former run showed to be still blocked at their deadline.
    pub late: BTreeSet<u64>,
    /// What is done otherwise than the rule of the order says.
    pub deviations: Deviations,
}

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Main or a thread of it.
    Actor(ActorId),
    /// A task or a callback, from inside.
    Body(Key),
}

impl Caller {
    /// A number that no other caller has.
    pub(super) fn number(self) -> u64 {
        match self {
            Caller::Actor(actor) => actor as u64,
            Caller::Body(key) => (1 << 32) + key,
        }
    }
}

/// What the player of the pool is to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// Make this call; [`Observed::Returned`] when it returns.
    Call {
        /// For this caller.
        caller: Caller,
        /// The call.
        command: Call,
    },
    /// Give a running body this order.
    Order {
        /// The body.
        key: Key,
        /// The order.
        order: Order,
        /// Whether the body ends with it; otherwise [`Observed::Done`] when it is carried out.
        last: bool,
    },
    /// Kill the worker that ran this body, as the program does that knows its number; it goes on at once.
    Kill(Key),
    /// The time of this timer has come.
    Fire(u64),
    /// Main has returned: end the program.
    Exit,
    /// This call is still blocked at its deadline, which the run was not prepared for:
    /// run again with its number in [`Options::late`].
    Late(u64),
    /// Nobody is ready and no time will make anybody so.
    Stuck,
}

/// One thing that was seen of the implementation.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// A call returned.
    Returned(Caller, Result<Value, Raised>),
    /// A body began.
    Began(Beginning),
    /// A body carried out an order that was not its last.
    Done(Key),
    /// A body's connection ended.
    Gone(Key),
    /// A timer was armed, for so long from now.
    Timer(u64, Time),
    /// A timer is no longer wanted.
    Cancelled(u64),
    /// This worker of a pool is still there although a call to join has returned.
    Left(String),
}

/// A body that has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Beginning {
    /// Which.
    pub key: Key,
    /// On which process and thread.
    pub on: (i32, i32),
    /// Whether that process is the program itself.
    pub in_parent: bool,
    /// With how many arguments.
    pub args: u32,
    /// The argument of a callback.
    pub given: Option<Value>,
    /// The number of the initializer that it is; every worker that begins by it is a body of its own, whose key is
    /// [`Stage::next_start`](super::Stage::next_start).
    pub initializer: Option<u64>,
    /// What its worker calls itself, where somebody asks for it.
    pub name: Option<String>,
}

/// A call that has not returned.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Whose.
    pub who: Who,
    /// The same for people: `main`, `note(3)`.
    pub name: String,
    /// The step.
    pub span: Span,
    /// The call.
    pub text: String,
    /// Since when.
    pub since: Time,
}
