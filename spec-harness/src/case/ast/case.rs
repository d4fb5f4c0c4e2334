//! A whole case.

use super::{Expect, Kind, Op, OpKind, Spanned, Step, TaskDef};

/// One case file: a program that uses pools, and what must be seen when it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Topic and file name without its ending: `close/join-waits`.
    pub name: String,
    /// One line that says what the case shows.
    pub title: String,
    /// The document and example it is taken from, as `004#S004-1`; `None` for a case of our own.
    pub source: Option<Spanned<String>>,
    /// Rows of the contract that it shows.
    pub covers: Vec<Spanned<String>>,
    /// Free words to select by.
    pub tags: Vec<String>,
    /// Abilities the implementation must have beyond those its steps imply.
    pub needs: Vec<Spanned<String>>,
    /// The one kind of worker the case is for, when it is not for both.
    pub only: Option<Spanned<Kind>>,
    /// The task functions, in the file's order.
    pub tasks: Vec<TaskDef>,
    /// The main program.
    pub main: Vec<Step>,
    /// What must be seen.
    pub expect: Expect,
    /// What must be seen instead on one kind of worker, by its nature; replaces the parts it names.
    pub on: Vec<(Spanned<Kind>, Expect)>,
}

impl Case {
    /// Shows each step of main, and each that a body makes.
    pub(crate) fn each_step<'c>(&'c self, see: &mut impl FnMut(&'c Step)) {
        Step::each(&self.main, see);
        for task in &self.tasks {
            Op::each(&task.body, &mut |op| {
                if let OpKind::Call(step) = &op.what {
                    see(step);
                }
            });
        }
    }

    /// Whether nothing that is seen can be wrong: no part of `expect` is there that is judged, and no step says what it must come to.
    pub fn expects_nothing(&self) -> bool {
        let silent = |expect: &Expect| {
            let judged = Expect {
                schedules: None,
                claims: vec![],
                ..expect.clone()
            };
            judged == Expect::default()
        };
        let mut bodies = self.tasks.iter().map(|task| &task.body);
        silent(&self.expect)
            && self.on.iter().all(|(_, expect)| silent(expect))
            && !self.main.iter().any(Step::expects)
            && !bodies.any(|body| body.iter().any(Op::expects))
    }
}
