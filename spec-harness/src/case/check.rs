//! Checks what a case means: names, arities, references, contradictions.

mod expect;
mod names;
mod reference;
mod value;

use std::collections::BTreeMap;

use super::ast::{
    Action, Case, MapCall, Op, OpKind, Span, Spanned, Step, TaskCall, TaskDef, Written,
};
use super::call::{Call, Makes, Visit};
use super::diagnostic::Diagnostic;
use super::expr::Expr;
use super::language::{self, ERRORS};
use super::suggest::did_you_mean;
use names::Names;

/// Everything that is wrong with a case that could be read.
pub(super) fn check(case: &Case) -> Vec<Diagnostic> {
    let mut check = Check {
        tasks: case
            .tasks
            .iter()
            .map(|task| (task.name.value.as_str(), task))
            .collect(),
        raised: Vec::new(),
        pools: Names::default(),
        tokens: Names::default(),
        object: false,
        problems: Vec::new(),
    };
    check.references(case);
    for task in &case.tasks {
        check.kinds_raised(&task.body);
    }
    let mut program = Scope {
        pools: Names::default(),
        variables: Names::default(),
    };
    program.made_by(&case.main);
    check.pools = program.pools.clone();
    case.each_step(&mut |step| {
        if let Action::Call(call) = &step.action {
            call.visit(&mut Tokens(&mut check.tokens));
        }
    });
    for task in &case.tasks {
        check.task(task, &program);
    }
    let mut scope = Scope {
        pools: Names::default(),
        variables: Names::with(["clock"]),
    };
    check.steps(&case.main, &mut scope);
    check.expect(&case.expect);
    for (kind, expect) in &case.on {
        if let Some(only) = &case.only
            && only.value != kind.value
        {
            check.problems.push(
                Diagnostic::new(kind.span, "the case is never run on this kind of worker")
                    .also(only.span, "it says so here"),
            );
        }
        check.expect(expect);
    }
    check.problems
}

struct Check<'c> {
    tasks: BTreeMap<&'c str, &'c TaskDef>,
    /// Kinds of errors that tasks raise: a step may name them.
    raised: Vec<&'c str>,
    /// All pools that the program makes.
    pools: Names,
    /// All tokens that the program gives to something.
    tokens: Names,
    /// What is checked is what a step is about: a handle, an iterator, a process.
    object: bool,
    problems: Vec<Diagnostic>,
}

/// What the program has made so far, in the order of the file.
#[derive(Debug, Clone)]
struct Scope {
    pools: Names,
    variables: Names,
}

impl Scope {
    /// Adds what these steps make, whenever they do.
    fn made_by(&mut self, steps: &[Step]) {
        for step in steps {
            self.variables.extend(step.bind.as_deref());
            self.variables.extend(step.into.as_deref());
            match &step.action {
                Action::Call(Call::Pool(options)) => self.pools.add(&options.pool),
                Action::Let(bindings) => {
                    let names = bindings.iter().map(|(name, _)| name.as_str());
                    self.variables.extend(names);
                }
                Action::For { var, body, .. } => {
                    self.variables.add(var);
                    self.made_by(body);
                }
                Action::If(_, then, otherwise) => {
                    self.made_by(then);
                    self.made_by(otherwise);
                }
                _ => {}
            }
        }
    }
}

impl<'c> Check<'c> {
    /// The kinds of errors that these operations raise.
    fn kinds_raised(&mut self, ops: &'c [Op]) {
        for op in ops {
            match &op.what {
                OpKind::Raise { kind, .. } => self.raised.push(kind),
                OpKind::If(_, then, otherwise) => {
                    self.kinds_raised(then);
                    self.kinds_raised(otherwise);
                }
                _ => {}
            }
        }
    }

    /// A task, whose calls see what main makes anywhere.
    fn task(&mut self, task: &'c TaskDef, program: &Scope) {
        let mut variables = Names::with(["clock", "worker", "worker_name", "attempt"]);
        variables.extend(task.params.iter().map(String::as_str));
        self.ops(&task.body, &mut variables, program);
    }

    fn ops(&mut self, ops: &'c [Op], variables: &mut Names, program: &Scope) {
        for op in ops {
            match &op.what {
                OpKind::Print(text) | OpKind::Panic(text) => self.template(text, variables),
                OpKind::Raise { text, .. } => self.template(text, variables),
                OpKind::Sleep(time) => self.time(time, variables),
                OpKind::Return(value) => self.expr(value, variables),
                OpKind::Exit(code) | OpKind::Allocate(code) => self.whole_number(code, variables),
                OpKind::Set(name, value) => {
                    self.expr(value, variables);
                    variables.add(name);
                }
                OpKind::If(condition, then, otherwise) => {
                    self.expr(condition, variables);
                    self.ops(then, variables, program);
                    self.ops(otherwise, variables, program);
                }
                OpKind::Call(step) => {
                    let mut scope = program.clone();
                    scope.variables.extend(variables.all());
                    self.step(step, &mut scope);
                    variables.extend(step.bind.as_deref());
                    variables.extend(step.into.as_deref());
                }
                OpKind::ReturnUnsendable
                | OpKind::RaiseUnsendable
                | OpKind::KillSelf
                | OpKind::StopSelf
                | OpKind::IgnoreSigterm
                | OpKind::CloseFds
                | OpKind::SpawnChild => {}
            }
        }
    }

    fn steps(&mut self, steps: &'c [Step], scope: &mut Scope) {
        for step in steps {
            self.step(step, scope);
        }
    }

    fn step(&mut self, step: &'c Step, scope: &mut Scope) {
        self.action(step, scope);
        if let Some(raises) = &step.raises {
            self.error_name(raises);
        }
        scope.variables.extend(step.bind.as_deref());
        scope.variables.extend(step.into.as_deref());
    }

    fn action(&mut self, step: &'c Step, scope: &mut Scope) {
        match &step.action {
            Action::Call(call) => {
                let mut checking = Checking {
                    check: self,
                    step,
                    star: matches!(call, Call::Starmap(_) | Call::StarmapAsync(_)),
                    scope,
                };
                call.visit(&mut checking);
                if let Call::Pool(options) = call {
                    scope.pools.add(&options.pool);
                }
            }
            Action::KillWorker(object) | Action::Check(object) => {
                self.expr(object, &scope.variables);
            }
            Action::Print(text) => self.template(text, &scope.variables),
            Action::Sleep(time) => self.time(time, &scope.variables),
            Action::Let(bindings) => {
                for (name, value) in bindings {
                    self.expr(value, &scope.variables);
                    scope.variables.add(name);
                }
            }
            Action::For { var, over, body } => {
                self.list(over, &scope.variables);
                scope.variables.add(var);
                self.steps(body, scope);
            }
            Action::If(condition, then, otherwise) => {
                self.expr(condition, &scope.variables);
                self.steps(then, scope);
                self.steps(otherwise, scope);
            }
        }
    }

    /// The pool a step is about must have been made.
    fn pool(&mut self, named: Option<&Spanned<String>>, step: Span, scope: &Scope) {
        match named {
            None if scope.pools.is_empty() => self.problems.push(
                Diagnostic::new(step, "no pool has been made yet")
                    .help("make one before this step: `- pool: 2`"),
            ),
            Some(name) if !scope.pools.has(&name.value) => self.problems.push(
                Diagnostic::new(name.span, format!("there is no pool `{}` here", name.value))
                    .help("name a pool where it is made: `- pool: {size: 2, name: p}`")
                    .maybe_help(did_you_mean(&name.value, scope.pools.all())),
            ),
            _ => {}
        }
    }

    /// The definition of a task that a step names.
    fn defined(&mut self, name: &Spanned<String>) -> Option<&'c TaskDef> {
        let found = self.tasks.get(name.value.as_str()).copied();
        if found.is_none() {
            self.problems.push(
                Diagnostic::new(name.span, format!("there is no task `{}`", name.value))
                    .help("define it under `tasks:`")
                    .maybe_help(did_you_mean(&name.value, self.tasks.keys().copied())),
            );
        }
        found
    }

    fn arity(&mut self, task: &TaskDef, at: Span, given: usize) {
        let takes = task.params.len();
        if takes != given {
            let name = &task.name.value;
            self.problems.push(
                Diagnostic::new(
                    at,
                    format!("`{name}` takes {}, given {given}", count(takes, "argument")),
                )
                .also(task.name.span, "defined here"),
            );
        }
    }

    fn call(&mut self, call: &TaskCall, scope: &Scope) {
        for arg in &call.args {
            self.expr(arg, &scope.variables);
        }
        if let Some(task) = self.defined(&call.task) {
            self.arity(task, call.task.span, call.args.len());
        }
    }

    fn map(&mut self, name: &Spanned<String>, over: &Expr, star: bool, scope: &Scope) {
        let items = self.list(over, &scope.variables);
        let Some(task) = self.defined(name) else {
            return;
        };
        if !star {
            self.arity(task, name.span, 1);
            return;
        }
        // The items of a starmap are seen here only where they need no variable.
        for item in items
            .iter()
            .flat_map(|items| items.items().unwrap_or_default())
        {
            match item.items() {
                None => {
                    self.problems.push(
                        Diagnostic::new(over.span, format!("`{}` is no tuple", item.repr()))
                            .help("starmap unpacks each item: write `over: \"[(0, 1), (2, 3)]\"`"),
                    );
                    return;
                }
                Some(parts) if parts.len() != task.params.len() => {
                    self.arity(task, over.span, parts.len());
                    return;
                }
                Some(_) => {}
            }
        }
    }

    fn callback(&mut self, name: &Spanned<String>) {
        let Some(task) = self.defined(name) else {
            return;
        };
        if task.params.len() != 1 {
            let takes = count(task.params.len(), "parameter");
            self.problems.push(
                Diagnostic::new(
                    name.span,
                    format!("a callback has one parameter, `{}` has {takes}", name.value),
                )
                .also(task.name.span, "defined here")
                .help("it gets the value, or the error"),
            );
        }
    }

    /// A token is one by which something can be cancelled.
    fn token(&mut self, name: &Spanned<String>) {
        if self.tokens.has(&name.value) {
            return;
        }
        let message = format!("no step has `cancel_on: {}`", name.value);
        self.problems.push(
            Diagnostic::new(name.span, message)
                .help("a token cancels what it was given to; a handle or an iterator is cancelled by `cancel`")
                .maybe_help(did_you_mean(&name.value, self.tokens.all())),
        );
    }

    /// An error that is tried again is one that a task raises.
    fn raised(&mut self, name: &Spanned<String>) {
        if self.raised.contains(&name.value.as_str()) {
            return;
        }
        let message = format!("no task raises an error named `{}`", name.value);
        self.problems.push(
            Diagnostic::new(name.span, message)
                .help("a task that is lost with its worker is tried again by `retries` alone")
                .maybe_help(did_you_mean(&name.value, self.raised.iter().copied())),
        );
    }

    fn error_name(&mut self, name: &Spanned<String>) {
        let word = name.value.as_str();
        let errors = language::all(ERRORS);
        let known = errors.clone().any(|known| known == word) || self.raised.contains(&word);
        if !known {
            let list: Vec<&str> = errors.collect();
            let candidates = list.iter().chain(&self.raised).copied();
            self.problems.push(
                Diagnostic::new(
                    name.span,
                    format!("no step ends with an error named `{word}`"),
                )
                .help(format!("errors of a pool: {}", list.join(", ")))
                .maybe_help(did_you_mean(word, candidates))
                .maybe_help(pythons(word).map(str::to_owned)),
            );
        }
    }
}

/// The tokens that calls are given.
struct Tokens<'n>(&'n mut Names);

impl Visit<Written> for Tokens<'_> {
    fn name(&mut self, what: &'static str, name: &Option<Spanned<String>>) {
        if let ("cancel_on", Some(name)) = (what, name) {
            self.0.extend([name.value.as_str()]);
        }
    }
}

/// Checks the fields of a call.
struct Checking<'v, 'c> {
    check: &'v mut Check<'c>,
    step: &'v Step,
    /// Each item is a tuple.
    star: bool,
    scope: &'v Scope,
}

impl Visit<Written> for Checking<'_, '_> {
    fn pool(&mut self, pool: &Option<Spanned<String>>) {
        self.check.pool(pool.as_ref(), self.step.span, self.scope);
    }

    fn task(&mut self, call: &TaskCall) {
        self.check.call(call, self.scope);
    }

    fn tasks(&mut self, call: &MapCall) {
        self.check
            .map(&call.task, &call.over, self.star, self.scope);
    }

    fn initializer(&mut self, call: &Option<TaskCall>) {
        call.iter().for_each(|call| self.task(call));
    }

    fn callback(&mut self, _: &'static str, name: &Option<Spanned<String>>) {
        name.iter().for_each(|name| self.check.callback(name));
    }

    fn handle(&mut self, handle: &Expr) {
        self.check.object(handle, &self.scope.variables);
    }

    fn iterator(&mut self, iterator: &Expr) {
        self.check.object(iterator, &self.scope.variables);
    }

    fn process(&mut self, process: &Expr) {
        self.check.object(process, &self.scope.variables);
    }

    fn made(&mut self, makes: Makes, (): &()) {
        let Step {
            span,
            bind,
            into,
            raises,
            ..
        } = self.step;
        if bind.is_some() || into.is_some() || raises.is_some() {
            return;
        }
        let (message, help) = match makes {
            Makes::Handle => return,
            Makes::Iterator => (
                "nothing can be done with an iterator without a name",
                "name it: `as: it`, and then `- next: it`",
            ),
            Makes::Process => (
                "nothing can be done with a process without a name",
                "name it: `as: p`, and then `- start: p`",
            ),
        };
        let problem = Diagnostic::new(*span, message).help(help);
        self.check.problems.push(problem);
    }

    fn number(&mut self, name: &'static str, number: &Option<Expr>) {
        let what = match name {
            "size" => "workers",
            "chunksize" => "items",
            "read_ahead" => "chunks",
            "retries" => "times",
            _ => "tasks",
        };
        self.check.count(number, what, &self.scope.variables);
    }

    fn work(&mut self, work: &Expr) {
        self.check.object(work, &self.scope.variables);
    }

    fn token(&mut self, token: &Spanned<String>) {
        self.check.token(token);
    }

    fn name(&mut self, what: &'static str, name: &Option<Spanned<String>>) {
        if let ("retry_if", Some(name)) = (what, name) {
            self.check.raised(name);
        }
    }

    fn time(&mut self, name: &'static str, time: &Option<Expr>) {
        let Some(time) = time else { return };
        match name {
            "deadline" | "expiry" | "max_worker_age" => {
                self.check.limit(time, name, &self.scope.variables)
            }
            _ => self.check.time(time, &self.scope.variables),
        }
    }
}

/// What is called otherwise in Python.
fn pythons(error: &str) -> Option<&'static str> {
    match error {
        "TimeoutError" => Some("a pool's timeout is called `TimedOut` here"),
        "ValueError" => Some(
            "no task raises it; what Python's pool says by it is called `NotRunning`, `StillRunning`, `NotReady`, \
             `InvalidSize` or `InvalidChunksize` here",
        ),
        "AssertionError" | "RuntimeError" => {
            Some("what Python's Process says by it is called `AlreadyStarted` or `NotStarted` here")
        }
        "MaybeEncodingError" | "PicklingError" => {
            Some("a value that cannot travel is called `Encode` here")
        }
        _ => None,
    }
}

/// `1 argument`, `2 arguments`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
