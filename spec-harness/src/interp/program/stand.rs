//! Where an actor stands in its steps: in which loop of which list, and what was given to it.

use std::collections::VecDeque;

use crate::case::ast::{Span, Step, Time};
use crate::case::expr::Value;

/// Main, or a thread of it.
#[derive(Debug)]
pub(super) struct Actor<'c> {
    pub(super) name: Option<&'c str>,
    pub(super) stack: Vec<Frame<'c>>,
    /// Steps given to it by main, each with main's loop variables of that moment.
    pub(super) inbox: VecDeque<(&'c Step, Vec<(String, Value)>)>,
    /// The step whose demand is being met.
    pub(super) open: Option<Open<'c>>,
    /// What is to be said before it goes on.
    pub(super) unmet: VecDeque<(Span, String)>,
    pub(super) ended: bool,
}

/// A list of steps being performed.
#[derive(Debug)]
pub(super) struct Frame<'c> {
    pub(super) steps: &'c [Step],
    pub(super) next: usize,
    /// The loop whose body this is.
    pub(super) looped: Option<Loop<'c>>,
    /// Variables that only this frame and those above it see.
    pub(super) locals: Vec<(String, Value)>,
    /// The step that is done when this frame is.
    pub(super) whole: Option<Open<'c>>,
}

/// A loop, and what is left of it.
#[derive(Debug)]
pub(super) struct Loop<'c> {
    pub(super) var: &'c str,
    pub(super) rest: std::vec::IntoIter<Value>,
}

/// A step that has begun.
#[derive(Debug, Clone)]
pub(super) struct Open<'c> {
    pub(super) step: &'c Step,
    pub(super) since: Time,
    /// What its call makes.
    pub(super) makes: Option<Value>,
}

impl<'c> Actor<'c> {
    pub(super) fn new(name: Option<&'c str>) -> Actor<'c> {
        Actor {
            name,
            stack: Vec::new(),
            inbox: VecDeque::new(),
            open: None,
            unmet: VecDeque::new(),
            ended: false,
        }
    }

    /// The variables of its loops, outermost first.
    pub(super) fn locals(&self) -> Vec<(String, Value)> {
        self.stack
            .iter()
            .flat_map(|f| f.locals.iter().cloned())
            .collect()
    }

    /// It does no further step.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.stack.clear();
        self.inbox.clear();
    }
}

impl<'c> Frame<'c> {
    /// A list of steps at its beginning.
    pub(super) fn plain(steps: &'c [Step], looped: Option<Loop<'c>>) -> Frame<'c> {
        Frame {
            steps,
            next: 0,
            looped,
            locals: Vec::new(),
            whole: None,
        }
    }
}
