//! How a run ends: with its program, by a deadlock, or before its time.

use super::Run;
use crate::history::{Ending, ended};
use crate::record::ALL_ASLEEP;
use crate::replay::session::broken;
use crate::replay::{Fault, sys};

impl Run<'_, '_> {
    /// Everything sleeps and no time will wake it.
    pub(super) fn stuck(&mut self) -> Ending {
        if self.session.tree.root_ended().is_some() {
            // The last of them may have gone since the last look.
            return self.over();
        }
        self.stage.stuck(ALL_ASLEEP)
    }

    /// The adapter has ended: was it time, and who is left?
    pub(super) fn after_the_adapter(&mut self) -> Result<Option<Ending>, Fault> {
        let code = self.session.tree.root_ended().unwrap_or_default();
        // It may have said something before it ended.
        self.listen()?;
        if !self.stage.exited() {
            let waiting = self.stage.waiting();
            let during = waiting
                .first()
                .map_or(String::new(), |w| format!(" during `{}`", w.text));
            return Err(broken(format!(
                "the adapter ended {} in the middle of the program{during}",
                ended(code)
            )));
        }
        Ok(self.session.tree.is_empty().then(|| self.over()))
    }

    /// Whether the program has ended, as it was told to.
    pub(super) fn is_over(&self) -> bool {
        self.stage.exited() && self.session.tree.root_ended().is_some()
    }

    /// The ending of a program that has ended and of which nothing moves any more.
    pub(super) fn over(&mut self) -> Ending {
        let left = self.session.tree.left();
        let code = match self.session.tree.root_ended().unwrap_or_default() {
            // A launcher may say less than it knows.
            0 => self
                .launched
                .as_ref()
                .and_then(sys::how_it_ended)
                .unwrap_or(0),
            code => code,
        };
        if !left.is_empty() {
            if code != 0 {
                self.stage.over(code);
            }
            let left = left.join(", ");
            return Ending::Leaked(format!("the program has ended and left {left}"));
        }
        self.kept.exit = Some(code);
        self.stage.over(code)
    }

    /// Ends every process; an ending that says too little gets the tail of stderr.
    pub(super) fn close(&mut self, ending: Ending) -> Ending {
        let gone = self.session.tree.kill_all(self.limits.burial);
        // What was written last is what explains it.
        let _ = self.session.pump(&mut self.heard);
        match ending {
            Ending::Broken(text) => match self.session.stderr().as_str() {
                "" => Ending::Broken(text),
                tail => Ending::Broken(format!("{text}\nstderr: {tail}")),
            },
            Ending::Finished if !gone => Ending::Leaked("a process cannot be killed".to_owned()),
            other => other,
        }
    }
}
