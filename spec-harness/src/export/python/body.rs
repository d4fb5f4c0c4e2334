//! The functions that workers run, and callbacks.

use std::collections::BTreeSet;

use super::plan::{Job, assigned, gathered, locals};
use super::{Class, Export, errors};
use crate::case::ast::{Kind, Op, OpKind, Step, TaskDef};

/// A function while it is written.
struct Body {
    job: Job,
    /// Variables of its own, called as main's, that have no value yet.
    unset: BTreeSet<String>,
}

impl Export<'_> {
    pub(super) fn task(&mut self, task: &TaskDef) {
        let params: Vec<String> = task
            .params
            .iter()
            .map(|name| self.words.variable(name))
            .collect();
        let name = self.words.task(&task.name.value);
        self.line(format!("def {name}({}):", params.join(", ")));
        self.pool = self.plan.own_pool(&task.name.value);
        let mut own = locals(&task.body);
        own.retain(|name| !task.params.iter().any(|param| param == name));
        let mut body = Body {
            job: self.plan.job(&task.name.value),
            unset: own
                .intersection(&self.plan.global)
                .map(|name| self.words.variable(name))
                .collect(),
        };
        // Lists that `into` makes are empty before the first call.
        self.indent += 1;
        for list in gathered(&task.body) {
            if own.contains(list) {
                let list = self.words.variable(list);
                body.unset.remove(&list);
                self.line(format!("{list} = []"));
            }
        }
        self.indent -= 1;
        self.ops(&task.body, &mut body);
        self.lines.extend([String::new(), String::new()]);
    }

    fn ops(&mut self, ops: &[Op], body: &mut Body) {
        self.indent += 1;
        if ops.is_empty() {
            self.line("pass");
        }
        for op in ops {
            self.op(op, body);
        }
        self.indent -= 1;
    }

    fn op(&mut self, op: &Op, body: &mut Body) {
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
                let class = self.class(errors::of_task(kind), kind);
                let text = self.words.template(text);
                let text = if text == "\"\"" { String::new() } else { text };
                self.line(format!("raise {class}({text})"));
            }
            OpKind::Panic(text) => {
                let (class, text) = (
                    self.class(Class::Own, "Panicked"),
                    self.words.template(text),
                );
                self.line(format!("raise {class}({text})"));
            }
            OpKind::Set(name, value) => {
                let (name, value) = (self.words.variable(name), self.words.expr(value));
                body.unset.remove(&name);
                self.line(format!("{name} = {value}"));
            }
            OpKind::If(condition, then, otherwise) => {
                let condition = self.words.expr(condition);
                self.line(format!("if {condition}:"));
                self.ops(then, body);
                if !otherwise.is_empty() {
                    self.line("else:");
                    self.ops(otherwise, body);
                }
            }
            OpKind::Allocate(mib) => {
                let mib = self.words.factor(mib);
                self.line(format!("kept = bytearray({mib} * 2**20)"));
            }
            OpKind::Call(step) => self.inner_call(step, body),
            OpKind::ReturnUnsendable => self.refuse(op.span, "a value that cannot travel"),
            OpKind::RaiseUnsendable => self.refuse(op.span, "an error that cannot travel"),
            OpKind::SpawnChild => self.refuse(op.span, "a child process that would be left behind"),
            OpKind::Exit(_)
            | OpKind::KillSelf
            | OpKind::StopSelf
            | OpKind::IgnoreSigterm
            | OpKind::CloseFds => self.worker_op(op, &body.job),
        }
    }

    /// A call that a task or a callback makes.
    fn inner_call(&mut self, step: &Step, body: &mut Body) {
        if self.kind == Kind::Process && (body.job.in_pool || body.job.in_process) {
            return self.refuse(
                step.span,
                "a call from inside of another process: what is there is a copy of the pool that nobody serves, and \
                 CPython's workers may have no children of their own",
            );
        }
        if body.job.begins {
            return self.refuse(
                step.span,
                "a call from an initializer: in Python its pool has no name before it is made",
            );
        }
        let before = self.lines.len();
        self.step(step);
        // A name that a function gives a value is its own in Python, from its first line on.
        let said = self.lines.get(before..).unwrap_or_default().join("\n");
        let assignment = said.split_once(" = ").filter(|_| step.bind.is_some());
        let said = assignment.map_or(said.as_str(), |(_, call)| call);
        let mut words = said.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(name) = words.find(|word| body.unset.contains(*word)) {
            let why = format!(
                "`{name}` is main's variable here and the body's own below: give one of them another name"
            );
            self.refuse(step.span, why);
        }
        for name in assigned(step) {
            body.unset.remove(&self.words.variable(name));
        }
    }

    /// What a body does to its worker.
    fn worker_op(&mut self, op: &Op, job: &Job) {
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
}
