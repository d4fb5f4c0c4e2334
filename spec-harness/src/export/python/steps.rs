//! The program: what main and its threads do.

use std::collections::BTreeSet;

use super::Export;
use super::plan::{Pool, visit};
use crate::case::ast::{Action, Case, Step};
use crate::case::expr::Expr;

impl Export<'_> {
    /// Main, from its first line to its last.
    pub(super) fn main(&mut self, case: &Case) {
        self.indent = 1;
        self.pool = Pool::None;
        for list in self.lists(case) {
            self.line(format!("{list} = []"));
        }
        let in_parts: Vec<&str> = self
            .plan
            .threads
            .iter()
            .filter(|(_, parts)| **parts > 1)
            .map(|(name, _)| *name)
            .collect();
        for thread in in_parts {
            let thread = self.words.thread(thread);
            self.line(format!("{thread} = None"));
        }
        self.steps(&case.main);
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

    fn block(&mut self, steps: &[Step]) {
        self.indent += 1;
        if steps.is_empty() {
            self.line("pass");
        }
        self.steps(steps);
        self.indent -= 1;
    }

    fn steps(&mut self, steps: &[Step]) {
        for part in steps.chunk_by(|a, b| a.thread == b.thread) {
            match part.first().and_then(|step| step.thread.as_deref()) {
                Some(thread) => self.thread(thread, part),
                None => part.iter().for_each(|step| self.step(step)),
            }
        }
    }

    /// What a second thread does, while main goes on.
    fn thread(&mut self, name: &str, steps: &[Step]) {
        let thread = self.words.thread(name);
        let in_parts = self.plan.threads.get(name).is_some_and(|parts| *parts > 1);
        let function = if in_parts {
            format!("{thread}_steps")
        } else {
            thread.clone()
        };
        let mut made: BTreeSet<String> = BTreeSet::new();
        for step in steps {
            made.extend(step.bind.iter().map(|name| self.words.variable(name)));
            match &step.action {
                Action::Pool { name, .. } => {
                    made.insert(self.words.pool(name));
                }
                Action::Drop(Some(pool)) => {
                    made.insert(self.words.pool(&pool.value));
                }
                _ => {}
            }
        }
        if let Some(name) = self.loops.iter().find(|name| made.contains(*name)) {
            let why =
                format!("a second thread that gives the variable of a loop, `{name}`, a value");
            if let Some(step) = steps.first() {
                self.refuse(step.span, why);
            }
        }
        // Main's loops go on: their variables are given as they are now.
        let loops: BTreeSet<String> = self.loops.iter().cloned().collect();
        let loops: Vec<String> = loops.iter().map(|name| format!("{name}={name}")).collect();
        if !self.lines.last().is_none_or(|line| line.ends_with(':')) {
            self.lines.push(String::new());
        }
        self.line(format!("def {function}({}):", loops.join(", ")));
        self.indent += 1;
        if !made.is_empty() {
            let made: Vec<String> = made.into_iter().collect();
            self.line(format!("global {}", made.join(", ")));
        }
        for step in steps {
            self.step(step);
        }
        self.indent -= 1;
        self.lines.push(String::new());
        if in_parts {
            self.uses.after = true;
            self.line(format!("{thread} = after({thread}, {function})"));
        } else {
            self.uses.threading = true;
            self.line(format!("threading.Thread(target={function}).start()"));
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        if step.blocks {
            return self.refuse(
                step.span,
                "a step that never returns: the program would never end",
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
                self.loops.push(var);
                self.block(body);
                self.loops.pop();
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
}
