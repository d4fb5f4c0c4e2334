//! What a program has made so far, and the numbers by which implementation and record know it.

use std::collections::{BTreeMap, BTreeSet};

use super::wrong;
use crate::case::ast::{Case, Fate, MapCall, Spanned, Step, TaskCall, TaskDef};
use crate::case::expr::{Env, EvalError, Expr, Value};
use crate::history::{Key, PoolInfo, TaskInfo};
use crate::interp::values::items;

/// What the program has made so far: pools, handles, processes, tasks.
#[derive(Debug)]
pub(in crate::interp) struct Names<'c> {
    defs: BTreeMap<&'c str, &'c TaskDef>,
    /// What a pool's name in the case means now; made again, a name means the newer pool.
    current: BTreeMap<String, String>,
    /// The pool made last.
    pub(super) last: Option<String>,
    processes: u64,
    iterators: u64,
    /// The first task of each handle's job.
    handles: Vec<Key>,
    jobs: u64,
    pub(in crate::interp) tasks: Vec<TaskInfo>,
    pub(in crate::interp) pools: Vec<PoolInfo>,
    /// What the workers of pools begin by, each as it was asked for.
    initializers: Vec<TaskInfo>,
    /// Tasks whose tuple the pool is to unpack.
    pub(in crate::interp) unpacked: BTreeSet<Key>,
}

/// Most starts of workers that may fail one after the other: a pool that goes on after so many never stops.
const MOST_FAILED_STARTS: usize = 50;

/// Most tasks and callbacks that a program may submit.
const MOST_TASKS: usize = 10_000;

impl<'c> Names<'c> {
    pub(in crate::interp) fn new(case: &'c Case) -> Names<'c> {
        let defs = case.tasks.iter().map(|def| (def.name.value.as_str(), def));
        Names {
            defs: defs.collect(),
            current: BTreeMap::new(),
            last: None,
            processes: 0,
            iterators: 0,
            handles: Vec::new(),
            jobs: 0,
            tasks: Vec::new(),
            pools: Vec::new(),
            initializers: Vec::new(),
            unpacked: BTreeSet::new(),
        }
    }

    /// A new pool; gives the name by which the implementation knows it.
    pub(super) fn new_pool(&mut self, name: &str, options: PoolInfo) -> String {
        let made = self
            .pools
            .iter()
            .filter(|p| p.name == name || p.name.starts_with(&format!("{name}#")));
        let unique = match made.count() {
            0 => name.to_owned(),
            n => format!("{name}#{}", n + 1),
        };
        self.current.insert(name.to_owned(), unique.clone());
        self.last = Some(unique.clone());
        self.pools.push(PoolInfo {
            name: unique.clone(),
            ..options
        });
        unique
    }

    /// The number of what a pool's workers begin by, and its text.
    pub(super) fn initializer(
        &mut self,
        pool: &str,
        call: &TaskCall,
        env: &Env,
    ) -> Result<(u64, String), EvalError> {
        let args: Result<Vec<Value>, EvalError> =
            call.args.iter().map(|arg| arg.eval(env)).collect();
        let start = self.unnumbered(Some(pool), &call.task, args?, Role::Initializer)?;
        let text = start.to_string();
        self.initializers.push(start);
        Ok((self.initializers.len() as u64 - 1, text))
    }

    /// The number that a worker's start by this initializer will have.
    ///
    /// # Errors
    /// There is no such initializer, or workers are started without end.
    pub(in crate::interp) fn next_start(&self, initializer: u64) -> Result<Key, String> {
        let known = usize::try_from(initializer).ok();
        let Some(start) = known.and_then(|number| self.initializers.get(number)) else {
            return Err(format!(
                "a puppet says it is the initializer {initializer}, which no pool was given"
            ));
        };
        let of_pool = |task: &&TaskInfo| task.initializer && task.pool == start.pool;
        // Of one that runs, or whose end is about to be told, nothing is known yet.
        let starts = self.tasks.iter().rev().filter(of_pool);
        let starts = starts.filter(|task| task.fate != Fate::Never);
        let failed = starts.take_while(|task| matches!(task.fate, Fate::Raised | Fate::Lost));
        if failed.count() >= MOST_FAILED_STARTS {
            return Err(format!(
                "workers are started without end: {start} has failed {MOST_FAILED_STARTS} times in a row"
            ));
        }
        Ok(self.tasks.len() as Key)
    }

    /// A worker begins by this initializer.
    pub(in crate::interp) fn starts(&mut self, initializer: u64) -> Result<Key, String> {
        let key = self.next_start(initializer)?;
        let start = self.initializers[initializer as usize].clone();
        self.jobs += 1;
        self.tasks.push(TaskInfo {
            key,
            job: self.jobs - 1,
            ..start
        });
        Ok(key)
    }

    /// A task or a callback.
    pub(in crate::interp) fn task_of(&self, key: Key) -> Option<&TaskInfo> {
        self.tasks.get(usize::try_from(key).ok()?)
    }

    pub(super) fn find(
        &self,
        step: &Step,
        named: &Option<Spanned<String>>,
    ) -> Result<String, EvalError> {
        let found = match named {
            None => self.last.as_ref(),
            Some(name) => self.current.get(&name.value),
        };
        found.cloned().ok_or_else(|| match named {
            None => wrong(step.span, "no pool has been made yet"),
            Some(name) => wrong(
                name.span,
                format!("no pool `{}` has been made yet", name.value),
            ),
        })
    }

    /// A process's name, and the key of its task.
    pub(super) fn of_process(&self, expr: &Expr, env: &Env) -> Result<(String, Key), EvalError> {
        let value = expr.eval(env)?;
        let Value::Process(number) = value else {
            return Err(wrong(expr.span, format!("{} is no Process", value.repr())));
        };
        // Bare processes are the tasks without a pool, in the order of their making.
        let mut bare = self.tasks.iter().filter(|task| task.pool.is_none());
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        match bare.nth(index) {
            Some(task) => Ok((process(number), task.key)),
            None => Err(wrong(expr.span, "this Process was never made")),
        }
    }

    /// The task of a handle, of a map the first.
    pub(in crate::interp) fn of_handle(&self, expr: &Expr, env: &Env) -> Result<Key, EvalError> {
        let value = expr.eval(env)?;
        let known = match value {
            Value::Handle(number) => usize::try_from(number).ok(),
            _ => None,
        };
        let key = known.and_then(|number| self.handles.get(number));
        key.copied()
            .ok_or_else(|| wrong(expr.span, format!("{} is no handle of a job", value.repr())))
    }

    /// The number of a new handle, whose job begins with this task.
    pub(super) fn new_handle(&mut self, first: Key) -> u64 {
        self.handles.push(first);
        self.handles.len() as u64 - 1
    }

    /// The number of a new iterator.
    pub(super) fn new_iterator(&mut self) -> u64 {
        self.iterators += 1;
        self.iterators - 1
    }

    /// The number of a new process.
    pub(super) fn new_process(&mut self) -> u64 {
        self.processes += 1;
        self.processes - 1
    }

    /// Numbers a task; the job is a new one.
    pub(super) fn task(
        &mut self,
        pool: Option<&str>,
        call: &TaskCall,
        env: &Env,
    ) -> Result<(Key, String), EvalError> {
        let args: Result<Vec<Value>, EvalError> =
            call.args.iter().map(|arg| arg.eval(env)).collect();
        let args = args?;
        let shown: Vec<String> = args.iter().map(Value::repr).collect();
        let text = format!("{}({})", call.task.value, shown.join(", "));
        self.jobs += 1;
        Ok((self.number(pool, &call.task, args, Role::Task)?, text))
    }

    /// Numbers the items of a map or an imap.
    pub(super) fn items(
        &mut self,
        pool: &str,
        call: &MapCall,
        chunksize: Option<u64>,
        way: Way,
        env: &Env,
    ) -> Result<(Vec<Key>, String), EvalError> {
        let over = items(&call.over, env)?;
        let text = format!("{} over {} items", call.task.value, over.len());
        self.jobs += 1;
        let per_chunk = match way {
            // An imap sends item by item unless it is told otherwise.
            Way::Imap => Some(chunksize.unwrap_or(1).max(1)),
            Way::Map | Way::Starmap => self.per_chunk(pool, chunksize, over.len()),
        };
        let mut keys = Vec::with_capacity(over.len());
        for (index, item) in over.into_iter().enumerate() {
            let args = match (way, item.items()) {
                (Way::Map | Way::Imap, _) => vec![item],
                (Way::Starmap, Some(args)) => args.to_vec(),
                (Way::Starmap, None) => {
                    let text = format!("starmap needs tuples, {} is none", item.repr());
                    return Err(wrong(call.over.span, text));
                }
            };
            let key = self.number(Some(pool), &call.task, args, Role::Task)?;
            if let Some(task) = self.tasks.last_mut() {
                task.chunk = per_chunk.map(|items| index as u64 / items);
            }
            if way == Way::Starmap {
                self.unpacked.insert(key);
            }
            keys.push(key);
        }
        Ok((keys, text))
    }

    /// How many items a chunk has: as asked for, or by the contract's rule for this pool's size.
    fn per_chunk(&self, pool: &str, asked: Option<u64>, items: usize) -> Option<u64> {
        let size = self.pools.iter().find(|p| p.name == pool)?.size;
        let by_rule = size.map(|size| (items as u64).div_ceil(size.saturating_mul(4).max(1)));
        asked.or(by_rule).map(|items| items.max(1))
    }

    /// Numbers a callback.
    pub(super) fn callback(
        &mut self,
        pool: Option<&str>,
        task: &Spanned<String>,
    ) -> Result<Key, EvalError> {
        self.number(pool, task, vec![], Role::Callback)
    }

    fn number(
        &mut self,
        pool: Option<&str>,
        task: &Spanned<String>,
        args: Vec<Value>,
        role: Role,
    ) -> Result<Key, EvalError> {
        if self.tasks.len() >= MOST_TASKS {
            let text = format!("the program submits more than {MOST_TASKS} tasks");
            return Err(wrong(task.span, text));
        }
        let key = self.tasks.len() as Key;
        let unnumbered = self.unnumbered(pool, task, args, role)?;
        self.tasks.push(TaskInfo { key, ..unnumbered });
        Ok(key)
    }

    /// A body of the newest job, without a number of its own.
    fn unnumbered(
        &self,
        pool: Option<&str>,
        task: &Spanned<String>,
        args: Vec<Value>,
        role: Role,
    ) -> Result<TaskInfo, EvalError> {
        let Some(def) = self.defs.get(task.value.as_str()) else {
            return Err(wrong(
                task.span,
                format!("there is no task `{}`", task.value),
            ));
        };
        // A callback's argument comes from the pool.
        let given = if role == Role::Callback {
            1
        } else {
            args.len()
        };
        if def.params.len() != given {
            let (name, takes) = (&task.value, def.params.len());
            let text = format!("{name}() takes {takes} arguments and is given {given}");
            return Err(wrong(task.span, text));
        }
        Ok(TaskInfo {
            key: 0,
            task: task.value.clone(),
            args,
            pool: pool.map(str::to_owned),
            job: self.jobs.saturating_sub(1),
            // No queue has ever held an initializer.
            chunk: (role != Role::Initializer).then_some(0),
            callback: role == Role::Callback,
            initializer: role == Role::Initializer,
            fate: Fate::Never,
            value: None,
        })
    }

    /// The name, as calls have it, of the pool or bare process that runs a task.
    pub(in crate::interp) fn owner(&self, key: Key) -> String {
        let pool = self.task_of(key).and_then(|task| task.pool.clone());
        pool.unwrap_or_else(|| {
            let bare = self
                .tasks
                .iter()
                .filter(|t| t.pool.is_none() && t.key < key);
            process(bare.count() as u64)
        })
    }
}

/// What a body is to its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Task,
    Callback,
    Initializer,
}

/// In which way many items are handed to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Map,
    Starmap,
    Imap,
}

pub(super) fn handle(number: u64) -> String {
    format!("h{number}")
}

pub(super) fn process(number: u64) -> String {
    format!("q{number}")
}

pub(super) fn iterator(number: u64) -> String {
    format!("i{number}")
}
