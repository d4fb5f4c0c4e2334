//! The virtual clock, and who waits for which instant of it.

use std::collections::BTreeMap;

use super::talk::Caller;
use crate::case::ast::Time;
use crate::history::Key;
use crate::interp::order::{Class, Deviations, Rank};
use crate::interp::outcome::Input;
use crate::interp::program::{ActorId, MAIN};

/// Whose turn it can be; several of one instant are told in the order of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Main or a thread goes on.
    Actor(ActorId),
    /// A body goes on.
    Body(Key),
    /// A timer of the implementation is due.
    Timer(u64),
    /// A call's time is over.
    Deadline(Caller),
}

/// A turn that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// When.
    pub at: Time,
    /// Who was ready, in the order of the rule.
    pub ready: Vec<Turn>,
    /// Who took it.
    pub whose: Turn,
}

/// Who is in the queue.
#[derive(Debug)]
pub(super) enum Ready {
    Actor(ActorId, Input),
    Body(Key),
    Timer(u64),
    Deadline(Caller),
}

impl Ready {
    /// By the rule, two of one instant go by their class, then by their number in it.
    fn place(&self) -> (Class, u64) {
        match self {
            Ready::Actor(MAIN, _) => (Class::Main, 0),
            Ready::Actor(thread, _) => (Class::Thread, *thread as u64),
            Ready::Body(key) => (Class::Puppet, *key),
            Ready::Timer(timer) => (Class::Timer, *timer),
            Ready::Deadline(caller) => (Class::Timer, caller.number()),
        }
    }

    fn turn(&self) -> Turn {
        match self {
            Ready::Actor(actor, _) => Turn::Actor(*actor),
            Ready::Body(key) => Turn::Body(*key),
            Ready::Timer(timer) => Turn::Timer(*timer),
            Ready::Deadline(caller) => Turn::Deadline(*caller),
        }
    }
}

/// Everybody who has an instant to wake at. The clock stands where the last of them woke.
#[derive(Debug, Default)]
pub(super) struct Queue {
    now: Time,
    waiting: BTreeMap<Rank, Ready>,
    turns: Vec<Taken>,
    order: Deviations,
}

impl Queue {
    /// An empty one, at the first instant.
    pub(super) fn new(order: Deviations) -> Queue {
        Queue {
            order,
            ..Queue::default()
        }
    }

    /// Whether nobody has an instant to wake at but timers of the implementation.
    pub(super) fn has_timers_alone(&self) -> bool {
        let mut waiting = self.waiting.values();
        waiting.all(|ready| matches!(ready, Ready::Timer(_)))
    }

    /// Sets the clock back, where nothing follows any more.
    pub(super) fn go_back(&mut self, to: Time) {
        self.now = to;
    }

    pub(super) fn now(&self) -> Time {
        self.now
    }

    pub(super) fn turns(&self) -> &[Taken] {
        &self.turns
    }

    /// Wakes somebody after so long; gives the place, by which that can be taken back.
    pub(super) fn add(&mut self, after: Time, ready: Ready) -> Rank {
        let (class, number) = ready.place();
        let rank = Rank {
            wake: self.now + after,
            registered: self.now,
            class,
            number,
        };
        self.waiting.insert(rank, ready);
        rank
    }

    /// Takes a place back, where there is one.
    pub(super) fn remove(&mut self, rank: Option<Rank>) {
        if let Some(rank) = rank {
            self.waiting.remove(&rank);
        }
    }

    /// The actors that wait in it.
    pub(super) fn actors(&self) -> impl Iterator<Item = ActorId> {
        self.waiting.values().filter_map(|ready| match ready {
            Ready::Actor(actor, _) => Some(*actor),
            Ready::Body(_) | Ready::Timer(_) | Ready::Deadline(_) => None,
        })
    }

    /// Takes one out of those that wake first; it is then that instant.
    pub(super) fn pop(&mut self) -> Option<Ready> {
        let wake = self.waiting.first_key_value()?.0.wake;
        let together = self.waiting.iter();
        let together = together.take_while(|(rank, _)| rank.wake == wake);
        let ready: Vec<Turn> = together.map(|(_, ready)| ready.turn()).collect();
        let first = self.order.first_at(self.turns.len()).min(ready.len() - 1);
        let rank = *self.waiting.keys().nth(first)?;
        let whose = ready[first];
        self.turns.push(Taken {
            at: wake,
            ready,
            whose,
        });
        self.now = wake;
        self.waiting.remove(&rank)
    }
}
