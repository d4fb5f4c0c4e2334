//! What a case needs of an implementation, seen from its text.

use std::collections::BTreeSet;

use crate::case::ast::{Action, Case, Op, OpKind, Step};

/// The abilities without which the case cannot be run, by the names that `hello` uses.
pub fn needs(case: &Case) -> BTreeSet<String> {
    let mut needs: BTreeSet<String> = case.needs.iter().map(|need| need.value.clone()).collect();
    let mut add = |need: &str| {
        needs.insert(need.to_owned());
    };
    visit_steps(&case.main, &mut |step| of_step(step, &mut add));
    for task in &case.tasks {
        visit_ops(&task.body, &mut |op| of_op(op, &mut add));
    }
    needs
}

fn of_step(step: &Step, add: &mut impl FnMut(&str)) {
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
        OpKind::Exit(_) => "exit",
        OpKind::KillSelf => "kill_self",
        OpKind::StopSelf => "stop_self",
        OpKind::CloseFds => "close_fds",
        OpKind::SpawnChild => "spawn_child",
        OpKind::Allocate(_) => "allocate",
        _ => return,
    });
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
