//! What a case needs of an implementation, seen from its text.

use std::collections::BTreeSet;

use crate::case::ast::{Action, Callbacks, Case, Op, OpKind, Step, TaskDef};

/// The abilities without which the case cannot be run, by the names that `hello` uses.
pub fn needs(case: &Case) -> BTreeSet<String> {
    let mut needs: BTreeSet<String> = case.needs.iter().map(|need| need.value.clone()).collect();
    let mut add = |need: &str| {
        needs.insert(need.to_owned());
    };
    let mut uses = Uses::default();
    let mut see = |step: &Step| {
        of_step(step, &mut add);
        uses.note(&step.action);
    };
    visit_steps(&case.main, &mut see);
    for task in &case.tasks {
        visit_ops(&task.body, &mut |op| {
            if let OpKind::Call(step) = &op.what {
                see(step);
            }
        });
    }
    for task in &case.tasks {
        visit_ops(&task.body, &mut |op| {
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

impl Uses {
    fn note(&mut self, action: &Action) {
        let mut called_back = |callbacks: &Callbacks| {
            let both = [&callbacks.ok, &callbacks.error].into_iter().flatten();
            self.callbacks.extend(both.map(|name| name.value.clone()));
        };
        let task = match action {
            Action::Apply(_, call) | Action::Process { call, .. } => &call.task,
            Action::Pool {
                initializer: Some(call),
                ..
            } => &call.task,
            Action::ApplyAsync(_, call, callbacks, _) => {
                called_back(callbacks);
                &call.task
            }
            Action::MapAsync {
                call, callbacks, ..
            } => {
                called_back(callbacks);
                &call.task
            }
            Action::Map { call, .. } | Action::Imap { call, .. } => &call.task,
            _ => return,
        };
        self.tasks.insert(task.value.clone());
    }
}

/// Whether a function calls the pool from inside.
fn calls(task: &TaskDef) -> bool {
    let mut found = false;
    visit_ops(&task.body, &mut |op| {
        found |= matches!(op.what, OpKind::Call(_));
    });
    found
}

fn of_step(step: &Step, add: &mut impl FnMut(&str)) {
    if let Action::Pool {
        maxtasksperchild,
        initializer,
        queue,
        ..
    } = &step.action
    {
        let parts = [
            ("maxtasksperchild", maxtasksperchild.is_some()),
            ("initializer", initializer.is_some()),
            ("queue", queue.is_some()),
        ];
        parts
            .iter()
            .filter(|(_, there)| *there)
            .for_each(|(need, _)| add(need));
    }
    if let Action::ApplyAsync(.., Some(_))
    | Action::MapAsync {
        timeout: Some(_), ..
    } = &step.action
    {
        // It is for a place that it waits.
        add("queue");
    }
    if step.thread.is_some() {
        add("threads");
    }
    if let Action::ApplyAsync(_, _, callbacks, _) | Action::MapAsync { callbacks, .. } =
        &step.action
        && (callbacks.ok.is_some() || callbacks.error.is_some())
    {
        add("callback");
    }
    add(match &step.action {
        Action::Pool { .. } => "pool",
        Action::Apply(..) => "apply",
        Action::ApplyAsync(..) => "apply_async",
        Action::Map { star: false, .. } => "map",
        Action::Map { star: true, .. } => "starmap",
        Action::MapAsync { star: false, .. } => "map_async",
        Action::MapAsync { star: true, .. } => "starmap_async",
        Action::Imap {
            unordered: false, ..
        } => "imap",
        Action::Imap {
            unordered: true, ..
        } => "imap_unordered",
        Action::Next(..) => "next",
        Action::Get(..) => "get",
        Action::Wait(..) => "wait",
        Action::Ready(_) => "ready",
        Action::Successful(_) => "successful",
        Action::Close(_) => "close",
        Action::Terminate(_) => "terminate",
        Action::Join(_, None) => "join",
        Action::Join(_, Some(_)) => "join_timeout",
        Action::Drop(_) => "drop",
        Action::Process { .. } => "process",
        Action::Start(_) => "start",
        Action::JoinProcess(..) => "join_process",
        Action::IsAlive(_) => "is_alive",
        Action::ExitCode(_) => "exitcode",
        Action::Signal { kill: true, .. } => "kill",
        Action::Signal { kill: false, .. } => "terminate_process",
        // It takes a process, and one of a task that is known by its handle.
        Action::KillWorker(_) => "kill_self",
        Action::Print(_)
        | Action::Sleep(_)
        | Action::Let(_)
        | Action::Check(_)
        | Action::For { .. }
        | Action::If(..) => return,
    });
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

fn visit_steps(steps: &[Step], see: &mut impl FnMut(&Step)) {
    for step in steps {
        see(step);
        match &step.action {
            Action::For { body, .. } => visit_steps(body, see),
            Action::If(_, then, otherwise) => {
                visit_steps(then, see);
                visit_steps(otherwise, see);
            }
            _ => {}
        }
    }
}

fn visit_ops(ops: &[Op], see: &mut impl FnMut(&Op)) {
    for op in ops {
        see(op);
        if let OpKind::If(_, then, otherwise) = &op.what {
            visit_ops(then, see);
            visit_ops(otherwise, see);
        }
    }
}
