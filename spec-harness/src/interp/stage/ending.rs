//! What a run comes to.

use super::Stage;
use super::talk::Caller;
use crate::case::ast::Span;
use crate::history::{Ending, History, Key, What, Who};

impl Stage<'_> {
    /// Everything sleeps and no time will wake it: what the run has come to. `proof` says, behind who waits, how that
    /// is known.
    pub fn stuck(&mut self, proof: &str) -> Ending {
        if let Some(last) = self.events.last()
            && self.in_vain.0 == self.events.len()
        {
            // Timers alone have rung since then, and nothing came of it.
            self.queue.go_back(last.at);
        }
        let waiting = self.waiting();
        if waiting.is_empty() {
            return Ending::Deadlock("main has returned and the program does not end".to_owned());
        }
        if self.note_blocked() {
            return Ending::Finished;
        }
        let calls = waiting.iter().map(|waiting| {
            let (who, text, since) = (&waiting.name, &waiting.text, waiting.since);
            format!("{who} waits in `{text}` since {since}")
        });
        let calls: Vec<String> = calls.collect();
        Ending::Deadlock(calls.join(", ") + proof)
    }

    /// The program has ended with this code, and nothing of it moves any more.
    pub fn over(&mut self, code: i32) -> Ending {
        self.absorb();
        self.log(Who::Main, What::Exit { code });
        Ending::Finished
    }

    /// Notes that every call still open will never return, where its step says so.
    /// False when one of them does not.
    fn note_blocked(&mut self) -> bool {
        let mut expected = true;
        let open: Vec<(Caller, Span)> = self.calls.iter().map(|(c, o)| (*c, o.call.span)).collect();
        for (caller, span) in open {
            let step = match caller {
                Caller::Actor(actor) => self.program.current(actor),
                Caller::Body(key) => self
                    .bodies
                    .get(&key)
                    .and_then(|body| Some(body.calling.as_ref()?.0)),
            };
            expected &= step.is_some_and(|step| step.blocks);
            self.log(self.who(caller), What::Blocked { span });
        }
        expected
    }

    /// The record, whole as far as the run came.
    pub fn finish(mut self, ending: Ending) -> History {
        self.absorb();
        // Whoever is still there is ended by the harness.
        self.exited = true;
        let left: Vec<Key> = self.bodies.keys().copied().collect();
        for key in left {
            self.body_gone(key);
        }
        History {
            events: self.events,
            tasks: self.program.take_tasks(),
            pools: self.program.pools().to_vec(),
            ending,
        }
    }
}
