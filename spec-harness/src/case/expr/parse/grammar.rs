//! The grammar of expressions, loosest operators first; each function is one level of precedence.

use super::super::lex::Kind;
use super::super::value::Value;
use super::super::{Binary, Comparison, Expr, Function, Node, SyntaxError, Unary};
use super::{KEYWORDS, MAX_HEIGHT, Parser, node};
use crate::case::span::Span;

impl Parser<'_> {
    fn join(from: &Expr, to: Span) -> Span {
        Span {
            start: from.span.start,
            end: to.end,
        }
    }

    /// An expression, or a tuple without parentheses: `a, b`.
    pub(super) fn tuple_or_expr(&mut self) -> Result<Expr, SyntaxError> {
        let first = self.expr()?;
        if !self.eat(",") {
            return Ok(first);
        }
        let start = first.span.start;
        let mut items = vec![first];
        while self.peek().kind != Kind::End {
            items.push(self.expr()?);
            if !self.eat(",") {
                break;
            }
        }
        let end = items.last().map_or(start, |item| item.span.end);
        node(Span { start, end }, Node::Tuple(items))
    }

    fn expr(&mut self) -> Result<Expr, SyntaxError> {
        self.nesting += 1;
        if self.nesting > MAX_HEIGHT {
            return Err(SyntaxError::new(
                self.span(self.peek()),
                "the expression is nested too deeply",
            ));
        }
        let expr = self.or();
        self.nesting -= 1;
        expr
    }

    fn or(&mut self) -> Result<Expr, SyntaxError> {
        let mut left = self.and()?;
        while self.eat_word("or") {
            let right = self.and()?;
            let span = Self::join(&left, right.span);
            left = node(span, Node::Or(Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, SyntaxError> {
        let mut left = self.not()?;
        while self.eat_word("and") {
            let right = self.not()?;
            let span = Self::join(&left, right.span);
            left = node(span, Node::And(Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, SyntaxError> {
        self.prefixed(
            |parser| parser.eat_word("not").then_some(Unary::Not),
            Self::comparison,
        )
    }

    /// Any number of prefix operators, then an operand; in a loop, so that `not not not` costs no stack.
    fn prefixed(
        &mut self,
        mut prefix: impl FnMut(&mut Self) -> Option<Unary>,
        operand: impl FnOnce(&mut Self) -> Result<Expr, SyntaxError>,
    ) -> Result<Expr, SyntaxError> {
        let mut prefixes = Vec::new();
        loop {
            let start = self.span(self.peek()).start;
            match prefix(self) {
                Some(op) => prefixes.push((op, start)),
                None => break,
            }
        }
        let mut expr = operand(self)?;
        for (op, start) in prefixes.into_iter().rev() {
            let span = Span {
                start,
                end: expr.span.end,
            };
            expr = node(span, Node::Unary(op, Box::new(expr)))?;
        }
        Ok(expr)
    }

    fn comparison(&mut self) -> Result<Expr, SyntaxError> {
        let first = self.arithmetic(0)?;
        let mut rest = Vec::new();
        while let Some(op) = self.comparison_operator() {
            rest.push((op, self.arithmetic(0)?));
        }
        let Some((_, last)) = rest.last() else {
            return Ok(first);
        };
        let span = Self::join(&first, last.span);
        node(span, Node::Compare(Box::new(first), rest))
    }

    fn comparison_operator(&mut self) -> Option<Comparison> {
        let op = match &self.peek().kind {
            Kind::Symbol("==") => Comparison::Eq,
            Kind::Symbol("!=") => Comparison::Ne,
            Kind::Symbol("<") => Comparison::Lt,
            Kind::Symbol("<=") => Comparison::Le,
            Kind::Symbol(">") => Comparison::Gt,
            Kind::Symbol(">=") => Comparison::Ge,
            Kind::Name(name) if name == "in" => Comparison::In,
            Kind::Name(name) if name == "is" => Comparison::Is,
            Kind::Name(name) if name == "not" => {
                let next = self.tokens.get(self.next + 1).map(|token| &token.kind);
                if !matches!(next, Some(Kind::Name(name)) if name == "in") {
                    return None;
                }
                self.next += 2;
                return Some(Comparison::NotIn);
            }
            _ => return None,
        };
        self.next += 1;
        if op == Comparison::Is && self.eat_word("not") {
            return Some(Comparison::IsNot);
        }
        Some(op)
    }

    /// `+ -` (level 0) and `* / // %` (level 1), from left to right.
    fn arithmetic(&mut self, level: u8) -> Result<Expr, SyntaxError> {
        let operand = |parser: &mut Self| match level {
            0 => parser.arithmetic(1),
            _ => parser.signed(),
        };
        let mut left = operand(self)?;
        loop {
            let op = match (&self.peek().kind, level) {
                (Kind::Symbol("+"), 0) => Binary::Add,
                (Kind::Symbol("-"), 0) => Binary::Sub,
                (Kind::Symbol("*"), 1) => Binary::Mul,
                (Kind::Symbol("/"), 1) => Binary::Div,
                (Kind::Symbol("//"), 1) => Binary::FloorDiv,
                (Kind::Symbol("%"), 1) => Binary::Mod,
                _ => return Ok(left),
            };
            self.next += 1;
            let right = operand(self)?;
            let span = Self::join(&left, right.span);
            left = node(span, Node::Binary(op, Box::new(left), Box::new(right)))?;
        }
    }

    fn signed(&mut self) -> Result<Expr, SyntaxError> {
        let sign = |parser: &mut Self| match parser.peek().kind {
            Kind::Symbol("-") => {
                parser.next += 1;
                Some(Unary::Neg)
            }
            Kind::Symbol("+") => {
                parser.next += 1;
                Some(Unary::Pos)
            }
            _ => None,
        };
        self.prefixed(sign, Self::postfix)
    }

    fn postfix(&mut self) -> Result<Expr, SyntaxError> {
        let mut expr = self.atom()?;
        while self.eat("[") {
            let index = self.expr()?;
            let end = self.span(self.peek());
            if !self.eat("]") {
                return Err(self.unexpected("`]`"));
            }
            let span = Self::join(&expr, end);
            expr = node(span, Node::Index(Box::new(expr), Box::new(index)))?;
        }
        Ok(expr)
    }

    fn atom(&mut self) -> Result<Expr, SyntaxError> {
        let token = self.peek().clone();
        let span = self.span(&token);
        let literal = |parser: &mut Self, value| {
            parser.advance();
            node(span, Node::Literal(value))
        };
        match token.kind {
            Kind::Int(n) => literal(self, Value::Int(n)),
            Kind::Float(x) => literal(self, Value::Float(x)),
            Kind::Str(s) => literal(self, Value::Str(s)),
            Kind::Name(name) => match name.as_str() {
                "None" => literal(self, Value::None),
                "True" => literal(self, Value::Bool(true)),
                "False" => literal(self, Value::Bool(false)),
                "true" | "false" | "null" => {
                    let python = match name.as_str() {
                        "true" => "True",
                        "false" => "False",
                        _ => "None",
                    };
                    Err(
                        SyntaxError::new(span, format!("`{name}` is not a name here"))
                            .help(format!("expressions are Python's: write `{python}`")),
                    )
                }
                word if KEYWORDS.contains(&word) => Err(self.unexpected("a value")),
                _ => {
                    self.advance();
                    if self.eat("(") {
                        return self.function_call(&name, span);
                    }
                    node(span, Node::Name(name))
                }
            },
            Kind::Symbol("[") => {
                self.advance();
                let (items, end) = self.items("]")?;
                node(
                    Span {
                        start: span.start,
                        end: end.end,
                    },
                    Node::List(items),
                )
            }
            Kind::Symbol("(") => {
                self.advance();
                self.parenthesised(span)
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn function_call(&mut self, name: &str, span: Span) -> Result<Expr, SyntaxError> {
        let Some(function) = Function::named(name) else {
            let help = crate::case::suggest::did_you_mean(name, Function::names());
            let all = || {
                let names: Vec<&str> = Function::names().collect();
                let names = names.join(", ");
                format!("functions are {names}; a task is run by a step, such as `apply`")
            };
            let help = help.or_else(|| Some(all()));
            return Err(SyntaxError::new(span, format!("unknown function `{name}`")).help(help));
        };
        let (args, end) = self.items(")")?;
        let span = Span {
            start: span.start,
            end: end.end,
        };
        let (least, most) = function.arity();
        if args.len() < least || args.len() > most {
            return Err(SyntaxError::new(
                span,
                format!("`{name}` takes {}, given {}", function.takes(), args.len()),
            ));
        }
        node(span, Node::Call(function, args))
    }

    /// What follows an opening parenthesis: `()`, `(a)` or a tuple.
    fn parenthesised(&mut self, open: Span) -> Result<Expr, SyntaxError> {
        let mut items = Vec::new();
        let mut tuple = true;
        loop {
            let end = self.span(self.peek());
            if self.eat(")") {
                let span = Span {
                    start: open.start,
                    end: end.end,
                };
                return match (tuple, items.pop()) {
                    (false, Some(only)) => Ok(Expr { span, ..only }),
                    (_, last) => {
                        items.extend(last);
                        node(span, Node::Tuple(items))
                    }
                };
            }
            if !tuple {
                return Err(self.unexpected("`,` or `)`"));
            }
            items.push(self.expr()?);
            tuple = self.eat(",");
            if !tuple && items.len() > 1 {
                let end = self.span(self.peek());
                if !self.eat(")") {
                    return Err(self.unexpected("`,` or `)`"));
                }
                return node(
                    Span {
                        start: open.start,
                        end: end.end,
                    },
                    Node::Tuple(items),
                );
            }
        }
    }

    /// Comma-separated expressions up to the closing bracket, and its place.
    pub(super) fn items(&mut self, close: &'static str) -> Result<(Vec<Expr>, Span), SyntaxError> {
        let mut items = Vec::new();
        loop {
            let end = self.span(self.peek());
            if self.eat(close) {
                return Ok((items, end));
            }
            items.push(self.expr()?);
            let end = self.span(self.peek());
            if self.eat(close) {
                return Ok((items, end));
            }
            if !self.eat(",") {
                return Err(self.unexpected(&format!("`,` or `{close}`")));
            }
        }
    }
}
