//! The expression language of case files: a bounded subset of Python's.
//!
//! Everything a case computes is computed here, in the harness: the implementation under test sees
//! only the results. Text comes from people, so every path has a bound: nesting, size of a value,
//! width of a format; whatever exceeds it is an error with a place, never a panic or a full memory.

mod env;
mod eval;
mod format;
mod function;
mod lex;
mod parse;
mod template;
#[cfg(test)]
mod tests;
mod value;

pub use env::Env;
pub use function::Function;
pub use parse::{call, for_each};
pub use template::Template;
pub use value::{MAX_DEPTH, MAX_WEIGHT, Value};

use super::span::Span;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// Where it stands in the case file.
    pub span: Span,
    node: Node,
    /// Levels of nesting below, itself included: bounds every recursion over it.
    height: usize,
}

/// What an expression consists of.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(Value),
    Name(String),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `a < b <= c`: each comparison shares an operand with the next.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Index(Box<Expr>, Box<Expr>),
    Call(Function, Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unary {
    Neg,
    Pos,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
    Is,
    IsNot,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub help: Option<String>,
}

impl SyntaxError {
    fn new(span: Span, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            span,
            message: message.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<Option<String>>) -> SyntaxError {
        self.help = help.into();
        self
    }

    /// The same error in the file, for a text that stands at `at` there.
    fn placed(mut self, text: &str, at: Span) -> SyntaxError {
        self.span = place(text, at, self.span.start, self.span.end);
        self
    }
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// The part that failed.
    pub span: Span,
    /// What is wrong.
    pub message: String,
}

impl Expr {
    /// Parses the whole of `text`, which stands at `at` in the case file.
    ///
    /// Where the place is longer or shorter than the text (a quoted scalar with escapes), every
    /// position inside is the whole place.
    ///
    /// # Errors
    /// The first thing that is no expression, with its place.
    pub fn parse(text: &str, at: Span) -> Result<Expr, SyntaxError> {
        parse::whole(text, at)
    }

    /// A value written as an expression: for a scalar that YAML has already read.
    pub fn literal(value: Value, span: Span) -> Expr {
        Expr {
            span,
            node: Node::Literal(value),
            height: 1,
        }
    }

    /// A list of expressions: for a list that YAML has already read.
    ///
    /// # Errors
    /// The expressions are nested too deeply.
    pub fn list(items: Vec<Expr>, span: Span) -> Result<Expr, SyntaxError> {
        parse::node(span, Node::List(items))
    }

    /// Its value, with the variables of `env`.
    ///
    /// # Errors
    /// An undefined name, an operation that the types do not have, a value beyond the bounds.
    pub fn eval(&self, env: &Env) -> Result<Value, EvalError> {
        eval::eval(self, env)
    }

    /// The variable it is, when it is nothing but a variable.
    pub fn as_name(&self) -> Option<&str> {
        match &self.node {
            Node::Name(name) => Some(name),
            _ => None,
        }
    }

    /// The value it has without any variable, if it needs none and has one.
    pub fn constant(&self) -> Option<Value> {
        self.eval(&Env::new()).ok()
    }

    /// Every variable it mentions, with its place, from left to right.
    pub fn names(&self) -> Vec<(&str, Span)> {
        let mut names = Vec::new();
        self.visit(&mut |expr| {
            if let Node::Name(name) = &expr.node {
                names.push((name.as_str(), expr.span));
            }
        });
        names
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Expr)) {
        see(self);
        match &self.node {
            Node::Literal(_) | Node::Name(_) => {}
            Node::List(items) | Node::Tuple(items) | Node::Call(_, items) => {
                items.iter().for_each(|item| item.visit(see));
            }
            Node::Unary(_, a) => a.visit(see),
            Node::Binary(_, a, b) | Node::And(a, b) | Node::Or(a, b) | Node::Index(a, b) => {
                a.visit(see);
                b.visit(see);
            }
            Node::Compare(first, rest) => {
                first.visit(see);
                rest.iter().for_each(|(_, item)| item.visit(see));
            }
        }
    }
}

/// The place in the file of the bytes `start..end` of a text that stands at `at`.
fn place(text: &str, at: Span, start: usize, end: usize) -> Span {
    if at.end.checked_sub(at.start) == Some(text.len()) {
        Span {
            start: at.start + start,
            end: at.start + end,
        }
    } else {
        at
    }
}
