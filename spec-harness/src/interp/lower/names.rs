//! What a program has made so far, and the numbers by which implementation and record know it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Call, plain, wrong};
use crate::case::ast::{Callbacks, Case, Fate, MapCall, Spanned, Step, TaskCall, TaskDef};
use crate::case::expr::{Env, EvalError, Expr, Value};
use crate::history::{Key, PoolInfo, TaskInfo};
use crate::interp::body::whole;
use crate::interp::program::items;
use crate::protocol::Command;

/// What the program has made so far: pools, handles, processes, tasks.
#[derive(Debug)]
pub(in crate::interp) struct Names<'c> {
    defs: BTreeMap<&'c str, &'c TaskDef>,
    /// What a pool's name in the case means now; made again, a name means the newer pool.
    current: BTreeMap<String, String>,
    /// The pool made last.
    pub(super) last: Option<String>,
    pub(super) handles: u64,
    pub(super) processes: u64,
    pub(super) iterators: u64,
    jobs: u64,
    pub(in crate::interp) tasks: Vec<TaskInfo>,
    pub(in crate::interp) pools: Vec<PoolInfo>,
    /// Tasks whose tuple the pool is to unpack.
    pub(in crate::interp) unpacked: BTreeSet<Key>,
}

/// Most workers that a pool may be asked for.
const MOST_WORKERS: u64 = 1_000;

/// Most tasks and callbacks that a program may submit.
const MOST_TASKS: usize = 10_000;

impl<'c> Names<'c> {
    pub(in crate::interp) fn new(case: &'c Case) -> Names<'c> {
        let defs = case.tasks.iter().map(|def| (def.name.value.as_str(), def));
        Names {
            defs: defs.collect(),
            current: BTreeMap::new(),
            last: None,
            handles: 0,
            processes: 0,
            iterators: 0,
            jobs: 0,
            tasks: Vec::new(),
            pools: Vec::new(),
            unpacked: BTreeSet::new(),
        }
    }

    pub(super) fn pool(
        &mut self,
        name: &str,
        size: Option<&Expr>,
        maxtasksperchild: Option<&Expr>,
        env: &Env,
    ) -> Result<Call, EvalError> {
        let number = |expr: Option<&Expr>| expr.map(|expr| whole::<u64>(expr, env)).transpose();
        if let Some(share) = maxtasksperchild
            && number(maxtasksperchild)? == Some(0)
        {
            return Err(wrong(share.span, "a worker's share is at least one task"));
        }
        if let Some(asked) = size
            && number(size)?.is_some_and(|size| size > MOST_WORKERS)
        {
            let text = format!("a case asks for at most {MOST_WORKERS} workers");
            return Err(wrong(asked.span, text));
        }
        let (size, maxtasksperchild) = (number(size)?, number(maxtasksperchild)?);
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
            size,
        });
        let text = size.map_or("pool".to_owned(), |size| format!("pool of {size}"));
        let text = maxtasksperchild.map_or(text.clone(), |share| {
            format!("{text}, maxtasksperchild {share}")
        });
        let command = Command::Pool {
            pool: unique,
            size,
            maxtasksperchild,
        };
        Ok(plain(text, command))
    }

    /// The pool that a task or a callback is of.
    pub(super) fn pool_of(&self, key: Key) -> Option<String> {
        let task = self.tasks.get(usize::try_from(key).ok()?)?;
        task.pool.clone()
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

    pub(super) fn handle(&mut self) -> String {
        self.handles += 1;
        handle(self.handles - 1)
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
        Ok((self.number(pool, &call.task, args, false)?, text))
    }

    /// Numbers the items of a map or an imap.
    pub(super) fn items(
        &mut self,
        pool: &str,
        call: &MapCall,
        way: Way,
        env: &Env,
    ) -> Result<(Vec<Key>, Option<u64>, String), EvalError> {
        let chunksize = call
            .chunksize
            .as_ref()
            .map(|n| whole::<u64>(n, env))
            .transpose()?;
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
            let key = self.number(Some(pool), &call.task, args, false)?;
            if let Some(task) = self.tasks.last_mut() {
                task.chunk = per_chunk.map(|items| index as u64 / items);
            }
            if way == Way::Starmap {
                self.unpacked.insert(key);
            }
            keys.push(key);
        }
        Ok((keys, chunksize, text))
    }

    /// How many items a chunk has: as asked for, or by the contract's rule for this pool's size.
    fn per_chunk(&self, pool: &str, asked: Option<u64>, items: usize) -> Option<u64> {
        let size = self.pools.iter().find(|p| p.name == pool)?.size;
        let by_rule = size.map(|size| (items as u64).div_ceil(size.saturating_mul(4).max(1)));
        asked.or(by_rule).map(|items| items.max(1))
    }

    pub(super) fn callbacks(
        &mut self,
        pool: &str,
        callbacks: &Callbacks,
    ) -> Result<(Option<Key>, Option<Key>), EvalError> {
        let mut one = |task: &Option<Spanned<String>>| {
            let numbered = task
                .as_ref()
                .map(|task| self.number(Some(pool), task, vec![], true));
            numbered.transpose()
        };
        Ok((one(&callbacks.ok)?, one(&callbacks.error)?))
    }

    fn number(
        &mut self,
        pool: Option<&str>,
        task: &Spanned<String>,
        args: Vec<Value>,
        callback: bool,
    ) -> Result<Key, EvalError> {
        let Some(def) = self.defs.get(task.value.as_str()) else {
            return Err(wrong(
                task.span,
                format!("there is no task `{}`", task.value),
            ));
        };
        // A callback's argument comes from the pool.
        let given = if callback { 1 } else { args.len() };
        if def.params.len() != given {
            let (name, takes) = (&task.value, def.params.len());
            let text = format!("{name}() takes {takes} arguments and is given {given}");
            return Err(wrong(task.span, text));
        }
        if self.tasks.len() >= MOST_TASKS {
            let text = format!("the program submits more than {MOST_TASKS} tasks");
            return Err(wrong(task.span, text));
        }
        let key = self.tasks.len() as Key;
        self.tasks.push(TaskInfo {
            key,
            task: task.value.clone(),
            args,
            pool: pool.map(str::to_owned),
            job: self.jobs - 1,
            chunk: Some(0),
            callback,
            fate: Fate::Never,
            value: None,
        });
        Ok(key)
    }

    /// The name, as calls have it, of the pool or bare process that runs a task.
    pub(in crate::interp) fn owner(&self, key: Key) -> String {
        let task = self.tasks.iter().find(|task| task.key == key);
        let pool = task.and_then(|task| task.pool.clone());
        pool.unwrap_or_else(|| {
            let bare = self
                .tasks
                .iter()
                .filter(|t| t.pool.is_none() && t.key < key);
            process(bare.count() as u64)
        })
    }
}

/// In which way many items are handed to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Map,
    Starmap,
    Imap,
}

impl Way {
    pub(super) fn map(star: bool) -> Way {
        if star { Way::Starmap } else { Way::Map }
    }
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
