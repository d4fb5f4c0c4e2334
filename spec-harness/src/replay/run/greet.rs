//! The first words: who the adapter is, and whether the case is for it.

use std::time::Duration;

use super::{Asked, Run, Seen};
use crate::case::ast::Case;
use crate::history::Ending;
use crate::history::ended;
use crate::interp::{Options, Stage};
use crate::protocol::{Control, FromAdapter, Hello, VERSION};
use crate::replay::procfs::Level;
use crate::replay::session::{Heard, Pumped, broken, not_found_by_env};
use crate::replay::{Fault, Target, needs, sys};

/// The exit code of `env` that does not find what it is to run.
const NOT_FOUND: i32 = 127;

/// Between looks at an adapter that has not answered hello.
const STARTING: Duration = Duration::from_millis(20);

/// Where the kernel hides what threads wait for, rest has to last this long to count.
const BLIND_REST: Duration = Duration::from_millis(20);

impl<'c> Run<'c, '_> {
    /// Greets the adapter and finds out whether the case is for it.
    pub(super) fn prepare(
        &mut self,
        case: &'c Case,
        target: &Target,
        options: Options,
        seen: &mut Seen,
    ) -> Result<(), Fault> {
        let kind = target.kind.into();
        let socket = self.session.socket();
        self.ask(
            Asked::Hello,
            "main",
            Control::Hello {
                protocol: VERSION,
                socket,
                kind,
            },
        );
        let hello = self.answer(target)?;
        self.open.clear();
        let hello: Hello = serde_json::from_value(hello)
            .map_err(|e| broken(format!("the adapter's answer to hello: {e}")))?;
        seen.hello = Some(hello.clone());
        let polls = hello
            .check_abilities()
            .and_then(|()| hello.polling_period())
            .map_err(|e| broken(format!("the adapter's answer to hello: {e}")))?;
        if !hello.kinds.contains(&kind) {
            return Err(Fault::NotApplicable(format!(
                "{} has no {} workers",
                hello.name, kind
            )));
        }
        let needs = needs::needs(case);
        self.asks_names = needs.contains("worker_name");
        let lacking = needs.into_iter().find(|need| !hello.can.contains(need));
        if let Some(need) = lacking {
            return Err(Fault::NotApplicable(format!(
                "{} cannot `{need}`",
                hello.name
            )));
        }
        self.rest_for = match (self.session.tree.level(), polls) {
            (Level::Nothing, _) => {
                return Err(Fault::Ends(Ending::Unknown(
                    "the kernel tells nothing about the adapter's threads".to_owned(),
                )));
            }
            (_, Some(period)) => 3 * period,
            (Level::Full, None) => Duration::ZERO,
            (Level::Switches, None) => BLIND_REST,
        };
        let can = |word: &str| hello.can.iter().any(|can| can == word);
        let timers = can("timers");
        self.drops_handles = can("drop_handle");
        self.timers = timers;
        // The stage has not been touched: it can still be made anew with what is known now.
        self.kept.options = Options { timers, ..options };
        self.stage = Stage::new(case, self.kept.options.clone());
        let root = self.session.tree.root();
        self.adapter = self.session.speaker().unwrap_or(root);
        self.program = self.session.tree.line_of(self.adapter);
        if self.adapter != root {
            // Where the kernel cannot tell how it ends, what has started it has the word.
            self.launched = sys::pidfd(self.adapter).ok();
        }
        Ok(())
    }

    /// The answer to hello.
    fn answer(&mut self, target: &Target) -> Result<serde_json::Value, Fault> {
        loop {
            self.session.pump(&mut self.heard)?;
            if let Some(heard) = self.heard.pop() {
                return match heard {
                    Heard::Adapter(_, FromAdapter::Reply { id: 0, result }) => {
                        result.map_err(|error| {
                            let (kind, text) = (error.kind, error.text);
                            broken(format!("the adapter refuses hello: {kind}: {text}"))
                        })
                    }
                    Heard::Adapter(number, FromAdapter::Reply { id, .. }) => Err(broken(format!(
                        "the adapter answers request {id} in line {number} of its stdout; hello, the only one that is open, has the id 0"
                    ))),
                    Heard::Adapter(number, _) => Err(broken(format!(
                        "the adapter speaks of timers in line {number} of its stdout, before it has answered hello"
                    ))),
                    Heard::Puppet(..) | Heard::Gone(_) => Err(broken(
                        "somebody connects to the socket before the adapter has answered hello"
                            .to_owned(),
                    )),
                };
            }
            if let Some(code) = self.session.tree.root_ended() {
                let missing = not_found_by_env(target).filter(|_| code == NOT_FOUND);
                let missing = missing.map_or_else(String::new, |program| {
                    format!(": its interpreter `{program}` (line 1) is in no folder of PATH")
                });
                return Err(broken(format!(
                    "the adapter ended {} before it answered hello{missing}",
                    ended(code)
                )));
            }
            self.watch()?;
            // A program takes its time to start; one that sleeps with all its threads has read the request.
            self.session.wait(STARTING);
            if self.session.tree.look().is_proven()
                && self.session.pump(&mut self.heard)? == Pumped::Nothing
            {
                return Err(broken(
                    "the adapter fell asleep without answering hello (is its answer still in a buffer? each line is to be flushed)".to_owned(),
                ));
            }
        }
    }
}
