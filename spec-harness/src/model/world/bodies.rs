//! What is said to bodies, and what is seen of their beginning.

use super::World;
use crate::case::ast::Kind;
use crate::case::expr::Value;
use crate::history::Key;
use crate::interp::{Beginning, Observed};
use crate::model::process::{Process, SIGKILL};
use crate::model::raised;
use crate::model::work::{Begin, End, Worker};
use crate::protocol::Order;

/// Workers are told apart by their pool and number; bare processes are of no pool.
pub(super) const BARE: Worker = -1;

impl World {
    /// A body was given an order that is not its last.
    pub(in crate::model) fn detour(&mut self, key: Key, order: &Order) {
        if matches!(order, Order::IgnoreSigterm(_)) {
            let mut pools = self.pools.iter_mut();
            if !pools.any(|pool| pool.deafen(key))
                && let Some(process) = self.bare(key)
            {
                process.deaf = true;
            }
        }
        // L10: a child ends with its worker.
        self.seen.push(Observed::Done(key));
    }

    /// A body was given its last order.
    pub(in crate::model) fn obey(&mut self, key: Key, order: &Order) {
        let died = |cause: String, code: i64| End::WorkerDied { cause, code };
        let end = match order {
            Order::Return(value) => match Value::from_json(value) {
                Ok(value) => End::With(Ok(value)),
                Err(why) => {
                    self.nonsense(why);
                    return;
                }
            },
            Order::Raise(error) => End::With(Err(raised(&error.kind, error.text.clone()))),
            Order::ReturnUnsendable(_) => End::Unsendable { raised: false },
            Order::RaiseUnsendable(_) => End::Unsendable { raised: true },
            Order::Panic(text) => End::With(Err(raised("Panicked", text.clone()))),
            Order::Exit(code) => died(format!("exited with code {code}"), (*code).into()),
            // Who is stopped keeps its place until somebody ends it.
            Order::Signal(name) if name == "STOP" => return self.stop(key),
            Order::Signal(name) => died(format!("killed by SIG{name}"), -SIGKILL),
            Order::CloseFds(_) => died("lost its connection".to_owned(), 0),
            Order::SpawnChild(_)
            | Order::Allocate(_)
            | Order::IgnoreSigterm(_)
            | Order::Call(_) => {
                return self.detour(key, order);
            }
        };
        self.seen.push(Observed::Gone(key));
        if let End::WorkerDied { cause, .. } = &end
            && self.is_in_program(key)
        {
            self.nonsense(format!("the program itself {cause}"));
            return;
        }
        let mut pools = self.pools.iter_mut();
        if pools.any(|pool| pool.ended(key, &end)) {
            return;
        }
        if let Some(process) = self.bare(key) {
            process.ended(&end);
        }
    }

    /// R11: the worker that ran this body is killed from outside; with it, what it is at now.
    pub(in crate::model) fn kill_worker(&mut self, key: Key) {
        let end = End::WorkerDied {
            cause: "killed by SIGKILL".to_owned(),
            code: -SIGKILL,
        };
        for pool in &mut self.pools {
            if let Some(body) = pool.kill_worker(key)
                && pool.ended(body, &end)
            {
                self.seen.push(Observed::Gone(body));
            }
        }
    }

    /// A body's process rests, by SIGSTOP.
    fn stop(&mut self, key: Key) {
        if self.is_in_program(key) {
            self.nonsense("the program itself was stopped".to_owned());
        } else if let Some(process) = self.bare(key) {
            process.stop();
        }
        // Who goes on only to end does not listen because it would have to.
        for pool in &mut self.pools {
            pool.stopped(key);
        }
    }

    /// Whether a body runs in the program's own process.
    fn is_in_program(&self, key: Key) -> bool {
        self.kind == Kind::Thread || self.pools.iter().any(|pool| pool.is_calling(key))
    }

    /// The bare process that runs a body.
    fn bare(&mut self, key: Key) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.key == key)
    }

    /// A body begins, of the pool with this number or of none.
    pub(super) fn begins(&mut self, pool: Worker, begin: Begin) {
        let body = |key: Key, worker: Worker| Beginning {
            key,
            on: (pool, worker),
            in_parent: false,
            args: 1,
            given: None,
            initializer: None,
            // C6
            name: Some(match self.kind {
                Kind::Thread => format!("ThreadPoolWorker-{worker}"),
                Kind::Process => format!("ProcessPoolWorker-{worker}"),
            }),
        };
        let beginning = match begin {
            Begin::Task { key, worker, args } => Beginning {
                args,
                ..body(key, worker)
            },
            Begin::Callback { key, with } => Beginning {
                in_parent: true,
                given: Some(with.unwrap_or_else(|error| Value::Str(error.shown().to_owned()))),
                ..body(key, 0)
            },
            Begin::Start {
                key,
                worker,
                initializer,
            } => Beginning {
                initializer: Some(initializer),
                ..body(key, worker)
            },
        };
        self.seen.push(Observed::Began(beginning));
    }
}
