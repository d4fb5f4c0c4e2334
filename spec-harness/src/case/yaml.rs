//! Reads YAML into a tree whose every node knows its place; the only module that knows the YAML crate.

mod slips;

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};

use super::diagnostic::{Diagnostic, clamp};
use super::span::Span;

/// Largest case file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 40;

/// Most scalars, lists and mappings in one file.
const MAX_NODES: usize = 20_000;

/// A node of a YAML document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// From its first to its last character, for a list or mapping those of its children.
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    /// The entries in the file's order, duplicates included.
    Mapping(Vec<(Node, Node)>),
}

/// A single value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    /// As it was written; for quoted and block text what the quotes and folds mean.
    pub(crate) text: String,
    /// Where `text` stands: without quotes, if it stands there literally.
    pub(crate) at: Span,
    pub(crate) value: Plain,
}

/// What YAML takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text,
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "a list",
            Kind::Mapping(_) => "a mapping",
            Kind::Scalar(scalar) => match scalar.value {
                Plain::Null => "nothing",
                Plain::Bool(_) => "a truth value",
                Plain::Int(_) | Plain::Float(_) => "a number",
                Plain::Text => "text",
            },
        }
    }

    /// The scalar it is.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Whether nothing is there: `close:` or `~`.
    pub(crate) fn is_null(&self) -> bool {
        self.scalar()
            .is_some_and(|scalar| scalar.value == Plain::Null)
    }
}

impl Scalar {
    /// The place in the file of some bytes of the text; the whole place where it is not literal.
    pub(crate) fn place(&self, bytes: std::ops::Range<usize>) -> Span {
        if self.at.end - self.at.start == self.text.len() {
            Span {
                start: self.at.start + bytes.start,
                end: self.at.start + bytes.end,
            }
        } else {
            self.at
        }
    }
}

/// The tree of the one document in `text`.
///
/// Bounded in time and memory for any text: size, depth and number of nodes have limits, and
/// anchors and aliases, with which a small file can grow without end, are refused.
pub(crate) fn parse(text: &str) -> Result<Node, Box<Diagnostic>> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has more than {MAX_BYTES} bytes, the most for a case");
        return Err(Box::new(Diagnostic::new(Span::default(), message)));
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_aliases: 0,
            max_anchors: 0,
            max_documents: 1,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned>(text, options) {
        Ok(tree) => Ok(node(text, tree)),
        Err(error) => Err(Box::new(slips::diagnostic(text, &error))),
    }
}

type Spanned = serde_saphyr::Spanned<Raw>;

/// The document as the YAML crate hands it over.
#[derive(Debug)]
enum Raw {
    Plain(Plain),
    Text(String),
    List(Vec<Spanned>),
    Mapping(Vec<(Spanned, Spanned)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Plain(Plain::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Plain(Plain::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(Plain::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(match i64::try_from(value) {
            Ok(value) => Plain::Int(value),
            Err(_) => Plain::Float(value as f64),
        }))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(Plain::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            mapping.push(entry);
        }
        Ok(Raw::Mapping(mapping))
    }
}

/// The node for what the YAML crate saw, with its place in `text`.
fn node(text: &str, tree: Spanned) -> Node {
    let span = place(text, &tree.referenced);
    let around = |first: Option<Span>, last: Option<Span>| Span {
        start: first.map_or(span.start, |first| first.start.min(span.start)),
        end: last.map_or(span.end, |last| last.end.max(span.end)),
    };
    match tree.value {
        Raw::Plain(value) => {
            let text = text
                .get(span.start..span.end)
                .unwrap_or_default()
                .to_owned();
            Node {
                span,
                kind: Kind::Scalar(Scalar {
                    text,
                    at: span,
                    value,
                }),
            }
        }
        Raw::Text(value) => Node {
            span,
            kind: Kind::Scalar(written(text, span, value)),
        },
        Raw::List(items) => {
            let items: Vec<_> = items.into_iter().map(|item| node(text, item)).collect();
            let span = around(items.first().map(|n| n.span), items.last().map(|n| n.span));
            Node {
                span,
                kind: Kind::List(items),
            }
        }
        Raw::Mapping(entries) => {
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| (node(text, key), node(text, value)))
                .collect();
            let span = around(
                entries.first().map(|e| e.0.span),
                entries.last().map(|e| e.1.span),
            );
            Node {
                span,
                kind: Kind::Mapping(entries),
            }
        }
    }
}

/// A text scalar, with the place where its characters stand.
fn written(text: &str, span: Span, mut value: String) -> Scalar {
    let inside = Span {
        start: span.start + 1,
        end: span.end.saturating_sub(1),
    };
    let literal = [span, inside]
        .into_iter()
        .find(|span| text.get(span.start..span.end) == Some(value.as_str()));
    if literal.is_none() && value.ends_with('\n') && !text[span.start..].starts_with('"') {
        // The newline that ends a block scalar belongs to YAML, not to the line that is meant.
        value.pop();
    }
    Scalar {
        text: value,
        at: literal.unwrap_or(span),
        value: Plain::Text,
    }
}

/// A place that the YAML crate names, as bytes of `text`.
fn place(text: &str, location: &serde_saphyr::Location) -> Span {
    let span = location.span();
    if let (Some(start), Some(len)) = (span.byte_offset(), span.byte_len()) {
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        return clamp(
            text,
            Span {
                start: at(start),
                end: at(start.saturating_add(len)),
            },
        );
    }
    // Errors of the scanner are counted in characters.
    let mut bytes = text
        .char_indices()
        .map(|(byte, _)| byte)
        .chain([text.len()]);
    let skip = usize::try_from(span.offset()).unwrap_or(usize::MAX);
    let start = bytes.nth(skip).unwrap_or(text.len());
    let len = usize::try_from(span.len()).unwrap_or(0);
    let end = if len == 0 {
        start
    } else {
        bytes.nth(len - 1).unwrap_or(text.len())
    };
    Span { start, end }
}
