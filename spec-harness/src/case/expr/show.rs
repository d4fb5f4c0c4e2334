//! Writes an expression as text that parses to the same expression.

use std::fmt;

use super::{Binary, Comparison, Expr, Node, Unary};

impl Binary {
    /// As it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Binary::Add => "+",
            Binary::Sub => "-",
            Binary::Mul => "*",
            Binary::Div => "/",
            Binary::FloorDiv => "//",
            Binary::Mod => "%",
            Binary::Pow => "**",
        }
    }
}

impl Comparison {
    /// As it is written.
    fn symbol(self) -> &'static str {
        match self {
            Comparison::Eq => "==",
            Comparison::Ne => "!=",
            Comparison::Lt => "<",
            Comparison::Le => "<=",
            Comparison::Gt => ">",
            Comparison::Ge => ">=",
            Comparison::In => "in",
            Comparison::NotIn => "not in",
            Comparison::Is => "is",
            Comparison::IsNot => "is not",
        }
    }
}

impl fmt::Display for Expr {
    /// With only the parentheses that it needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Node::Literal(value) => f.write_str(&value.repr()),
            Node::Name(name) => f.write_str(name),
            Node::List(items) => write!(f, "[{}]", Commas(items)),
            Node::Tuple(items) if items.len() == 1 => write!(f, "({},)", Commas(items)),
            Node::Tuple(items) => write!(f, "({})", Commas(items)),
            Node::Unary(op, a) => {
                f.write_str(match op {
                    Unary::Neg => "-",
                    Unary::Pos => "+",
                    Unary::Not => "not ",
                })?;
                write!(f, "{}", self.operand(a))
            }
            Node::Binary(op, a, b) => {
                write!(
                    f,
                    "{} {} {}",
                    self.operand(a),
                    op.symbol(),
                    Tight(b, self.strength() + 1)
                )
            }
            Node::Compare(first, rest) => {
                write!(f, "{}", Tight(first, self.strength() + 1))?;
                for (op, item) in rest {
                    write!(f, " {} {}", op.symbol(), Tight(item, self.strength() + 1))?;
                }
                Ok(())
            }
            Node::And(a, b) => {
                write!(
                    f,
                    "{} and {}",
                    self.operand(a),
                    Tight(b, self.strength() + 1)
                )
            }
            Node::Or(a, b) => {
                write!(
                    f,
                    "{} or {}",
                    self.operand(a),
                    Tight(b, self.strength() + 1)
                )
            }
            Node::Index(list, at) => write!(f, "{}[{at}]", self.operand(list)),
            Node::Call(function, args) => write!(f, "{}({})", function.name(), Commas(args)),
        }
    }
}

impl Expr {
    /// How tightly its outermost operator binds.
    fn strength(&self) -> u8 {
        match &self.node {
            Node::Or(..) => 0,
            Node::And(..) => 1,
            Node::Unary(Unary::Not, _) => 2,
            Node::Compare(..) => 3,
            Node::Binary(Binary::Add | Binary::Sub, ..) => 4,
            Node::Binary(Binary::Pow, ..) => 7,
            Node::Binary(..) => 5,
            Node::Unary(..) => 6,
            // What stands in brackets or is one word binds tightest; a negative number is a sign and a word.
            Node::Literal(value) if value.as_f64().is_some_and(f64::is_sign_negative) => 6,
            _ => 9,
        }
    }

    /// The left or only operand, which may bind as loosely as the whole; a power's base may not.
    fn operand<'a>(&self, operand: &'a Expr) -> Tight<'a> {
        let power = u8::from(matches!(self.node, Node::Binary(Binary::Pow, ..)));
        Tight(operand, self.strength() + power)
    }
}

/// An expression in parentheses unless it binds at least this tightly.
struct Tight<'a>(&'a Expr, u8);

impl fmt::Display for Tight<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.strength() >= self.1 {
            write!(f, "{}", self.0)
        } else {
            write!(f, "({})", self.0)
        }
    }
}

struct Commas<'a>(&'a [Expr]);

impl fmt::Display for Commas<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
