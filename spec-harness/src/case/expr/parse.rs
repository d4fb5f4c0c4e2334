//! Parses texts in which expressions stand: a whole one, a call, the head of a loop, a part of a template.

mod grammar;

use super::lex::{self, Kind, Token, Until};
use super::{Expr, Node, SyntaxError, place};
use crate::case::span::{Span, Spanned};

/// Deepest nesting of an expression, and of every recursion over it.
const MAX_HEIGHT: usize = 64;

/// Longest text of one expression, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// Words that are no variables.
pub(super) const KEYWORDS: [&str; 8] = ["and", "or", "not", "in", "is", "True", "False", "None"];

/// Parses a text that is one expression.
pub(super) fn whole(text: &str, at: Span) -> Result<Expr, SyntaxError> {
    let mut parser = Parser::new(text, at, 0, Until::TextEnd)?;
    let expr = parser.tuple_or_expr()?;
    parser.end()?;
    Ok(expr)
}

/// Parses the expression at byte `start` of a template, up to the end of its `{...}` part; gives also
/// the byte where it ends.
pub(super) fn part(text: &str, at: Span, start: usize) -> Result<(Expr, usize), SyntaxError> {
    let mut parser = Parser::new(text, at, start, Until::PartEnd)?;
    let expr = parser.tuple_or_expr()?;
    parser.end()?;
    let end = start + parser.peek().start;
    Ok((expr, end))
}

/// Parses a call of a task function as a step writes it: `func(i, 2)`, or `func` for a call without
/// arguments.
///
/// # Errors
/// The first thing that does not belong there, with its place.
pub fn call(text: &str, at: Span) -> Result<(Spanned<String>, Vec<Expr>), SyntaxError> {
    let mut parser = Parser::new(text, at, 0, Until::TextEnd)?;
    let name = parser.name("the name of a task")?;
    let args = if parser.eat("(") {
        parser.items(")")?.0
    } else {
        Vec::new()
    };
    parser.end()?;
    Ok((name, args))
}

/// Parses the head of a loop: `i in range(10)`.
///
/// # Errors
/// The first thing that does not belong there, with its place.
pub fn for_each(text: &str, at: Span) -> Result<(Spanned<String>, Expr), SyntaxError> {
    let mut parser = Parser::new(text, at, 0, Until::TextEnd)?;
    let var = parser.name("the name of a variable")?;
    if !parser.eat_word("in") {
        return Err(parser
            .unexpected("`in`")
            .help("write `for: i in range(10)`".to_owned()));
    }
    let over = parser.tuple_or_expr()?;
    parser.end()?;
    Ok((var, over))
}

/// An expression from these parts, unless it is nested too deeply.
pub(super) fn node(span: Span, node: Node) -> Result<Expr, SyntaxError> {
    let below = match &node {
        Node::Literal(_) | Node::Name(_) => 0,
        Node::List(items) | Node::Tuple(items) | Node::Call(_, items) => {
            items.iter().map(|item| item.height).max().unwrap_or(0)
        }
        Node::Unary(_, a) => a.height,
        Node::Binary(_, a, b) | Node::And(a, b) | Node::Or(a, b) | Node::Index(a, b) => {
            a.height.max(b.height)
        }
        Node::Compare(first, rest) => rest
            .iter()
            .map(|(_, item)| item.height)
            .fold(first.height, usize::max),
    };
    if below >= MAX_HEIGHT {
        return Err(SyntaxError::new(
            span,
            "the expression is nested too deeply",
        ));
    }
    Ok(Expr {
        span,
        node,
        height: below + 1,
    })
}

struct Parser<'a> {
    /// The whole scalar and its place in the file, and where in it the tokens begin.
    text: &'a str,
    at: Span,
    start: usize,
    tokens: Vec<Token>,
    next: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    /// A parser of what stands from byte `start` on.
    fn new(text: &'a str, at: Span, start: usize, until: Until) -> Result<Parser<'a>, SyntaxError> {
        let part = &text[start..];
        if part.len() > MAX_LENGTH {
            return Err(SyntaxError::new(at, "the expression is too long"));
        }
        let tokens = lex::tokens(part, until).map_err(|mut error| {
            error.span.start += start;
            error.span.end += start;
            error.placed(text, at)
        })?;
        Ok(Parser {
            text,
            at,
            start,
            tokens,
            next: 0,
            nesting: 0,
        })
    }

    /// The next token; the last one, [`Kind::End`], repeats.
    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    /// The token before the next one.
    fn before(&self) -> Option<&Kind> {
        let at = self.next.min(self.tokens.len()).checked_sub(1)?;
        self.tokens.get(at).map(|token| &token.kind)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek().kind, Kind::Symbol(s) if s == symbol);
        self.next += usize::from(found);
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(&self.peek().kind, Kind::Name(name) if name == word);
        self.next += usize::from(found);
        found
    }

    fn span(&self, token: &Token) -> Span {
        place(
            self.text,
            self.at,
            self.start + token.start,
            self.start + token.end,
        )
    }

    fn unexpected(&self, wanted: &str) -> SyntaxError {
        let token = self.peek();
        let seen = match &token.kind {
            Kind::End => "the end".to_owned(),
            _ => {
                let written = &self.text[self.start + token.start..self.start + token.end];
                format!("`{written}`")
            }
        };
        let help = match &token.kind {
            Kind::End if wanted.contains('`') && (wanted.contains(')') || wanted.contains(']')) => {
                Some(
                    "within YAML's own brackets a comma ends a text: put quotes around all of it"
                        .to_owned(),
                )
            }
            Kind::Symbol("=") if wanted.contains("`,`") => {
                Some("arguments have places, not names; to compare, write `==`".to_owned())
            }
            Kind::Symbol("=") => Some("compare with `==`".to_owned()),
            Kind::Symbol(".") if matches!(self.before(), Some(Kind::Name(_))) => {
                Some("nothing has a method here: name the task or the handle alone".to_owned())
            }
            _ => None,
        };
        SyntaxError::new(self.span(token), format!("expected {wanted}, found {seen}")).help(help)
    }

    fn end(&mut self) -> Result<(), SyntaxError> {
        match self.peek().kind {
            Kind::End => Ok(()),
            _ => Err(self.unexpected("an operator or the end")),
        }
    }

    fn name(&mut self, wanted: &str) -> Result<Spanned<String>, SyntaxError> {
        match &self.peek().kind {
            Kind::Name(name) if !KEYWORDS.contains(&name.as_str()) => {
                let span = self.span(self.peek());
                let value = name.clone();
                self.next += 1;
                Ok(Spanned { value, span })
            }
            _ => Err(self.unexpected(wanted)),
        }
    }
}
