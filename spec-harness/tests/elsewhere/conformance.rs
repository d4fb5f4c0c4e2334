//! The tiny pool behind `spec/1`: what each request is on it.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use spec_harness::adapter::{Answer, Program, puppet, serve};
use spec_harness::protocol::{Call, ErrorReply, Hello, PoolOptions, WorkerKind};
use tiny_pool::{TinyPool, lock};

spec_harness::conformance! {
    "tiny", Thread => adapter;
    "tiny-with-a-list", Thread, expected_failures: include_str!("tiny.expected-failures.yaml") => adapter;
}

fn adapter() -> ExitCode {
    serve(|_| Tiny::default())
}

#[derive(Default)]
struct Tiny {
    pools: Mutex<HashMap<String, Arc<TinyPool>>>,
    handles: Mutex<HashMap<String, Receiver<Answer>>>,
}

impl Program for Tiny {
    fn hello(&self, kind: WorkerKind) -> Option<Hello> {
        let can = [
            "pool",
            "apply",
            "apply_async",
            "get",
            "close",
            "join",
            "threads",
        ];
        (kind == WorkerKind::Thread).then(|| Hello {
            name: "tiny".into(),
            version: "0.1".into(),
            kinds: vec![kind],
            can: can.map(str::to_owned).into(),
            declines: BTreeMap::new(),
            polls: None,
        })
    }

    fn call(&self, call: Call) -> Answer {
        match call {
            Call::Pool(PoolOptions { pool, size, .. }) => match size.unwrap_or(2) {
                0 => return Err(error("InvalidSize")),
                size => {
                    drop(lock(&self.pools).insert(pool, Arc::new(TinyPool::new(size as usize))))
                }
            },
            Call::Apply { pool, key, .. } => return receive(&self.submit(&pool, key)?),
            Call::ApplyAsync {
                pool, key, handle, ..
            } => {
                let receiver = self.submit(&pool, key)?;
                lock(&self.handles).insert(handle, receiver);
            }
            Call::Get { handle, .. } => {
                let receiver = lock(&self.handles).remove(&handle);
                return receive(&receiver.ok_or_else(|| error("Protocol"))?);
            }
            Call::Close { pool } => self.pool(&pool)?.close(),
            Call::Join { pool, .. } => {
                if !self.pool(&pool)?.join() {
                    return Err(error("StillRunning"));
                }
            }
            _ => return Err(error("Protocol")),
        }
        Ok(().into())
    }

    fn leave(&self) {}
}

impl Tiny {
    fn pool(&self, name: &str) -> Result<Arc<TinyPool>, ErrorReply> {
        let pool = lock(&self.pools).get(name).cloned();
        pool.ok_or_else(|| error("Protocol"))
    }

    fn submit(&self, pool: &str, key: u64) -> Result<Receiver<Answer>, ErrorReply> {
        let (sender, receiver) = channel();
        let work = move || {
            let end = catch_unwind(AssertUnwindSafe(|| puppet::task(key)));
            let panicked = |_| Err(error("Panicked"));
            drop(sender.send(end.unwrap_or_else(panicked)));
        };
        match self.pool(pool)?.submit(work) {
            true => Ok(receiver),
            false => Err(error("NotRunning")),
        }
    }
}

fn receive(receiver: &Receiver<Answer>) -> Answer {
    receiver.recv().unwrap_or_else(|_| Err(error("WorkerLost")))
}

fn error(kind: &str) -> ErrorReply {
    ErrorReply {
        kind: kind.into(),
        text: String::new(),
    }
}
