//! A case as a Python program, with `multiprocessing`'s pools and real sleeps.

use std::collections::{BTreeMap, BTreeSet};

use super::errors::{self, Class};
use super::words::{Words, string};
use crate::author::Seen;
use crate::case::Diagnostic;
use crate::case::ast::{
    Action, Callbacks, Case, Kind, MapCall, Op, OpKind, Span, Spanned, Step, TaskCall, TaskDef,
};
use crate::case::expr::{Expr, Template};
use crate::model::{self, Prediction};

/// The program that does what a case does, on workers of this kind.
///
/// # Errors
/// Everything in the case that cannot be said in Python, or that CPython's pools would never come back from.
pub fn python(case: &Case, kind: Kind) -> Result<String, Vec<Diagnostic>> {
    let mut variables = BTreeSet::new();
    made(&case.main, &mut variables);
    let mut export = Export {
        kind,
        words: Words::of(case, variables),
        jobs: jobs(case),
        tasks: case
            .tasks
            .iter()
            .map(|task| (task.name.value.as_str(), task))
            .collect(),
        pool: Pool::None,
        lines: Vec::new(),
        indent: 0,
        classes: BTreeSet::new(),
        uses: Uses::default(),
        problems: Vec::new(),
    };
    if let Prediction::NotApplicable(why) = model::predict(case, kind) {
        let span = case.main.first().map_or(Span::default(), |step| step.span);
        return Err(vec![Diagnostic::new(span, why)]);
    }
    for task in &case.tasks {
        export.task(task);
    }
    let tasks = std::mem::take(&mut export.lines);
    export.indent = 1;
    for list in export.lists(case) {
        export.line(format!("{list} = []"));
    }
    export.steps(&case.main);
    if !export.problems.is_empty() {
        return Err(export.problems);
    }
    Ok(export.program(case, &tasks))
}

/// What a function is used for.
#[derive(Debug, Clone, Copy, Default)]
struct Job {
    in_pool: bool,
    in_process: bool,
}

/// The pool that steps mean without saying so.
#[derive(Debug, Clone, PartialEq)]
enum Pool {
    None,
    Last(String),
    /// It depends on which branch was taken.
    Unsure,
}

/// Parts of the head of a program that not every program needs.
#[derive(Debug, Default)]
struct Uses {
    raises: bool,
    worker: bool,
    numbers: bool,
    os: bool,
    signal: bool,
}

struct Export<'c> {
    kind: Kind,
    words: Words,
    jobs: BTreeMap<&'c str, Job>,
    tasks: BTreeMap<&'c str, &'c TaskDef>,
    pool: Pool,
    lines: Vec<String>,
    indent: usize,
    /// Exceptions that have to be defined.
    classes: BTreeSet<String>,
    uses: Uses,
    problems: Vec<Diagnostic>,
}

impl Export<'_> {
    fn line(&mut self, text: impl Into<String>) {
        let text = text.into();
        let uses = &mut self.uses;
        uses.worker |= text.contains("worker()");
        uses.numbers |= text.contains("numbers(");
        uses.os |= text.contains("os.");
        uses.signal |= text.contains("signal.");
        uses.raises |= text.contains("with raises(");
        self.lines
            .push(format!("{}{text}", "    ".repeat(self.indent)));
    }

    fn refuse(&mut self, span: Span, why: impl Into<String>) {
        self.problems.push(Diagnostic::new(span, why));
    }

    /// Lists that `into` makes: before the program they are empty.
    fn lists(&self, case: &Case) -> Vec<String> {
        let (mut into, mut set) = (BTreeSet::new(), BTreeSet::new());
        visit(&case.main, &mut |step| {
            into.extend(step.into.clone());
            if let Action::Let(bindings) = &step.action {
                set.extend(bindings.iter().map(|(name, _)| name.clone()));
            }
        });
        let made = into.difference(&set);
        made.map(|name| self.words.variable(name)).collect()
    }

    // --- functions ---------------------------------------------------------------------------------------------

    fn task(&mut self, task: &TaskDef) {
        let params: Vec<String> = task
            .params
            .iter()
            .map(|name| self.words.variable(name))
            .collect();
        let name = self.words.task(&task.name.value);
        self.line(format!("def {name}({}):", params.join(", ")));
        let job = self
            .jobs
            .get(task.name.value.as_str())
            .copied()
            .unwrap_or_default();
        self.ops(&task.body, job);
        self.lines.extend([String::new(), String::new()]);
    }

    fn ops(&mut self, ops: &[Op], job: Job) {
        self.indent += 1;
        if ops.is_empty() {
            self.line("pass");
        }
        for op in ops {
            self.op(op, job);
        }
        self.indent -= 1;
    }

    fn op(&mut self, op: &Op, job: Job) {
        match &op.what {
            OpKind::Print(text) => self.print(text),
            OpKind::Sleep(time) => {
                let time = self.words.expr(time);
                self.line(format!("sleep({time})"));
            }
            OpKind::Return(value) => {
                let value = self.words.expr(value);
                self.line(format!("return {value}"));
            }
            OpKind::Raise { kind, text } => {
                let class = match errors::of_task(kind) {
                    Class::Known(class) => class.to_owned(),
                    Class::Own => self.own(kind),
                };
                let text = self.words.template(text);
                let text = if text == "\"\"" { String::new() } else { text };
                self.line(format!("raise {class}({text})"));
            }
            OpKind::Panic(text) => {
                let (class, text) = (self.own("Panicked"), self.words.template(text));
                self.line(format!("raise {class}({text})"));
            }
            OpKind::Set(name, value) => {
                let (name, value) = (self.words.variable(name), self.words.expr(value));
                self.line(format!("{name} = {value}"));
            }
            OpKind::If(condition, then, otherwise) => {
                let condition = self.words.expr(condition);
                self.line(format!("if {condition}:"));
                self.ops(then, job);
                if !otherwise.is_empty() {
                    self.line("else:");
                    self.ops(otherwise, job);
                }
            }
            OpKind::Allocate(mib) => {
                let mib = self.words.factor(mib);
                self.line(format!("kept = bytearray({mib} * 2**20)"));
            }
            OpKind::Call(_) => self.refuse(
                op.span,
                "a call from inside of a body: CPython's pools wait for ever for many of them",
            ),
            OpKind::ReturnUnsendable => self.refuse(op.span, "a value that cannot travel"),
            OpKind::RaiseUnsendable => self.refuse(op.span, "an error that cannot travel"),
            OpKind::SpawnChild => self.refuse(op.span, "a child process that would be left behind"),
            OpKind::Exit(_)
            | OpKind::KillSelf
            | OpKind::StopSelf
            | OpKind::IgnoreSigterm
            | OpKind::CloseFds => self.worker_op(op, job),
        }
    }

    /// What a body does to its worker.
    fn worker_op(&mut self, op: &Op, job: Job) {
        if self.kind == Kind::Thread {
            return self.refuse(op.span, "threads cannot do this");
        }
        if job.in_pool || !job.in_process {
            return self.refuse(
                op.span,
                "CPython's pool waits for ever for a task whose worker does this",
            );
        }
        match &op.what {
            OpKind::Exit(code) => {
                let code = self.words.expr(code);
                self.line(format!("sys.exit({code})"));
            }
            OpKind::KillSelf => self.line("os.kill(os.getpid(), signal.SIGKILL)"),
            OpKind::StopSelf => self.line("os.kill(os.getpid(), signal.SIGSTOP)"),
            OpKind::IgnoreSigterm => self.line("signal.signal(signal.SIGTERM, signal.SIG_IGN)"),
            _ => self.line("os.closerange(0, os.sysconf(\"SC_OPEN_MAX\"))"),
        }
    }

    fn print(&mut self, text: &Template) {
        let text = self.words.template(text);
        self.line(format!("print({text})"));
    }

    /// An exception that the program defines.
    fn own(&mut self, name: &str) -> String {
        self.classes.insert(name.to_owned());
        name.to_owned()
    }

    // --- the program -------------------------------------------------------------------------------------------

    fn block(&mut self, steps: &[Step]) {
        self.indent += 1;
        if steps.is_empty() {
            self.line("pass");
        }
        self.steps(steps);
        self.indent -= 1;
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        if step.blocks {
            return self.refuse(
                step.span,
                "a step that never returns: the program would never end",
            );
        }
        if let Some(thread) = &step.thread {
            return self.refuse(
                step.span,
                format!("a step of a second thread (`in: {thread}`)"),
            );
        }
        match &step.action {
            Action::KillWorker(_) => self.refuse(
                step.span,
                "a worker that is killed from outside: CPython's pool may wait for ever for its lock",
            ),
            Action::Print(text) => self.print(text),
            Action::Sleep(time) => {
                let time = self.words.expr(time);
                self.line(format!("sleep({time})"));
            }
            Action::Let(bindings) => {
                for (name, value) in bindings {
                    let (name, value) = (self.words.variable(name), self.words.expr(value));
                    self.line(format!("{name} = {value}"));
                }
            }
            Action::Check(condition) => {
                let condition = self.words.expr(condition);
                self.line(format!("assert {condition}"));
            }
            Action::For { var, over, body } => {
                let (var, over) = (self.words.variable(var), self.words.items(over));
                self.line(format!("for {var} in {over}:"));
                self.block(body);
            }
            Action::If(condition, then, otherwise) => self.condition(condition, then, otherwise),
            _ => self.call(step),
        }
    }

    fn condition(&mut self, condition: &Expr, then: &[Step], otherwise: &[Step]) {
        let condition = self.words.expr(condition);
        self.line(format!("if {condition}:"));
        let before = self.pool.clone();
        self.block(then);
        let after = std::mem::replace(&mut self.pool, before);
        if !otherwise.is_empty() {
            self.line("else:");
            self.block(otherwise);
        }
        if self.pool != after {
            self.pool = Pool::Unsure;
        }
    }

    /// A step that calls the pool, with what is made of its result.
    fn call(&mut self, step: &Step) {
        let Some(call) = self.called(step) else {
            return;
        };
        let call = match (&step.bind, &step.into) {
            (Some(name), _) => format!("{} = {call}", self.words.variable(name)),
            (None, Some(list)) => format!("{}.append({call})", self.words.variable(list)),
            (None, None) => call,
        };
        let takes = step.takes.as_ref().map(|takes| match takes.value.0 {
            0 => "  # does not block".to_owned(),
            _ => format!("  # takes {}", takes.value),
        });
        let takes = takes.unwrap_or_default();
        let Some(raises) = &step.raises else {
            return self.line(format!("{call}{takes}"));
        };
        match errors::of_step(&raises.value, self.kind) {
            Ok(class) => {
                let class = match class {
                    Class::Known(class) => class.to_owned(),
                    Class::Own => self.own(&raises.value),
                };
                self.line(format!("with raises({class}):  # {}", raises.value));
                self.indent += 1;
                self.line(format!("{call}{takes}"));
                self.indent -= 1;
            }
            Err(why) => self.refuse(raises.span, why),
        }
    }

    /// The call of a step as an expression.
    fn called(&mut self, step: &Step) -> Option<String> {
        if let Action::ApplyAsync(.., Some(timeout))
        | Action::MapAsync {
            timeout: Some(timeout),
            ..
        } = &step.action
        {
            self.refuse(timeout.span, "CPython's pools let everything in at once");
        }
        let words = &self.words;
        Some(match &step.action {
            Action::Pool {
                name,
                size,
                maxtasksperchild,
                initializer,
                queue,
            } => {
                if let Some(places) = queue {
                    let why = "the queue of CPython's pools has no bound";
                    self.problems.push(Diagnostic::new(places.span, why));
                }
                if let Some(call) = initializer
                    && let Some(task) = self.tasks.get(call.task.value.as_str())
                    && fails(&task.body)
                {
                    let why =
                        "an initializer that may fail: CPython's pools start workers for ever";
                    self.problems.push(Diagnostic::new(call.task.span, why));
                }
                if let Some(share) = maxtasksperchild
                    && self.kind == Kind::Thread
                {
                    let why = "CPython's ThreadPool gives its threads no share of tasks";
                    self.problems.push(Diagnostic::new(share.span, why));
                }
                let size = size.as_ref().map(|size| words.expr(size));
                let share = maxtasksperchild
                    .as_ref()
                    .map(|share| format!("maxtasksperchild={}", words.expr(share)));
                let initializer = initializer.as_ref().map(|call| {
                    let args = call.args.iter().map(|arg| words.expr(arg));
                    let args: String = args.map(|arg| arg + ", ").collect();
                    let task = words.task(&call.task.value);
                    match args.trim_end() {
                        "" => format!("initializer={task}"),
                        args => format!("initializer={task}, initargs=({args})"),
                    }
                });
                let arguments = size.into_iter().chain(initializer).chain(share);
                let arguments = arguments.collect::<Vec<String>>().join(", ");
                let pool = words.pool(name);
                self.pool = Pool::Last(name.clone());
                format!("{pool} = Pool({arguments})")
            }
            Action::Apply(pool, call) => {
                let (task, args) = self.work(call);
                format!("{}.apply({task}, {args})", self.pool(step, pool)?)
            }
            Action::ApplyAsync(pool, call, callbacks, _) => {
                let (task, args) = self.work(call);
                let callbacks = self.callbacks(callbacks);
                format!(
                    "{}.apply_async({task}, {args}{callbacks})",
                    self.pool(step, pool)?
                )
            }
            Action::Map { pool, call, star } => {
                let (name, call) = (if *star { "starmap" } else { "map" }, self.items(call));
                format!("{}.{name}({call})", self.pool(step, pool)?)
            }
            Action::MapAsync {
                pool,
                call,
                star,
                callbacks,
                ..
            } => {
                let name = if *star { "starmap_async" } else { "map_async" };
                let (call, callbacks) = (self.items(call), self.callbacks(callbacks));
                format!("{}.{name}({call}{callbacks})", self.pool(step, pool)?)
            }
            Action::Imap {
                pool,
                call,
                read_ahead,
                unordered,
                endless,
            } => {
                if *endless {
                    self.refuse(step.span, "an input that never ends");
                }
                if let Some(bound) = read_ahead {
                    self.refuse(
                        bound.span,
                        "CPython's imap reads its whole input at once, whatever bound is asked for",
                    );
                }
                let (name, call) = (
                    if *unordered { "imap_unordered" } else { "imap" },
                    self.items(call),
                );
                format!("{}.{name}({call})", self.pool(step, pool)?)
            }
            Action::Next(iterator, None) => format!("next({})", words.expr(iterator)),
            Action::Next(iterator, timeout) => {
                format!("{}.next({})", words.factor(iterator), self.timeout(timeout))
            }
            Action::Get(handle, timeout) => {
                format!("{}.get({})", words.factor(handle), self.timeout(timeout))
            }
            Action::Wait(handle, timeout) => {
                format!("{}.wait({})", words.factor(handle), self.timeout(timeout))
            }
            Action::Ready(handle) => format!("{}.ready()", words.factor(handle)),
            Action::Successful(handle) => format!("{}.successful()", words.factor(handle)),
            Action::Close(pool) => format!("{}.close()", self.pool(step, pool)?),
            Action::Terminate(pool) => format!("{}.terminate()", self.pool(step, pool)?),
            Action::Join(pool, None) => format!("{}.join()", self.pool(step, pool)?),
            Action::Join(_, Some(timeout)) => {
                self.refuse(timeout.span, "CPython's `join` of a pool has no timeout");
                return None;
            }
            Action::Drop(pool) => format!("del {}", self.pool(step, pool)?),
            Action::Process { call, daemon } => {
                let (task, args) = self.work(call);
                // The twin on threads is made without the word.
                if *daemon && self.kind == Kind::Thread {
                    self.refuse(step.span, "a daemon among threads is not made by a word");
                }
                let daemon = if *daemon { ", daemon=True" } else { "" };
                format!("Process(target={task}, args={args}{daemon})")
            }
            Action::Start(process) => format!("{}.start()", words.factor(process)),
            Action::JoinProcess(process, timeout) => {
                format!("{}.join({})", words.factor(process), self.timeout(timeout))
            }
            Action::IsAlive(process) => format!("{}.is_alive()", words.factor(process)),
            Action::ExitCode(process) => format!("{}.exitcode", words.factor(process)),
            Action::Signal { process, kill } => {
                let name = if *kill { "kill" } else { "terminate" };
                format!("{}.{name}()", words.factor(process))
            }
            Action::KillWorker(_)
            | Action::Print(_)
            | Action::Sleep(_)
            | Action::Let(_)
            | Action::Check(_)
            | Action::For { .. }
            | Action::If(..) => return None,
        })
    }

    fn pool(&mut self, step: &Step, named: &Option<Spanned<String>>) -> Option<String> {
        let name = match (named, &self.pool) {
            (Some(name), _) => &name.value,
            (None, Pool::Last(name)) => name,
            (None, Pool::None | Pool::Unsure) => {
                self.refuse(
                    step.span,
                    "which pool is meant depends on what was done before: name it by `on`",
                );
                return None;
            }
        };
        Some(self.words.pool(name))
    }

    /// A task, and its arguments as a tuple.
    fn work(&self, call: &TaskCall) -> (String, String) {
        let args: Vec<String> = call.args.iter().map(|arg| self.words.expr(arg)).collect();
        let comma = if args.len() == 1 { "," } else { "" };
        (
            self.words.task(&call.task.value),
            format!("({}{comma})", args.join(", ")),
        )
    }

    fn items(&self, call: &MapCall) -> String {
        let chunks = call.chunksize.as_ref();
        let chunks = chunks.map(|size| format!(", chunksize={}", self.words.expr(size)));
        format!(
            "{}, {}{}",
            self.words.task(&call.task.value),
            self.words.items(&call.over),
            chunks.unwrap_or_default()
        )
    }

    fn callbacks(&mut self, callbacks: &Callbacks) -> String {
        let mut text = String::new();
        if let Some(name) = &callbacks.ok {
            text += &format!(", callback={}", self.words.task(&name.value));
        }
        if let Some(name) = &callbacks.error {
            text += &format!(
                ", error_callback=lambda error: {}(str(error))",
                self.words.task(&name.value)
            );
        }
        for name in [&callbacks.ok, &callbacks.error].into_iter().flatten() {
            if self
                .tasks
                .get(name.value.as_str())
                .is_some_and(|task| fails(&task.body))
            {
                self.refuse(
                    name.span,
                    "CPython's pool waits for ever after a callback that fails",
                );
            }
        }
        text
    }

    fn timeout(&self, timeout: &Option<Expr>) -> String {
        let timeout = timeout.as_ref();
        timeout
            .map(|units| format!("{} * UNIT", self.words.factor(units)))
            .unwrap_or_default()
    }

    // --- the text ----------------------------------------------------------------------------------------------

    fn program(&self, case: &Case, tasks: &[String]) -> String {
        let (pool, process, name) = match self.kind {
            Kind::Process => (
                "multiprocessing.get_context(\"fork\").Pool",
                "multiprocessing.get_context(\"fork\").Process",
                "multiprocessing.current_process().name",
            ),
            Kind::Thread => (
                "multiprocessing.pool.ThreadPool",
                "multiprocessing.dummy.Process",
                "threading.current_thread().name",
            ),
        };
        let uses = &self.uses;
        let body = self.lines.join("\n");
        let of_pool = body.contains("Pool(");
        let of_process = body.contains("Process(");
        let mut text = format!("#!/usr/bin/env python3\n# {}\n", case.title);
        text += &format!("# The case {}, on {} workers.\n", case.name, self.kind);
        let mut imports = vec!["multiprocessing", "sys", "time"];
        let more = [
            ("contextlib", uses.raises),
            (
                "multiprocessing.dummy",
                of_process && self.kind == Kind::Thread,
            ),
            (
                "multiprocessing.pool",
                self.kind == Kind::Thread || body.contains("multiprocessing.pool."),
            ),
            ("os", uses.os),
            ("signal", uses.signal),
            ("threading", uses.worker && self.kind == Kind::Thread),
        ];
        imports.extend(more.iter().filter(|(_, used)| *used).map(|(name, _)| *name));
        imports.sort_unstable();
        for import in imports {
            text += &format!("import {import}\n");
        }
        text += "\nUNIT = 0.2  # seconds\nSTART = time.monotonic()\n";
        if of_pool {
            text += &format!("Pool = {pool}\n");
        }
        if of_process {
            text += &format!("Process = {process}\n");
        }
        text += SLEEP_AND_PRINT;
        let told = tasks.join("\n") + &body;
        if told.contains("clock()") {
            let (grain, parts) = grain(case, self.kind);
            text += &format!(
                "def clock():\n    \"\"\"Units of time since the program began, to {grain}.\"\"\"\n    \
                 units = round((time.monotonic() - START) / UNIT * {parts}) / {parts}\n    \
                 return int(units) if units == int(units) else units\n\n\n"
            );
        }
        if uses.worker {
            text += &format!("def worker():\n    return {name}\n\n\n");
        }
        if uses.numbers {
            text += "def numbers(*bounds):\n    return list(range(*bounds))\n\n\n";
        }
        if uses.raises {
            text += "@contextlib.contextmanager\ndef raises(error):\n    try:\n        yield\n    except error:\n        return\n    raise AssertionError(f\"{error.__name__} was not raised\")\n\n\n";
        }
        for class in &self.classes {
            text += &format!("class {class}(Exception):\n    pass\n\n\n");
        }
        text += &tasks.join("\n");
        if !tasks.is_empty() {
            text.push('\n');
        }
        text += &format!("if __name__ == \"__main__\":\n{body}\n");
        text + &self.expected(case)
    }

    /// What the model predicts, as remarks.
    fn expected(&self, case: &Case) -> String {
        let Prediction::Ran(history) = model::predict(case, self.kind) else {
            return String::new();
        };
        let seen = Seen::of(case, &history);
        let mut text = format!(
            "\n# Printed, at which unit of time (all has ended at {}):\n",
            seen.elapsed
        );
        for (at, line) in &seen.lines {
            let shown = string(line);
            let line = if shown.len() == line.len() + 2 {
                line
            } else {
                &shown
            };
            text += &format!("# {:>5}  {line}\n", at.to_string());
        }
        text
    }
}

/// Whole lines, whoever else prints: `print` may write a line and its end apart.
const SLEEP_AND_PRINT: &str = "

def sleep(units):
    time.sleep(units * UNIT)


def print(line):
    sys.stdout.write(f\"{line}\\n\")
    sys.stdout.flush()


";

/// How finely the program has to tell time so that what it shows is what the model predicts, if it can: the real clock
/// is always a little late.
fn grain(case: &Case, kind: Kind) -> (&'static str, u32) {
    let halves = match model::predict(case, kind) {
        Prediction::Ran(history) => history.events.iter().all(|event| event.at.0 % 500_000 == 0),
        Prediction::NotApplicable(_) => false,
    };
    if halves {
        ("the nearest half", 2)
    } else {
        ("the nearest tenth", 10)
    }
}

/// Whether a body can end with an error.
fn fails(ops: &[Op]) -> bool {
    ops.iter().any(|op| match &op.what {
        OpKind::Raise { .. } | OpKind::Panic(_) => true,
        OpKind::If(_, then, otherwise) => fails(then) || fails(otherwise),
        _ => false,
    })
}

/// What functions are used for.
fn jobs(case: &Case) -> BTreeMap<&str, Job> {
    let mut jobs: BTreeMap<&str, Job> = BTreeMap::new();
    visit(&case.main, &mut |step| {
        let (task, in_process) = match &step.action {
            Action::Apply(_, call)
            | Action::ApplyAsync(_, call, ..)
            | Action::Pool {
                initializer: Some(call),
                ..
            } => (&call.task, false),
            Action::Map { call, .. }
            | Action::MapAsync { call, .. }
            | Action::Imap { call, .. } => (&call.task, false),
            Action::Process { call, .. } => (&call.task, true),
            _ => return,
        };
        let known = case
            .tasks
            .iter()
            .find(|known| known.name.value == task.value);
        if let Some(known) = known {
            let job = jobs.entry(&known.name.value).or_default();
            job.in_process |= in_process;
            job.in_pool |= !in_process;
        }
    });
    jobs
}

/// The variables that steps make.
fn made(steps: &[Step], variables: &mut BTreeSet<String>) {
    visit(steps, &mut |step| {
        variables.extend(step.bind.clone());
        variables.extend(step.into.clone());
        match &step.action {
            Action::Let(bindings) => {
                variables.extend(bindings.iter().map(|(name, _)| name.clone()))
            }
            Action::For { var, .. } => {
                variables.insert(var.clone());
            }
            _ => {}
        }
    });
}

/// Every step, those inside of others too.
fn visit(steps: &[Step], see: &mut impl FnMut(&Step)) {
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
