//! What each command of the protocol does at once, and for what its caller waits then.

use super::World;
use super::bodies::BARE;
use super::calls::{Awaits, Job, Submission};
use crate::case::ast::Time;
use crate::case::expr::Value;
use crate::history::Raised;
use crate::interp::{Caller, Observed};
use crate::model::command::submission;
use crate::model::pool::Pool;
use crate::model::process::{Process, SIGKILL, SIGTERM};
use crate::model::raised;
use crate::model::work::{Begin, Early};
use crate::protocol::Call;

impl World {
    /// Does what a call does at once, and says for what it waits.
    pub(super) fn perform(&mut self, by: Caller, command: &Call) -> Result<Awaits, Raised> {
        if let Some((pool, work, handle)) = submission(command) {
            let (pool, handle) = (self.pool(pool)?, handle.map(str::to_owned));
            let waits = command.limit() != Some(Time(0));
            self.pools[pool].accepts()?;
            self.pools[pool].chunk_size(&work)?;
            let token = work.limits.token.as_ref();
            let is_cancelled = token.is_some_and(|token| self.cancelled.contains(token));
            let place = is_cancelled || self.pools[pool].has_place(&work, waits);
            let submission = Submission { pool, work, handle };
            return match (place, waits) {
                (true, _) => self.enter(submission, None),
                (false, true) => {
                    if let Some(limit) = submission.expiry() {
                        let timer = self.arm(limit);
                        self.places.insert(by, timer);
                    }
                    Ok(Awaits::Place(Box::new(submission)))
                }
                (false, false) => Err(raised("QueueFull", "queue is full")),
            };
        }
        if let Some(wish) = command.stream() {
            let pool = self.pool(wish.pool)?;
            let token = wish.limits.cancel_on.as_ref();
            let is_cancelled = token.is_some_and(|token| self.cancelled.contains(token));
            let iterator = (pool, self.pools[pool].imap(&wish, is_cancelled)?);
            self.iterators.insert(wish.iterator.to_owned(), iterator);
            return Ok(Awaits::No(Value::None));
        }
        match command {
            Call::Next { iterator, .. } => {
                let Some((pool, iterator)) = self.iterators.get(iterator).copied() else {
                    return Err(self.nonsense(format!("the iterator `{iterator}` was never made")));
                };
                let of = &mut self.pools[pool];
                of.asked(iterator);
                of.advance(iterator);
                return Ok(Awaits::Next((pool, iterator)));
            }
            Call::Pool(options) => {
                let made = Pool::new(self.kind, options, self.choices)?;
                let name = options.pool.clone();
                self.pool_names.insert(name, Some(self.pools.len()));
                self.pools.push(made);
            }
            Call::Get { handle, .. } => return Ok(Awaits::Value(self.handle(handle)?)),
            Call::Wait { handle, .. } => return Ok(Awaits::Ready(self.handle(handle)?)),
            Call::Ready { handle } => {
                let job = self.handle(handle)?;
                return Ok(Awaits::No(Value::Bool(self.outcome(job).is_some())));
            }
            Call::Successful { handle } => {
                let job = self.handle(handle)?;
                // R2
                let outcome = self
                    .outcome(job)
                    .ok_or(raised("NotReady", "task not ready"))?;
                return Ok(Awaits::No(Value::Bool(outcome.is_ok())));
            }
            Call::Cancel { work } => {
                let (changed, dead) = match self.iterators.get(work).copied() {
                    Some((pool, iterator)) => self.pools[pool].end_imap(iterator, Early::Cancelled),
                    None => {
                        let (pool, job) = self.handle(work)?;
                        self.pools[pool].end_early(&[job], Early::Cancelled)
                    }
                };
                self.seen.extend(dead.into_iter().map(Observed::Gone));
                return Ok(Awaits::No(Value::Bool(changed)));
            }
            Call::CancelToken { token } => {
                self.cancelled.insert(token.clone());
                let waiting: Vec<Caller> = self.calls.keys().copied().collect();
                for by in waiting {
                    self.give_up_place(by, Some(token));
                }
                for pool in &mut self.pools {
                    let dead = pool.cancel_token(token);
                    self.seen.extend(dead.into_iter().map(Observed::Gone));
                }
            }
            Call::Cancelled {} => {
                let asks = |pool: &Pool| matches!(by, Caller::Body(key) if pool.is_unwanted(key));
                return Ok(Awaits::No(Value::Bool(self.pools.iter().any(asks))));
            }
            Call::Stats { pool } => {
                let pool = self.pool(pool)?;
                return Ok(Awaits::No(self.pools[pool].stats()));
            }
            Call::Close { pool } => {
                let pool = self.pool(pool)?;
                self.pools[pool].close();
            }
            Call::Terminate { pool } => {
                let pool = self.pool(pool)?;
                self.terminate(pool);
            }
            Call::Join { pool, .. } => {
                let pool = self.pool(pool)?;
                self.pools[pool].join(by, command.limit() != Some(Time(0)))?;
                return Ok(Awaits::Gone(pool));
            }
            Call::Drop { pool: name } => {
                // L9: terminate and join.
                let pool = self.pool(name)?;
                if self
                    .calls
                    .values()
                    .any(|call| call.holds.as_ref() == Some(name))
                {
                    let why = format!("the pool `{name}` is dropped while another thread is in it");
                    return Err(self.nonsense(why));
                }
                self.pool_names.insert(name.clone(), None);
                self.terminate(pool);
                // L8: from inside, without waiting.
                if !self.is_inside(by, pool) {
                    return Ok(Awaits::Gone(pool));
                }
            }
            Call::Process {
                process,
                key,
                daemon,
            } => {
                self.process_names
                    .insert(process.clone(), self.processes.len());
                self.processes.push(Process::new(*key, *daemon));
            }
            Call::Start { process } => {
                let number = self.process(process)?;
                let process = &mut self.processes[number];
                process.start()?;
                let begin = Begin::Task {
                    key: process.key,
                    worker: number as i32,
                    args: 1,
                };
                self.begins(BARE, begin);
            }
            Call::JoinProcess { process, .. } => {
                return Ok(Awaits::Ended(self.started(process)?));
            }
            Call::IsAlive { process } => {
                let number = self.process(process)?;
                return Ok(Awaits::No(Value::Bool(self.processes[number].is_alive())));
            }
            Call::Exitcode { process } => {
                let number = self.process(process)?;
                return Ok(Awaits::No(self.processes[number].exitcode()));
            }
            Call::Kill { process } => {
                let number = self.started(process)?;
                self.signal(number, SIGKILL);
            }
            Call::TerminateProcess { process } => {
                let number = self.started(process)?;
                self.signal(number, SIGTERM);
            }
            other => return Err(self.nonsense(format!("no program calls `{}`", other.name()))),
        }
        Ok(Awaits::No(Value::None))
    }

    fn pool(&mut self, name: &str) -> Result<usize, Raised> {
        match self.pool_names.get(name) {
            Some(Some(pool)) => Ok(*pool),
            Some(None) => Err(self.nonsense(format!("the pool `{name}` was dropped"))),
            None => Err(self.nonsense(format!("the pool `{name}` was never made"))),
        }
    }

    fn handle(&mut self, name: &str) -> Result<Job, Raised> {
        let found = self.handles.get(name).copied();
        found.ok_or_else(|| self.nonsense(format!("the handle `{name}` was never made")))
    }

    fn process(&mut self, name: &str) -> Result<usize, Raised> {
        let found = self.process_names.get(name).copied();
        found.ok_or_else(|| self.nonsense(format!("the process `{name}` was never made")))
    }

    fn started(&mut self, name: &str) -> Result<usize, Raised> {
        let process = self.process(name)?;
        self.processes[process].started()?;
        Ok(process)
    }
}
