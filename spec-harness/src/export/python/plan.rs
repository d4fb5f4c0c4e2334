//! What a program is made of, known before its first line is written: who uses what, and what has a name.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::ast::{Action, Callbacks, Case, Op, OpKind, Spanned, Step};

/// What a function is used for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Job {
    /// A pool's workers run it.
    pub(super) in_pool: bool,
    /// A bare process runs it.
    pub(super) in_process: bool,
    /// Workers begin by it.
    pub(super) begins: bool,
    /// The pools that it works for, also as a callback.
    pools: BTreeSet<String>,
}

/// The pool that steps mean without saying so.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pool {
    None,
    Last(String),
    /// It depends on which branch was taken, or on who calls.
    Unsure,
}

#[derive(Debug, Default)]
pub(super) struct Plan<'c> {
    jobs: BTreeMap<&'c str, Job>,
    /// Pools by name, and in how many places one of that name is made; a loop counts as two.
    pub(super) pools: BTreeMap<&'c str, usize>,
    /// Variables of the program, of its functions too.
    pub(super) variables: BTreeSet<String>,
    /// Those of main and its threads.
    pub(super) global: BTreeSet<&'c str>,
    /// Threads beside main, and in how many parts of the program each has steps; a loop counts as two.
    pub(super) threads: BTreeMap<&'c str, usize>,
}

impl<'c> Plan<'c> {
    pub(super) fn of(case: &'c Case) -> Plan<'c> {
        let mut plan = Plan::default();
        plan.count(&case.main, 1);
        let mut own = BTreeSet::new();
        visit(&case.main, &mut |step| {
            plan.global.extend(assigned(step));
            if let Action::Pool { name, .. } = &step.action {
                own = BTreeSet::from([name.clone()]);
            }
            plan.submits(case, step, &own);
        });
        plan.variables
            .extend(plan.global.iter().map(|name| (*name).to_owned()));
        for task in &case.tasks {
            plan.variables.extend(task.params.iter().cloned());
            plan.variables
                .extend(locals(&task.body).into_iter().map(str::to_owned));
        }
        // What a function calls from inside goes to the pools that the function itself works for.
        loop {
            let before = plan.jobs.clone();
            for task in &case.tasks {
                let own = plan.job(&task.name.value).pools;
                visit_calls(&task.body, &mut |step| plan.submits(case, step, &own));
            }
            if plan.jobs == before {
                return plan;
            }
        }
    }

    pub(super) fn job(&self, task: &str) -> Job {
        self.jobs.get(task).cloned().unwrap_or_default()
    }

    /// The pool that a function means where it names none.
    pub(super) fn own_pool(&self, task: &str) -> Pool {
        let pools = self.job(task).pools;
        let mut pools = pools.iter();
        match (pools.next(), pools.next()) {
            (None, _) => Pool::None,
            (Some(name), None) if self.pools.get(name.as_str()) == Some(&1) => {
                Pool::Last(name.clone())
            }
            _ => Pool::Unsure,
        }
    }

    /// Counts the places where pools are made and threads do something.
    fn count(&mut self, steps: &'c [Step], times: usize) {
        for run in steps.chunk_by(|a, b| a.thread == b.thread) {
            if let Some(thread) = run.first().and_then(|step| step.thread.as_deref()) {
                *self.threads.entry(thread).or_default() += times;
            }
        }
        for step in steps {
            match &step.action {
                Action::Pool { name, .. } => *self.pools.entry(name).or_default() += times,
                Action::For { body, .. } => self.count(body, 2),
                Action::If(_, then, otherwise) => {
                    self.count(then, times);
                    self.count(otherwise, times);
                }
                _ => {}
            }
        }
    }

    /// Notes the functions that a step gives work to; `own` are the pools that it means where it names none.
    fn submits(&mut self, case: &'c Case, step: &Step, own: &BTreeSet<String>) {
        let of_pool = |named: &Option<Spanned<String>>| match named {
            Some(name) => BTreeSet::from([name.value.clone()]),
            None => own.clone(),
        };
        let none = Callbacks::default();
        let (task, callbacks, job) = match &step.action {
            Action::Apply(pool, call) => (&call.task, &none, in_pool(of_pool(pool))),
            Action::ApplyAsync(pool, call, callbacks, _) => {
                (&call.task, callbacks, in_pool(of_pool(pool)))
            }
            Action::Map { pool, call, .. } | Action::Imap { pool, call, .. } => {
                (&call.task, &none, in_pool(of_pool(pool)))
            }
            Action::MapAsync {
                pool,
                call,
                callbacks,
                ..
            } => (&call.task, callbacks, in_pool(of_pool(pool))),
            Action::Pool {
                name,
                initializer: Some(call),
                ..
            } => {
                let mut job = in_pool(BTreeSet::from([name.clone()]));
                job.begins = true;
                (&call.task, &none, job)
            }
            Action::Process { call, .. } => {
                let job = Job {
                    in_process: true,
                    ..Job::default()
                };
                (&call.task, &none, job)
            }
            _ => return,
        };
        let called_back = Job {
            pools: job.pools.clone(),
            ..Job::default()
        };
        for name in [&callbacks.ok, &callbacks.error].into_iter().flatten() {
            self.note(case, name, &called_back);
        }
        self.note(case, task, &job);
    }

    fn note(&mut self, case: &'c Case, task: &Spanned<String>, job: &Job) {
        let mut names = case.tasks.iter().map(|task| task.name.value.as_str());
        let Some(name) = names.find(|name| *name == task.value) else {
            return;
        };
        let known = self.jobs.entry(name).or_default();
        known.in_pool |= job.in_pool;
        known.in_process |= job.in_process;
        known.begins |= job.begins;
        known.pools.extend(job.pools.iter().cloned());
    }
}

fn in_pool(pools: BTreeSet<String>) -> Job {
    Job {
        in_pool: true,
        pools,
        ..Job::default()
    }
}

/// Whether a body can end with an error.
pub(super) fn fails(ops: &[Op]) -> bool {
    ops.iter().any(|op| match &op.what {
        OpKind::Raise { .. } | OpKind::Panic(_) => true,
        OpKind::If(_, then, otherwise) => fails(then) || fails(otherwise),
        _ => false,
    })
}

/// The variables that a step gives a value.
pub(super) fn assigned(step: &Step) -> Vec<&str> {
    let mut names: Vec<&str> = step
        .bind
        .iter()
        .chain(&step.into)
        .map(String::as_str)
        .collect();
    match &step.action {
        Action::Let(bindings) => names.extend(bindings.iter().map(|(name, _)| name.as_str())),
        Action::For { var, .. } => names.push(var),
        _ => {}
    }
    names
}

/// The variables that a body makes, its parameters apart.
pub(super) fn locals(ops: &[Op]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for op in ops {
        match &op.what {
            OpKind::Set(name, _) => {
                names.insert(name.as_str());
            }
            OpKind::Call(step) => names.extend(assigned(step)),
            OpKind::If(_, then, otherwise) => {
                names.extend(locals(then));
                names.extend(locals(otherwise));
            }
            _ => {}
        }
    }
    names
}

/// Lists that calls of a body are gathered in.
pub(super) fn gathered(ops: &[Op]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    visit_calls(ops, &mut |step| names.extend(step.into.as_deref()));
    names
}

/// Every step, those inside of others too.
pub(super) fn visit<'c>(steps: &'c [Step], see: &mut impl FnMut(&'c Step)) {
    for step in steps {
        see(step);
        match &step.action {
            Action::For { body, .. } => visit(body, see),
            Action::If(_, then, otherwise) => {
                visit(then, see);
                visit(otherwise, see);
            }
            _ => {}
        }
    }
}

/// Every call from inside of a body.
fn visit_calls<'c>(ops: &'c [Op], see: &mut impl FnMut(&'c Step)) {
    for op in ops {
        match &op.what {
            OpKind::Call(step) => see(step),
            OpKind::If(_, then, otherwise) => {
                visit_calls(then, see);
                visit_calls(otherwise, see);
            }
            _ => {}
        }
    }
}
