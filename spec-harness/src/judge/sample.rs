//! Histories made by hand, for tests: one pool `p`, tasks `f(0)`, `f(1)`.

use crate::case::ast::{Fate, Span, Time};
use crate::case::expr::Value;
use crate::history::{
    Ending, Event, History, Key, PoolInfo, Raised, TaskInfo, What, Who, WorkerId,
};
use crate::protocol::{Call, ImapOptions, Limits, MapOptions, PoolOptions};

/// The first number that callbacks' threads in the parent have.
pub(super) const PARENT: WorkerId = crate::history::FIRST_PARENT_THREAD;

/// A history in the making.
pub(super) struct Sample {
    pub(super) history: History,
    now: Time,
    jobs: u64,
}

impl Sample {
    /// A program that has just made a pool of this size.
    pub(super) fn pool(size: u64) -> Sample {
        Sample::with(Some(size))
    }

    /// A program that has just made a pool of the machine's size.
    pub(super) fn default_size() -> Sample {
        Sample::with(None)
    }

    fn with(size: Option<u64>) -> Sample {
        let pools = vec![PoolInfo {
            name: "p".into(),
            size,
            queue: None,
        }];
        let mut sample = Sample {
            history: History {
                events: vec![],
                tasks: vec![],
                pools,
                ending: Ending::Finished,
            },
            now: Time(0),
            jobs: 0,
        };
        let text = size.map_or("pool".to_owned(), |size| format!("pool of {size}"));
        sample.call(
            &text,
            Call::Pool(PoolOptions {
                pool: "p".into(),
                size,
                maxtasksperchild: None,
                max_worker_age: None,
                initializer: None,
                queue: None,
            }),
        );
        sample.returns(Value::None);
        sample
    }

    pub(super) fn log(&mut self, who: Who, what: What) -> &mut Sample {
        self.history.events.push(Event {
            at: self.now,
            who,
            what,
        });
        self
    }

    pub(super) fn clock(&mut self, units: u64) -> &mut Sample {
        self.now = Time(units * 1_000_000);
        self
    }

    pub(super) fn call(&mut self, text: &str, command: Call) -> &mut Sample {
        self.log(
            Who::Main,
            What::Call {
                span: Span::default(),
                text: text.into(),
                command,
            },
        )
    }

    pub(super) fn returns(&mut self, value: Value) -> &mut Sample {
        self.log(
            Who::Main,
            What::Return {
                span: Span::default(),
                result: Ok(value),
            },
        )
    }

    pub(super) fn raises(&mut self, kind: &str) -> &mut Sample {
        let raised = Raised {
            kind: kind.into(),
            text: String::new(),
        };
        self.log(
            Who::Main,
            What::Return {
                span: Span::default(),
                result: Err(raised),
            },
        )
    }

    fn task(&mut self, chunk: u64, callback: bool) -> Key {
        let key = self.history.tasks.len() as Key;
        self.history.tasks.push(TaskInfo {
            key,
            task: if callback { "seen".into() } else { "f".into() },
            // A callback has the number behind its task's, whose value it is given.
            args: vec![Value::Int(key as i64 - i64::from(callback))],
            pool: Some("p".into()),
            job: self.jobs,
            chunk: Some(chunk),
            callback,
            initializer: false,
            fate: Fate::Never,
            value: None,
        });
        key
    }

    /// Gives the pool an initializer.
    pub(super) fn initialized(&mut self) -> &mut Sample {
        for event in &mut self.history.events {
            if let What::Call { command, .. } = &mut event.what
                && let Call::Pool(options) = command
            {
                options.initializer = Some(0);
            }
        }
        self
    }

    /// A worker begins by the initializer, which has the next number, given for the reader.
    pub(super) fn starts(&mut self, key: Key, worker: WorkerId) -> &mut Sample {
        assert_eq!(self.task(0, false), key, "bodies are numbered one by one");
        self.jobs += 1;
        let start = &mut self.history.tasks[key as usize];
        (start.initializer, start.chunk, start.task) = (true, None, "init".into());
        self.begin(key, worker)
    }

    /// Submits the next task, whose number is given for the reader; the call has not returned.
    pub(super) fn submit(&mut self, key: Key) -> &mut Sample {
        assert_eq!(self.task(0, false), key, "tasks are numbered one by one");
        self.jobs += 1;
        let command = Call::ApplyAsync {
            pool: "p".into(),
            key,
            handle: format!("h{key}"),
            callback: None,
            error_callback: None,
            timeout: None,
            limits: Limits::none(),
        };
        self.call(&format!("apply_async f({key})"), command);
        self.log(Who::Main, What::Submit { key })
    }

    pub(super) fn apply_async(&mut self, key: Key) -> &mut Sample {
        self.submit(key).returns(Value::None)
    }

    /// As `apply_async`, with a callback that has the next number.
    pub(super) fn apply_async_with_callback(&mut self, key: Key) -> &mut Sample {
        self.submit_with(key, |ok, _| ok)
    }

    /// As `apply_async`, with an error callback that has the next number.
    pub(super) fn apply_async_with_error_callback(&mut self, key: Key) -> &mut Sample {
        self.submit_with(key, |_, error| error)
    }

    fn submit_with(
        &mut self,
        key: Key,
        slot: for<'s> fn(&'s mut Option<Key>, &'s mut Option<Key>) -> &'s mut Option<Key>,
    ) -> &mut Sample {
        self.submit(key);
        let called = self.task(0, true);
        for event in self.history.events.iter_mut().rev().take(2) {
            if let What::Call { command, .. } = &mut event.what
                && let Call::ApplyAsync {
                    callback,
                    error_callback,
                    ..
                } = command
            {
                *slot(callback, error_callback) = Some(called);
            }
        }
        self.returns(Value::None)
    }

    /// Two tasks side by side on a pool of two; each prints its number at 1.
    pub(super) fn wave() -> Sample {
        let mut run = Sample::pool(2);
        run.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .begin(1, 1)
            .close()
            .join();
        run.clock(1)
            .print(0, "0")
            .end(0)
            .print(1, "1")
            .end(1)
            .joined()
            .exit();
        run
    }

    /// A blocking map of tasks in chunks of `per_chunk`.
    pub(super) fn map(&mut self, count: u64, per_chunk: u64) -> &mut Sample {
        let keys: Vec<Key> = (0..count)
            .map(|index| self.task(index / per_chunk, false))
            .collect();
        self.jobs += 1;
        let command = Call::Map(MapOptions {
            pool: "p".into(),
            keys: keys.clone(),
            chunksize: Some(per_chunk),
            limits: Limits::none(),
        });
        self.call(&format!("map f over {count} items"), command);
        for key in keys {
            self.log(Who::Main, What::Submit { key });
        }
        self
    }

    /// An imap of tasks, one by one.
    pub(super) fn imap(
        &mut self,
        count: u64,
        read_ahead: Option<u64>,
        unordered: bool,
    ) -> &mut Sample {
        let keys: Vec<Key> = (0..count).map(|index| self.task(index, false)).collect();
        self.jobs += 1;
        let command = match unordered {
            true => Call::ImapUnordered,
            false => Call::Imap,
        };
        let imap = ImapOptions {
            pool: "p".into(),
            keys: keys.clone(),
            chunksize: None,
            read_ahead,
            endless: false,
            iterator: "i0".into(),
            limits: Limits::none(),
        };
        self.call(&format!("imap f over {count} items"), command(imap));
        for key in keys {
            self.log(Who::Main, What::Submit { key });
        }
        self.returns(Value::None)
    }

    /// Asks the imap for its next result, which has not come.
    pub(super) fn asks_next(&mut self) -> &mut Sample {
        let command = Call::Next {
            iterator: "i0".into(),
            timeout: None,
        };
        self.call("next i", command)
    }

    /// Takes the imap's next result.
    pub(super) fn next(&mut self, result: Result<Value, &str>) -> &mut Sample {
        self.asks_next();
        match result {
            Ok(value) => self.returns(value),
            Err(kind) => self.raises(kind),
        }
    }

    pub(super) fn begin(&mut self, key: Key, worker: WorkerId) -> &mut Sample {
        self.log(Who::Puppet(key), What::Begin { worker })
    }

    pub(super) fn print(&mut self, key: Key, text: &str) -> &mut Sample {
        self.log(Who::Puppet(key), What::Print(text.into()))
    }

    /// The task returns its own number.
    pub(super) fn end(&mut self, key: Key) -> &mut Sample {
        self.history.tasks[key as usize].value = Some(Value::Int(key as i64));
        self.ends(key, Fate::Done)
    }

    pub(super) fn ends(&mut self, key: Key, fate: Fate) -> &mut Sample {
        self.history.tasks[key as usize].fate = fate;
        self.log(Who::Puppet(key), What::End { fate })
    }

    pub(super) fn close(&mut self) -> &mut Sample {
        self.call("close p", Call::Close { pool: "p".into() })
            .returns(Value::None)
    }

    pub(super) fn terminate(&mut self) -> &mut Sample {
        self.call("terminate p", Call::Terminate { pool: "p".into() })
            .returns(Value::None)
    }

    /// Calls join, which does not return yet.
    pub(super) fn join(&mut self) -> &mut Sample {
        self.call(
            "join p",
            Call::Join {
                pool: "p".into(),
                timeout: None,
            },
        )
    }

    pub(super) fn joined(&mut self) -> &mut Sample {
        self.returns(Value::None)
    }

    pub(super) fn get(&mut self, key: Key, value: Value) -> &mut Sample {
        let command = Call::Get {
            handle: format!("h{key}"),
            timeout: None,
        };
        self.call("get h", command).returns(value)
    }

    pub(super) fn ready(&mut self, key: Key, ready: bool) -> &mut Sample {
        self.call(
            "ready h",
            Call::Ready {
                handle: format!("h{key}"),
            },
        )
        .returns(Value::Bool(ready))
    }

    pub(super) fn exit(&mut self) -> &mut Sample {
        self.log(Who::Main, What::Exit { code: 0 })
    }
}
