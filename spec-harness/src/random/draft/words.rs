//! How the parts of a program are written.

use super::super::plan::{End, Look, Span, Way};
use super::Step;

impl Way {
    /// The step, whether it is for many items, and whether they are unpacked.
    pub(super) fn said(self) -> (&'static str, bool, bool) {
        match self {
            Way::Apply => ("apply", false, false),
            Way::ApplyAsync => ("apply_async", false, false),
            Way::Map => ("map", true, false),
            Way::MapAsync => ("map_async", true, false),
            Way::Starmap => ("starmap", true, true),
            Way::StarmapAsync => ("starmap_async", true, true),
            Way::Imap => ("imap", true, false),
            Way::ImapUnordered => ("imap_unordered", true, false),
        }
    }

    pub(super) fn iterates(self) -> bool {
        matches!(self, Way::Imap | Way::ImapUnordered)
    }

    pub(super) fn blocks(self) -> bool {
        matches!(self, Way::Apply | Way::Map | Way::Starmap)
    }
}

impl Look {
    pub(super) fn said(self, iterator: bool) -> (&'static str, Option<Span>) {
        match self {
            Look::Get(timeout) | Look::Wait(timeout) if iterator => ("next", timeout),
            Look::Ready | Look::Successful if iterator => ("next", None),
            Look::Get(timeout) => ("get", timeout),
            Look::Wait(timeout) => ("wait", timeout),
            Look::Ready => ("ready", None),
            Look::Successful => ("successful", None),
        }
    }
}

impl End {
    pub(super) fn said(self, pool: impl Into<String>) -> Step {
        match self {
            End::Close => Step::of("close", pool),
            End::Terminate => Step::of("terminate", pool),
            End::Join(timeout) => Step::of("join", pool).timeout(timeout),
            End::Drop => Step::of("drop", pool),
        }
    }
}

impl Step {
    pub(super) fn of(verb: &str, what: impl Into<String>) -> Step {
        let what = what.into();
        let head = if what.is_empty() {
            format!("{verb}:")
        } else {
            format!("{verb}: {what}")
        };
        Step {
            head,
            ..Step::default()
        }
    }

    pub(super) fn beside(mut self, key: &'static str, value: String) -> Step {
        self.beside.push((key, value));
        self
    }

    pub(super) fn timeout(self, timeout: Option<Span>) -> Step {
        match timeout {
            Some(timeout) => self.beside("timeout", units(timeout)),
            None => self,
        }
    }

    pub(super) fn with(mut self, key: &'static str, steps: Vec<Step>) -> Step {
        self.inside.push((key, steps));
        self
    }

    /// Whether the name that it makes stands in its head.
    pub(in crate::random) fn names_in_its_head(&self) -> bool {
        self.head.starts_with("let:")
    }

    /// Whether it is of no use without one.
    pub(super) fn needs_a_name(&self) -> bool {
        self.head.starts_with("imap") || self.head.starts_with("process:")
    }

    pub(super) fn using(mut self, name: String) -> Step {
        self.uses = Some(name);
        self
    }
}

/// Hundredths as a number of units: `1`, `0.5`, `1.13`.
pub(super) fn units(span: Span) -> String {
    crate::case::ast::Time(u64::from(span) * 10_000).to_string()
}
