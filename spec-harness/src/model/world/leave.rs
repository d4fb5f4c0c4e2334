//! How programs end, once main has returned.

use super::{Over, World};
use crate::case::ast::Kind;
use crate::interp::{Caller, MAIN, Observed};
use crate::model::process::{Process, SIGKILL, SIGTERM};

impl World {
    /// The end of the program. L9: pools are dropped, the last one first. P2: daemons are killed, and the other
    /// processes are waited for.
    pub(super) fn leave(&mut self) {
        while let Some(open) = self.pools.iter().rposition(|pool| !pool.is_gone()) {
            self.terminate(open, Caller::Actor(MAIN));
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

    /// The end of a program of CPython's. Threads that are no daemons are joined, pools are terminated, the last one
    /// first; then every daemon is sent SIGTERM, workers are daemons, and every process is joined.
    pub(super) fn leave_cpython(&mut self) {
        let mut threads = self.processes.iter().filter(|_| self.kind == Kind::Thread);
        if threads.any(|thread| thread.is_alive() && !thread.daemon) {
            return;
        }
        let main = Caller::Actor(MAIN);
        for number in (0..self.pools.len()).rev() {
            self.terminate(number, main);
            if self.pools[number].terminated(main).is_none() {
                return;
            }
        }
        if self.kind == Kind::Process {
            for number in 0..self.pools.len() {
                let dead = self.pools[number].kill();
                self.seen.extend(dead.into_iter().map(Observed::Gone));
            }
            for number in 0..self.processes.len() {
                if self.processes[number].daemon {
                    self.signal(number, SIGTERM);
                }
            }
            let gone = self.pools.iter().all(|pool| pool.is_gone());
            if !gone || self.processes.iter().any(Process::is_alive) {
                return;
            }
        }
        // What still runs ends with the program.
        let bodies = self.pools.iter().flat_map(|pool| pool.bodies());
        self.seen.extend(bodies.map(Observed::Gone));
        for number in 0..self.processes.len() {
            self.signal(number, SIGKILL);
        }
        self.leaving = false;
        self.over = Some(match self.orphans {
            0 => Over::Ended,
            _ => Over::Leaked,
        });
    }
}
