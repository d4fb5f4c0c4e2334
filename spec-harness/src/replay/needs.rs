//! What a case needs of an implementation, seen from its text.

use std::collections::BTreeSet;

use crate::case::ast::{
    Action, Case, MapCall, Op, OpKind, Spanned, Step, TaskCall, TaskDef, Written,
};
use crate::case::call::{Call, Visit};
use crate::case::expr::Expr;
use crate::case::language::abilities;

/// The abilities without which the case cannot be run, by the names that `hello` uses.
pub fn needs(case: &Case) -> BTreeSet<String> {
    let mut needs: BTreeSet<String> = case.needs.iter().map(|need| need.value.clone()).collect();
    let mut add = |need: &str| {
        needs.insert(need.to_owned());
    };
    let mut uses = Uses::default();
    case.each_step(&mut |step| of_step(step, &mut uses, &mut add));
    for task in &case.tasks {
        Op::each(&task.body, &mut |op| {
            of_op(op, &mut add);
            if names(op).contains(&"worker_name") {
                add("worker_name");
            }
        });
        if calls(task) && uses.tasks.contains(&task.name.value) {
            add("call_from_task");
        }
        if calls(task) && uses.callbacks.contains(&task.name.value) {
            add("call_from_callback");
        }
    }
    needs
}

/// What the program uses its functions for, by name.
#[derive(Debug, Default)]
struct Uses {
    tasks: BTreeSet<String>,
    callbacks: BTreeSet<String>,
}

/// Whether a function calls the pool from inside.
fn calls(task: &TaskDef) -> bool {
    let mut found = false;
    Op::each(&task.body, &mut |op| {
        found |= matches!(op.what, OpKind::Call(_));
    });
    found
}

fn of_step(step: &Step, uses: &mut Uses, add: &mut impl FnMut(&str)) {
    if step.thread.is_some() {
        add("threads");
    }
    match &step.action {
        Action::Call(call) => {
            // A timeout of a submission is how long it waits for a place.
            let timed = match call {
                Call::ApplyAsync { .. } | Call::MapAsync(_) | Call::StarmapAsync(_) => "queue",
                Call::Join { .. } => "join_timeout",
                _ => call.name(),
            };
            add(call.name());
            call.visit(&mut OfCall { uses, timed, add });
        }
        // It takes a process, and one of a task that is known by its handle.
        Action::KillWorker(_) => add("kill_self"),
        _ => {}
    }
}

/// What the fields of a call need.
struct OfCall<'u, F> {
    uses: &'u mut Uses,
    /// What it needs to have a timeout.
    timed: &'static str,
    add: &'u mut F,
}

impl<F: FnMut(&str)> Visit<Written> for OfCall<'_, F> {
    fn task(&mut self, call: &TaskCall) {
        self.uses.tasks.insert(call.task.value.clone());
    }

    fn tasks(&mut self, call: &MapCall) {
        self.uses.tasks.insert(call.task.value.clone());
    }

    fn initializer(&mut self, call: &Option<TaskCall>) {
        if let Some(call) = call {
            (self.add)("initializer");
            self.task(call);
        }
    }

    fn callback(&mut self, _: &'static str, task: &Option<Spanned<String>>) {
        if let Some(task) = task {
            (self.add)("callback");
            self.uses.callbacks.insert(task.value.clone());
        }
    }

    fn number(&mut self, name: &'static str, number: &Option<Expr>) {
        if number.is_some() && abilities().any(|(ability, _)| ability == name) {
            (self.add)(name);
        }
    }

    fn time(&mut self, name: &'static str, time: &Option<Expr>) {
        match name {
            _ if time.is_none() => {}
            "timeout" => (self.add)(self.timed),
            _ if abilities().any(|(ability, _)| ability == name) => (self.add)(name),
            _ => {}
        }
    }

    fn name(&mut self, what: &'static str, name: &Option<Spanned<String>>) {
        if name.is_some() {
            (self.add)(match what {
                "cancel_on" => "cancel_token",
                _ => what,
            });
        }
    }
}

fn of_op(op: &Op, add: &mut impl FnMut(&str)) {
    // Every puppet can return, raise and panic; the others break something on purpose.
    add(match &op.what {
        OpKind::Exit(_) => "exit_self",
        OpKind::ReturnUnsendable => "return_unsendable",
        OpKind::RaiseUnsendable => "raise_unsendable",
        OpKind::KillSelf => "kill_self",
        OpKind::StopSelf => "stop_self",
        OpKind::IgnoreSigterm => "ignore_sigterm",
        OpKind::CloseFds => "close_fds",
        OpKind::SpawnChild => "spawn_child",
        OpKind::Allocate(_) => "allocate",
        _ => return,
    });
}

/// The variables that an operation reads, but for those of a call.
fn names(op: &Op) -> Vec<&str> {
    let names = match &op.what {
        OpKind::Print(text) | OpKind::Panic(text) | OpKind::Raise { text, .. } => text.names(),
        OpKind::Sleep(expr)
        | OpKind::Return(expr)
        | OpKind::Set(_, expr)
        | OpKind::If(expr, ..)
        | OpKind::Exit(expr)
        | OpKind::Allocate(expr) => expr.names(),
        _ => Vec::new(),
    };
    names.into_iter().map(|(name, _)| name).collect()
}
