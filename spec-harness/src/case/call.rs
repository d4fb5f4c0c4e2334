//! The calls that a step can make: one definition for case files, the protocol, and everything between.
//!
//! What a call holds depends on where it stands ([`Values`]): expressions with their places in a case file, plain values on the
//! wire ([`Plain`]), and nothing at all where only its form counts ([`Blank`]). [`Call::convert`] turns one into the other, field
//! by field, and [`Call::visit`] looks at each field. So who reads, checks, evaluates or describes a call does so by the kinds of
//! its fields, and a new call needs nothing there.

use std::convert::Infallible;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What the fields of a call hold.
pub trait Values: fmt::Debug + Clone + PartialEq {
    /// A pool that was made.
    type Pool: fmt::Debug + Clone + PartialEq;
    /// The name of a pool that is made.
    type NewPool: fmt::Debug + Clone + PartialEq;
    /// A task with its arguments.
    type Task: fmt::Debug + Clone + PartialEq;
    /// A task for each of many items.
    type Tasks: fmt::Debug + Clone + PartialEq;
    /// A task that gets what a job came to.
    type Callback: fmt::Debug + Clone + PartialEq;
    /// A handle, an iterator, a process that was made.
    type Handle: fmt::Debug + Clone + PartialEq;
    /// See [`Handle`](Values::Handle).
    type Iterator: fmt::Debug + Clone + PartialEq;
    /// See [`Handle`](Values::Handle).
    type Process: fmt::Debug + Clone + PartialEq;
    /// The name of a handle, an iterator or a process that is made.
    type Made: fmt::Debug + Clone + PartialEq;
    /// A handle or an iterator.
    type Work: fmt::Debug + Clone + PartialEq;
    /// The name of a token, which cancels all calls that have it and is made where it is first named, or of an error.
    type Name: fmt::Debug + Clone + PartialEq;
    /// A whole number.
    type Number: fmt::Debug + Clone + PartialEq;
    /// A duration, in units (seconds).
    type Time: fmt::Debug + Clone + PartialEq;
}

/// Plain values, as the protocol has them: names, the numbers of tasks, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain;

impl Values for Plain {
    type Pool = String;
    type NewPool = String;
    type Task = u64;
    type Tasks = Vec<u64>;
    type Callback = u64;
    type Handle = String;
    type Iterator = String;
    type Process = String;
    type Made = String;
    type Work = String;
    type Name = String;
    type Number = u64;
    type Time = f64;
}

/// Nothing: the form of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blank;

impl Values for Blank {
    type Pool = ();
    type NewPool = ();
    type Task = ();
    type Tasks = ();
    type Callback = ();
    type Handle = ();
    type Iterator = ();
    type Process = ();
    type Made = ();
    type Work = ();
    type Name = ();
    type Number = ();
    type Time = ();
}

/// Values that can be sent.
pub trait Sent:
    Values<
        Pool: Serialize + DeserializeOwned,
        NewPool: Serialize + DeserializeOwned,
        Task: Serialize + DeserializeOwned,
        Tasks: Serialize + DeserializeOwned,
        Callback: Serialize + DeserializeOwned,
        Handle: Serialize + DeserializeOwned,
        Iterator: Serialize + DeserializeOwned,
        Process: Serialize + DeserializeOwned,
        Made: Serialize + DeserializeOwned,
        Work: Serialize + DeserializeOwned,
        Name: Serialize + DeserializeOwned,
        Number: Serialize + DeserializeOwned,
        Time: Serialize + DeserializeOwned,
    >
{
}

impl Sent for Plain {}

/// A call of the implementation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "cmd",
    rename_all = "snake_case",
    deny_unknown_fields,
    bound = "V: Sent"
)]
pub enum Call<V: Values = Plain> {
    /// Makes a pool.
    Pool(PoolOptions<V>),
    /// Runs one task and waits for its value.
    Apply {
        /// The pool.
        pool: V::Pool,
        /// The task.
        key: V::Task,
        /// When it ends early, and how often it is tried again.
        #[serde(default, skip_serializing_if = "Limits::is_none")]
        limits: Limits<V>,
    },
    /// Submits one task.
    ApplyAsync {
        /// The pool.
        pool: V::Pool,
        /// The task.
        key: V::Task,
        /// Name of the handle from now on.
        handle: V::Made,
        /// Gets the value.
        callback: Option<V::Callback>,
        /// Gets the error.
        error_callback: Option<V::Callback>,
        /// How long to wait for a place in the queue; `None` is until there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<V::Time>,
        /// When it ends early, and how often it is tried again.
        #[serde(default, skip_serializing_if = "Limits::is_none")]
        limits: Limits<V>,
    },
    /// Runs one task per item and waits for the list of values.
    Map(MapOptions<V>),
    /// As `map`; each item is a tuple and is unpacked.
    Starmap(MapOptions<V>),
    /// Submits one task per item as one job.
    MapAsync(MapAsyncOptions<V>),
    /// As `map_async`; each item is a tuple and is unpacked.
    StarmapAsync(MapAsyncOptions<V>),
    /// Runs one task per item; results are taken one by one, in the order of the input. The input is read as they are taken.
    Imap(ImapOptions<V>),
    /// As `imap`; results are taken in the order of completion.
    ImapUnordered(ImapOptions<V>),
    /// The next value of an iterator, waited for; the error of an item that failed; `StopIteration` at the end.
    Next {
        /// The iterator.
        iterator: V::Iterator,
        /// The longest wait.
        timeout: Option<V::Time>,
    },
    /// The handle's value, waited for.
    Get {
        /// The handle.
        handle: V::Handle,
        /// The longest wait.
        timeout: Option<V::Time>,
    },
    /// Waits until the handle is ready; never fails.
    Wait {
        /// The handle.
        handle: V::Handle,
        /// The longest wait.
        timeout: Option<V::Time>,
    },
    /// Whether the handle's job is finished.
    Ready {
        /// The handle.
        handle: V::Handle,
    },
    /// Whether the handle's job ended with a value.
    Successful {
        /// The handle.
        handle: V::Handle,
    },
    /// Ends the job of a handle, or an imap, early: what has not started never will, what runs is stopped or told. Whether it was this
    /// that has decided the outcome.
    Cancel {
        /// The handle, or the iterator.
        work: V::Work,
    },
    /// Cancels all calls that have this token, and those that will be given it.
    CancelToken {
        /// The token.
        token: V::Name,
    },
    /// Whether the task that asks is no longer wanted.
    Cancelled {},
    /// Refuses further work.
    Close {
        /// The pool.
        pool: V::Pool,
    },
    /// Stops the pool.
    Terminate {
        /// The pool.
        pool: V::Pool,
    },
    /// What the pool has counted: a list of how many tasks (chunks) it was given, how many of them have ended or never will run,
    /// and how many errors came of them.
    Stats {
        /// The pool.
        pool: V::Pool,
    },
    /// Waits until the pool's workers have gone.
    Join {
        /// The pool.
        pool: V::Pool,
        /// The longest wait.
        timeout: Option<V::Time>,
    },
    /// Lets go of the pool.
    Drop {
        /// The pool.
        pool: V::Pool,
    },
    /// Makes a bare process (or its thread twin) that will run one task.
    Process {
        /// Its name from now on.
        process: V::Made,
        /// The task.
        key: V::Task,
        /// Whether it ends with the program instead of being waited for.
        daemon: bool,
    },
    /// Starts a bare process.
    Start {
        /// The process.
        process: V::Process,
    },
    /// Waits until a bare process has ended.
    JoinProcess {
        /// The process.
        process: V::Process,
        /// The longest wait.
        timeout: Option<V::Time>,
    },
    /// Whether a bare process runs.
    IsAlive {
        /// The process.
        process: V::Process,
    },
    /// The exit code of a bare process: null, the code, or the negative signal.
    Exitcode {
        /// The process.
        process: V::Process,
    },
    /// SIGKILL to a bare process.
    Kill {
        /// The process.
        process: V::Process,
    },
    /// SIGTERM to a bare process.
    TerminateProcess {
        /// The process.
        process: V::Process,
    },
}

/// How a pool is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "V: Sent")]
pub struct PoolOptions<V: Values = Plain> {
    /// Its name from now on.
    pub pool: V::NewPool,
    /// Number of workers; `None` is the default size.
    pub size: Option<V::Number>,
    /// Tasks (chunks) after which a worker leaves and is replaced; `None` is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maxtasksperchild: Option<V::Number>,
    /// How long a worker lives before another takes its place; `None` is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_worker_age: Option<V::Time>,
    /// What each worker runs before its first task; on the wire its number, as initializers are counted by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initializer: Option<V::Task>,
    /// Tasks (chunks) that may wait for a worker; `None` is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<V::Number>,
}

/// What `map` and `starmap` are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "V: Sent")]
pub struct MapOptions<V: Values = Plain> {
    /// The pool.
    pub pool: V::Pool,
    /// The items, in order.
    pub keys: V::Tasks,
    /// Items per chunk; `None` is the pool's own choice.
    pub chunksize: Option<V::Number>,
    /// When it ends early, and how often it is tried again.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits<V>,
}

/// What `map_async` and `starmap_async` are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "V: Sent")]
pub struct MapAsyncOptions<V: Values = Plain> {
    /// The pool.
    pub pool: V::Pool,
    /// The items, in order.
    pub keys: V::Tasks,
    /// Items per chunk; `None` is the pool's own choice.
    pub chunksize: Option<V::Number>,
    /// Name of the handle from now on.
    pub handle: V::Made,
    /// Gets the list of values.
    pub callback: Option<V::Callback>,
    /// Gets the error.
    pub error_callback: Option<V::Callback>,
    /// How long to wait for a place in the queue; `None` is until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<V::Time>,
    /// When it ends early, and how often it is tried again.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits<V>,
}

/// What `imap` and `imap_unordered` are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "V: Sent")]
pub struct ImapOptions<V: Values = Plain> {
    /// The pool.
    pub pool: V::Pool,
    /// The items, in order.
    pub keys: V::Tasks,
    /// Items per chunk; `None` is the pool's own choice.
    pub chunksize: Option<V::Number>,
    /// Chunks that may be in the pool, or done and not yet taken; `None` is the pool's own choice. A pool that has no
    /// such bound ignores it.
    pub read_ahead: Option<V::Number>,
    /// The input does not end with the items: who reads further waits for ever.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub endless: bool,
    /// Name of the iterator from now on.
    pub iterator: V::Made,
    /// When it ends early, and how often it is tried again.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits<V>,
}

/// When a call, a map or an imap ends early, and how often its tasks are tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "V: Sent")]
pub struct Limits<V: Values = Plain> {
    /// How long each task (chunk) may run, from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<V::Time>,
    /// How long the whole may take, from its submission: in the queue, and while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<V::Time>,
    /// How often a task is tried again that was lost with its worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<V::Number>,
    /// The pause before it is tried again, which doubles with each; `None` is no pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_pause: Option<V::Time>,
    /// The error that is tried again, too, where a task raises it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_if: Option<V::Name>,
    /// The token that cancels it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_on: Option<V::Name>,
}

/// What a call makes, for which its step's variable stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// A handle.
    Handle,
    /// An iterator.
    Iterator,
    /// A process.
    Process,
}

/// Turns the fields of a call into others, each by its kind. Fields that have several names are given the one that a case file
/// uses.
pub trait Convert<V: Values, W: Values> {
    /// Why a field has no counterpart.
    type Error;

    /// A pool.
    ///
    /// # Errors
    /// It has no counterpart; likewise for all others.
    fn pool(&mut self, pool: &V::Pool) -> Result<W::Pool, Self::Error>;

    /// The name of a new pool.
    fn new_pool(&mut self, name: &V::NewPool) -> Result<W::NewPool, Self::Error>;

    /// A task.
    fn task(&mut self, task: &V::Task) -> Result<W::Task, Self::Error>;

    /// A task for each of many items.
    fn tasks(&mut self, tasks: &V::Tasks) -> Result<W::Tasks, Self::Error>;

    /// What workers begin by.
    fn initializer(&mut self, task: &Option<V::Task>) -> Result<Option<W::Task>, Self::Error>;

    /// A callback.
    fn callback(
        &mut self,
        name: &'static str,
        task: &Option<V::Callback>,
    ) -> Result<Option<W::Callback>, Self::Error>;

    /// A handle.
    fn handle(&mut self, handle: &V::Handle) -> Result<W::Handle, Self::Error>;

    /// An iterator.
    fn iterator(&mut self, iterator: &V::Iterator) -> Result<W::Iterator, Self::Error>;

    /// A process.
    fn process(&mut self, process: &V::Process) -> Result<W::Process, Self::Error>;

    /// The name of what is made.
    fn made(&mut self, makes: Makes, name: &V::Made) -> Result<W::Made, Self::Error>;

    /// A handle or an iterator.
    fn work(&mut self, work: &V::Work) -> Result<W::Work, Self::Error>;

    /// The token that a call is about.
    fn token(&mut self, token: &V::Name) -> Result<W::Name, Self::Error>;

    /// The name of something that a call is given.
    fn name(
        &mut self,
        what: &'static str,
        name: &Option<V::Name>,
    ) -> Result<Option<W::Name>, Self::Error>;

    /// A number.
    fn number(
        &mut self,
        name: &'static str,
        number: &Option<V::Number>,
    ) -> Result<Option<W::Number>, Self::Error>;

    /// A duration.
    fn time(
        &mut self,
        name: &'static str,
        time: &Option<V::Time>,
    ) -> Result<Option<W::Time>, Self::Error>;

    /// Whether something is so.
    fn flag(&mut self, name: &'static str, is: bool) -> Result<bool, Self::Error>;
}

/// Looks at the fields of a call, each by its kind; those that it does not care about are passed over.
#[expect(unused_variables, reason = "names of what is passed over")]
pub trait Visit<V: Values> {
    /// A pool.
    fn pool(&mut self, pool: &V::Pool) {}
    /// The name of a new pool.
    fn new_pool(&mut self, name: &V::NewPool) {}
    /// A task.
    fn task(&mut self, task: &V::Task) {}
    /// A task for each of many items.
    fn tasks(&mut self, tasks: &V::Tasks) {}
    /// What workers begin by.
    fn initializer(&mut self, task: &Option<V::Task>) {}
    /// A callback.
    fn callback(&mut self, name: &'static str, task: &Option<V::Callback>) {}
    /// A handle.
    fn handle(&mut self, handle: &V::Handle) {}
    /// An iterator.
    fn iterator(&mut self, iterator: &V::Iterator) {}
    /// A process.
    fn process(&mut self, process: &V::Process) {}
    /// What is made.
    fn made(&mut self, makes: Makes, name: &V::Made) {}
    /// A handle or an iterator.
    fn work(&mut self, work: &V::Work) {}
    /// The token that a call is about.
    fn token(&mut self, token: &V::Name) {}
    /// The name of something that a call is given.
    fn name(&mut self, what: &'static str, name: &Option<V::Name>) {}
    /// A number.
    fn number(&mut self, name: &'static str, number: &Option<V::Number>) {}
    /// A duration.
    fn time(&mut self, name: &'static str, time: &Option<V::Time>) {}
    /// Whether something is so.
    fn flag(&mut self, name: &'static str, is: bool) {}
}

impl<V: Values> Call<V> {
    /// The name that it has in case files and on the wire, which is also the ability (`can`) that it needs.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Pool(_) => "pool",
            Call::Apply { .. } => "apply",
            Call::ApplyAsync { .. } => "apply_async",
            Call::Map(_) => "map",
            Call::Starmap(_) => "starmap",
            Call::MapAsync(_) => "map_async",
            Call::StarmapAsync(_) => "starmap_async",
            Call::Imap(_) => "imap",
            Call::ImapUnordered(_) => "imap_unordered",
            Call::Next { .. } => "next",
            Call::Get { .. } => "get",
            Call::Wait { .. } => "wait",
            Call::Ready { .. } => "ready",
            Call::Successful { .. } => "successful",
            Call::Cancel { .. } => "cancel",
            Call::CancelToken { .. } => "cancel_token",
            Call::Cancelled {} => "cancelled",
            Call::Close { .. } => "close",
            Call::Terminate { .. } => "terminate",
            Call::Stats { .. } => "stats",
            Call::Join { .. } => "join",
            Call::Drop { .. } => "drop",
            Call::Process { .. } => "process",
            Call::Start { .. } => "start",
            Call::JoinProcess { .. } => "join_process",
            Call::IsAlive { .. } => "is_alive",
            Call::Exitcode { .. } => "exitcode",
            Call::Kill { .. } => "kill",
            Call::TerminateProcess { .. } => "terminate_process",
        }
    }

    /// What it is called in transcripts: as the method of the object.
    pub fn method(&self) -> &'static str {
        match self {
            Call::Process { .. } => "Process",
            Call::JoinProcess { .. } => "join",
            Call::TerminateProcess { .. } => "terminate",
            Call::CancelToken { .. } => "cancel",
            _ => self.name(),
        }
    }

    /// The same call with other values. What others depend on comes first: chunk sizes before the items.
    ///
    /// # Errors
    /// The first field that has no counterpart.
    pub fn convert<W: Values, C: Convert<V, W>>(&self, c: &mut C) -> Result<Call<W>, C::Error> {
        Ok(match self {
            Call::Pool(options) => Call::Pool(options.convert(c)?),
            Call::Apply { pool, key, limits } => Call::Apply {
                pool: c.pool(pool)?,
                limits: limits.convert(c)?,
                key: c.task(key)?,
            },
            Call::ApplyAsync {
                pool,
                key,
                handle,
                callback,
                error_callback,
                timeout,
                limits,
            } => Call::ApplyAsync {
                pool: c.pool(pool)?,
                limits: limits.convert(c)?,
                key: c.task(key)?,
                handle: c.made(Makes::Handle, handle)?,
                callback: c.callback("callback", callback)?,
                error_callback: c.callback("error_callback", error_callback)?,
                timeout: c.time("timeout", timeout)?,
            },
            Call::Map(options) => Call::Map(options.convert(c)?),
            Call::Starmap(options) => Call::Starmap(options.convert(c)?),
            Call::MapAsync(options) => Call::MapAsync(options.convert(c)?),
            Call::StarmapAsync(options) => Call::StarmapAsync(options.convert(c)?),
            Call::Imap(options) => Call::Imap(options.convert(c)?),
            Call::ImapUnordered(options) => Call::ImapUnordered(options.convert(c)?),
            Call::Next { iterator, timeout } => Call::Next {
                iterator: c.iterator(iterator)?,
                timeout: c.time("timeout", timeout)?,
            },
            Call::Get { handle, timeout } => Call::Get {
                handle: c.handle(handle)?,
                timeout: c.time("timeout", timeout)?,
            },
            Call::Wait { handle, timeout } => Call::Wait {
                handle: c.handle(handle)?,
                timeout: c.time("timeout", timeout)?,
            },
            Call::Ready { handle } => Call::Ready {
                handle: c.handle(handle)?,
            },
            Call::Successful { handle } => Call::Successful {
                handle: c.handle(handle)?,
            },
            Call::Cancel { work } => Call::Cancel {
                work: c.work(work)?,
            },
            Call::CancelToken { token } => Call::CancelToken {
                token: c.token(token)?,
            },
            Call::Cancelled {} => Call::Cancelled {},
            Call::Close { pool } => Call::Close {
                pool: c.pool(pool)?,
            },
            Call::Terminate { pool } => Call::Terminate {
                pool: c.pool(pool)?,
            },
            Call::Stats { pool } => Call::Stats {
                pool: c.pool(pool)?,
            },
            Call::Join { pool, timeout } => Call::Join {
                pool: c.pool(pool)?,
                timeout: c.time("timeout", timeout)?,
            },
            Call::Drop { pool } => Call::Drop {
                pool: c.pool(pool)?,
            },
            Call::Process {
                process,
                key,
                daemon,
            } => Call::Process {
                key: c.task(key)?,
                process: c.made(Makes::Process, process)?,
                daemon: c.flag("daemon", *daemon)?,
            },
            Call::Start { process } => Call::Start {
                process: c.process(process)?,
            },
            Call::JoinProcess { process, timeout } => Call::JoinProcess {
                process: c.process(process)?,
                timeout: c.time("timeout", timeout)?,
            },
            Call::IsAlive { process } => Call::IsAlive {
                process: c.process(process)?,
            },
            Call::Exitcode { process } => Call::Exitcode {
                process: c.process(process)?,
            },
            Call::Kill { process } => Call::Kill {
                process: c.process(process)?,
            },
            Call::TerminateProcess { process } => Call::TerminateProcess {
                process: c.process(process)?,
            },
        })
    }

    /// The longest that it may take, where it is a call that can be given a timeout.
    pub fn timeout_mut(&mut self) -> Option<&mut Option<V::Time>> {
        match self {
            Call::ApplyAsync { timeout, .. }
            | Call::Next { timeout, .. }
            | Call::Get { timeout, .. }
            | Call::Wait { timeout, .. }
            | Call::Join { timeout, .. }
            | Call::JoinProcess { timeout, .. } => Some(timeout),
            Call::MapAsync(options) | Call::StarmapAsync(options) => Some(&mut options.timeout),
            _ => None,
        }
    }

    /// Looks at each field.
    pub fn visit(&self, visit: &mut impl Visit<V>) {
        let Ok(_) = self.convert::<Blank, _>(&mut Looking(visit));
    }
}

impl<V: Values> PoolOptions<V> {
    fn convert<W: Values, C: Convert<V, W>>(&self, c: &mut C) -> Result<PoolOptions<W>, C::Error> {
        Ok(PoolOptions {
            size: c.number("size", &self.size)?,
            maxtasksperchild: c.number("maxtasksperchild", &self.maxtasksperchild)?,
            max_worker_age: c.time("max_worker_age", &self.max_worker_age)?,
            queue: c.number("queue", &self.queue)?,
            pool: c.new_pool(&self.pool)?,
            initializer: c.initializer(&self.initializer)?,
        })
    }
}

impl<V: Values> MapOptions<V> {
    fn convert<W: Values, C: Convert<V, W>>(&self, c: &mut C) -> Result<MapOptions<W>, C::Error> {
        Ok(MapOptions {
            pool: c.pool(&self.pool)?,
            limits: self.limits.convert(c)?,
            chunksize: c.number("chunksize", &self.chunksize)?,
            keys: c.tasks(&self.keys)?,
        })
    }
}

impl<V: Values> MapAsyncOptions<V> {
    fn convert<W: Values, C: Convert<V, W>>(
        &self,
        c: &mut C,
    ) -> Result<MapAsyncOptions<W>, C::Error> {
        Ok(MapAsyncOptions {
            pool: c.pool(&self.pool)?,
            limits: self.limits.convert(c)?,
            chunksize: c.number("chunksize", &self.chunksize)?,
            keys: c.tasks(&self.keys)?,
            handle: c.made(Makes::Handle, &self.handle)?,
            callback: c.callback("callback", &self.callback)?,
            error_callback: c.callback("error_callback", &self.error_callback)?,
            timeout: c.time("timeout", &self.timeout)?,
        })
    }
}

impl<V: Values> ImapOptions<V> {
    fn convert<W: Values, C: Convert<V, W>>(&self, c: &mut C) -> Result<ImapOptions<W>, C::Error> {
        Ok(ImapOptions {
            pool: c.pool(&self.pool)?,
            limits: self.limits.convert(c)?,
            chunksize: c.number("chunksize", &self.chunksize)?,
            read_ahead: c.number("read_ahead", &self.read_ahead)?,
            keys: c.tasks(&self.keys)?,
            endless: c.flag("endless", self.endless)?,
            iterator: c.made(Makes::Iterator, &self.iterator)?,
        })
    }
}

impl<V: Values> Default for Limits<V> {
    fn default() -> Self {
        Limits::none()
    }
}

impl<V: Values> Limits<V> {
    /// None of them.
    pub const fn none() -> Self {
        Limits {
            deadline: None,
            expiry: None,
            retries: None,
            retry_pause: None,
            retry_if: None,
            cancel_on: None,
        }
    }

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Limits::none()
    }

    fn convert<W: Values, C: Convert<V, W>>(&self, c: &mut C) -> Result<Limits<W>, C::Error> {
        Ok(Limits {
            deadline: c.time("deadline", &self.deadline)?,
            expiry: c.time("expiry", &self.expiry)?,
            retries: c.number("retries", &self.retries)?,
            retry_pause: c.time("retry_pause", &self.retry_pause)?,
            retry_if: c.name("retry_if", &self.retry_if)?,
            cancel_on: c.name("cancel_on", &self.cancel_on)?,
        })
    }
}

/// A visit as a conversion into nothing.
struct Looking<'v, T>(&'v mut T);

impl<V: Values, T: Visit<V>> Convert<V, Blank> for Looking<'_, T> {
    type Error = Infallible;

    fn pool(&mut self, pool: &V::Pool) -> Result<(), Infallible> {
        self.0.pool(pool);
        Ok(())
    }

    fn new_pool(&mut self, name: &V::NewPool) -> Result<(), Infallible> {
        self.0.new_pool(name);
        Ok(())
    }

    fn task(&mut self, task: &V::Task) -> Result<(), Infallible> {
        self.0.task(task);
        Ok(())
    }

    fn tasks(&mut self, tasks: &V::Tasks) -> Result<(), Infallible> {
        self.0.tasks(tasks);
        Ok(())
    }

    fn initializer(&mut self, task: &Option<V::Task>) -> Result<Option<()>, Infallible> {
        self.0.initializer(task);
        Ok(None)
    }

    fn callback(
        &mut self,
        name: &'static str,
        task: &Option<V::Callback>,
    ) -> Result<Option<()>, Infallible> {
        self.0.callback(name, task);
        Ok(None)
    }

    fn handle(&mut self, handle: &V::Handle) -> Result<(), Infallible> {
        self.0.handle(handle);
        Ok(())
    }

    fn iterator(&mut self, iterator: &V::Iterator) -> Result<(), Infallible> {
        self.0.iterator(iterator);
        Ok(())
    }

    fn process(&mut self, process: &V::Process) -> Result<(), Infallible> {
        self.0.process(process);
        Ok(())
    }

    fn made(&mut self, makes: Makes, name: &V::Made) -> Result<(), Infallible> {
        self.0.made(makes, name);
        Ok(())
    }

    fn number(
        &mut self,
        name: &'static str,
        number: &Option<V::Number>,
    ) -> Result<Option<()>, Infallible> {
        self.0.number(name, number);
        Ok(None)
    }

    fn work(&mut self, work: &V::Work) -> Result<(), Infallible> {
        self.0.work(work);
        Ok(())
    }

    fn token(&mut self, token: &V::Name) -> Result<(), Infallible> {
        self.0.token(token);
        Ok(())
    }

    fn name(
        &mut self,
        what: &'static str,
        name: &Option<V::Name>,
    ) -> Result<Option<()>, Infallible> {
        self.0.name(what, name);
        Ok(None)
    }

    fn time(
        &mut self,
        name: &'static str,
        time: &Option<V::Time>,
    ) -> Result<Option<()>, Infallible> {
        self.0.time(name, time);
        Ok(None)
    }

    fn flag(&mut self, name: &'static str, is: bool) -> Result<bool, Infallible> {
        self.0.flag(name, is);
        Ok(is)
    }
}
