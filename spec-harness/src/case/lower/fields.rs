//! The entries of a mapping, taken one by one; what nobody takes is an unknown key.

use std::collections::BTreeMap;

use super::{Lower, MAX_PROBLEMS};
use crate::case::ast::{Span, Spanned};
use crate::case::diagnostic::Diagnostic;
use crate::case::language::{self, Word};
use crate::case::suggest::did_you_mean;
use crate::case::yaml::{Kind, Node};

/// A mapping whose entries are being taken.
pub(super) struct Fields<'n> {
    /// What the mapping is, for messages: `a case`.
    what: &'static str,
    span: Span,
    left: Vec<(Spanned<String>, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// No entries at all: what stands beside a step of one word.
    pub(super) fn none(span: Span) -> Fields<'n> {
        Fields {
            what: "a step",
            span,
            left: Vec::new(),
        }
    }

    /// Takes the value of a key.
    pub(super) fn take(&mut self, key: &str) -> Option<&'n Node> {
        let at = self.left.iter().position(|(k, _)| k.value == key)?;
        Some(self.left.remove(at).1)
    }

    /// Takes every entry that is left, in the file's order.
    pub(super) fn take_all(&mut self) -> Vec<(Spanned<String>, &'n Node)> {
        std::mem::take(&mut self.left)
    }

    /// The keys that nobody has taken.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.left.iter().map(|(key, _)| key)
    }

    /// The whole mapping.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// A place to point at when something is missing: the first key, or where one would stand.
    pub(super) fn head(&self) -> Span {
        self.left.first().map_or(self.span, |(key, _)| key.span)
    }
}

impl Lower {
    /// The entries of a mapping; keys that stand twice and keys that are no words are reported.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &'static str) -> Option<Fields<'n>> {
        let Kind::Mapping(entries) = &node.kind else {
            self.wrong(node, what, "a mapping");
            return None;
        };
        let mut left = Vec::with_capacity(entries.len());
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for (key, value) in entries {
            let Some(scalar) = key.scalar() else {
                self.wrong(key, "a key", "one word");
                continue;
            };
            let span = key.span;
            let first = *seen.entry(&scalar.text).or_insert(span);
            if first == span {
                left.push((
                    Spanned {
                        value: scalar.text.clone(),
                        span,
                    },
                    value,
                ));
                continue;
            }
            let message = format!("the key `{}` stands twice in {what}", scalar.text);
            let again = Diagnostic::new(span, message).label("again here");
            self.report(again.also(first, "first here"));
        }
        Some(Fields {
            what,
            span: node.span,
            left,
        })
    }

    /// Reports what nobody has taken.
    pub(super) fn finish(&mut self, fields: Fields<'_>, known: &'static [Word]) {
        let known = language::names(known);
        for (key, _) in fields.left.iter().take(MAX_PROBLEMS) {
            let message = format!("unknown key `{}` in {}", key.value, fields.what);
            let list = format!("known keys: {}", known.join(", "));
            self.report(
                Diagnostic::new(key.span, message)
                    .help(list)
                    .maybe_help(did_you_mean(&key.value, known.iter().copied())),
            );
        }
    }
}
