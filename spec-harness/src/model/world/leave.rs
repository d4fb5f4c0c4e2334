//! How programs end, once main has returned.

use super::{Over, World};
use crate::case::ast::Kind;
use crate::model::process::{Process, SIGKILL};

impl World {
    /// The end of the program. L9: pools are dropped, the last one first. P2: daemons are killed, and the other
    /// processes are waited for.
    pub(super) fn leave(&mut self) {
        while let Some(open) = self.pools.iter().rposition(|pool| !pool.is_gone()) {
            self.terminate(open);
            if !self.pools[open].is_gone() {
                return;
            }
        }
        for number in 0..self.processes.len() {
            // P4: threads end with their program.
            if self.processes[number].daemon || self.kind == Kind::Thread {
                self.signal(number, SIGKILL);
            }
        }
        if !self.processes.iter().any(Process::is_alive) {
            self.leaving = false;
            self.over = Some(Over::Ended);
        }
    }
}
