//! What may be asked of a stage between two moves.

use super::Stage;
use super::queue::Taken;
use super::talk::{Caller, Waiting};
use crate::case::ast::Time;
use crate::history::{Key, TaskInfo, Who};
use crate::protocol::Call;

impl Stage<'_> {
    /// A caller by name.
    pub fn who(&self, caller: Caller) -> Who {
        match caller {
            Caller::Actor(actor) => self.program.who(actor),
            Caller::Body(key) => Who::Puppet(key),
        }
    }

    /// The current instant.
    pub fn now(&self) -> Time {
        self.queue.now()
    }

    /// Every turn so far.
    pub fn turns(&self) -> &[Taken] {
        self.queue.turns()
    }

    /// Whether a body of this number may begin: for the first time, or as often as it is tried again. Once more is an offence of
    /// the pool, which the record shows, and has no body to perform.
    ///
    /// # Errors
    /// No such task was submitted, or it is of the other sort.
    pub fn is_first(&self, key: Key, callback: bool) -> Result<bool, String> {
        match self.program.task(key) {
            None => Err(format!(
                "a puppet says it is {key}, which was never submitted"
            )),
            Some(task) if task.callback != callback => {
                let word = |callback| if callback { "callback" } else { "task" };
                let (said, is) = (word(callback), word(task.callback));
                Err(format!("puppet {key} says it is a {said}, it is a {is}"))
            }
            Some(_) => {
                let begun = self.begun.get(&key).copied().unwrap_or_default();
                Ok(begun <= self.retries(key))
            }
        }
    }

    /// The number that the next body has that is not numbered yet.
    pub fn next_key(&self) -> Key {
        self.program.tasks().len() as Key
    }

    /// The key of the next body that is this initializer.
    ///
    /// # Errors
    /// No pool was given it, or its pool starts workers without end.
    pub fn next_start(&self, initializer: u64) -> Result<Key, String> {
        self.program.next_start(initializer)
    }

    /// The pool that a call of this caller joins, while it has not returned.
    pub fn joins(&self, caller: Caller) -> Option<&str> {
        match &self.calls.get(&caller)?.call.command {
            Call::Join { pool, .. } => Some(pool),
            _ => None,
        }
    }

    /// The handle that a call of main or a thread makes and that no variable of the program gets, while the call has not returned.
    pub fn unkept(&self, caller: Caller) -> Option<&str> {
        let Caller::Actor(actor) = caller else {
            return None;
        };
        let later = self.calls.get(&caller)?.call.command.job()?.later?;
        let step = self.program.current(actor)?;
        (step.bind.is_none() && step.into.is_none()).then_some(later.handle)
    }

    /// The pool that a task was handed to.
    pub fn pool_of(&self, key: Key) -> Option<&str> {
        self.program.task(key)?.pool.as_deref()
    }

    /// Whether a call was given a real timeout and has not answered yet: until then nothing else may move.
    pub fn awaits_real_timeout(&self) -> bool {
        self.calls
            .values()
            .any(|open| open.late && open.held.is_none())
    }

    /// Whether main was told to end.
    pub fn exited(&self) -> bool {
        self.exited
    }

    /// Everybody whose call has not returned.
    pub fn callers(&self) -> impl Iterator<Item = Caller> {
        self.calls.keys().copied()
    }

    /// Every call that has not returned, main's first.
    pub fn waiting(&self) -> Vec<Waiting> {
        let waiting = self.calls.iter().map(|(caller, open)| Waiting {
            who: self.who(*caller),
            name: self.name(*caller),
            span: open.call.span,
            text: open.call.text.clone(),
            since: open.since,
        });
        waiting.collect()
    }

    /// A caller as people call it.
    fn name(&self, caller: Caller) -> String {
        match self.who(caller) {
            Who::Main => "main".to_owned(),
            Who::Thread(name) => name,
            Who::Puppet(key) => {
                let task = self.program.task(key);
                task.map_or_else(|| format!("body {key}"), TaskInfo::to_string)
            }
        }
    }
}
