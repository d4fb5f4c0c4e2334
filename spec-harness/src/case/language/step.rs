//! The kinds of steps, and what may stand beside each.

mod forms;

use super::{Shape, Word, word};
pub(in crate::case) use forms::{BESIDE, FORMS};

/// One kind of step.
#[derive(Debug)]
pub(in crate::case) struct Form {
    pub(in crate::case) word: Word,
    /// Keys of its own.
    beside: &'static [&'static str],
    /// Those of them that it cannot be without.
    pub(super) must: &'static [&'static str],
    /// Whether it calls the implementation: then it may say `takes`, `raises` and `blocks`.
    pub(in crate::case) calls: bool,
    /// Whether it has a result that `as` and `into` can keep.
    pub(in crate::case) yields: bool,
    /// Whether its result is of no use without a name.
    pub(super) kept: bool,
    /// Whether it may be one word without a value.
    pub(in crate::case) bare: bool,
}

/// A step that says nothing but its value.
const fn form(name: &'static str, shape: Shape, says: &'static str, example: &'static str) -> Form {
    Form {
        word: word(name, shape, says, example),
        beside: &[],
        must: &[],
        calls: false,
        yields: false,
        kept: false,
        bare: false,
    }
}

impl Form {
    const fn beside(self, beside: &'static [&'static str]) -> Form {
        Form { beside, ..self }
    }

    const fn must(self, must: &'static [&'static str]) -> Form {
        Form { must, ..self }
    }

    const fn calls(self) -> Form {
        Form {
            calls: true,
            ..self
        }
    }

    const fn yields(self) -> Form {
        Form {
            yields: true,
            ..self
        }
    }

    const fn kept(self) -> Form {
        Form { kept: true, ..self }
    }

    const fn bare(self) -> Form {
        Form { bare: true, ..self }
    }
}

impl Form {
    /// Its key.
    pub(in crate::case) fn name(&self) -> &'static str {
        self.word.name
    }

    /// The form whose key this is.
    pub(in crate::case) fn named(name: &str) -> Option<&'static Form> {
        FORMS.iter().find(|form| form.name() == name)
    }

    /// The keys of all forms.
    pub(in crate::case) fn names() -> impl Iterator<Item = &'static str> + Clone {
        FORMS.iter().map(Form::name)
    }

    /// The keys of all forms that a body can do from inside.
    pub(in crate::case) fn names_inside() -> impl Iterator<Item = &'static str> {
        let inside = FORMS.iter().filter(|form| form.inside());
        inside.map(Form::name)
    }

    /// Whether another thread of the program can do it (`in: t1`).
    pub(in crate::case) fn threaded(&self) -> bool {
        self.calls || matches!(self.name(), "print" | "sleep")
    }

    /// Whether a body can do it from inside (`call:`): what is about the pool that is there already.
    pub(in crate::case) fn inside(&self) -> bool {
        self.calls
            && !matches!(
                self.name(),
                "pool"
                    | "process"
                    | "start"
                    | "join_process"
                    | "is_alive"
                    | "exitcode"
                    | "terminate_process"
                    | "kill"
            )
    }

    /// Every key that may stand beside its own.
    pub(in crate::case) fn others(&self) -> Vec<&'static str> {
        let mut others = self.beside.to_vec();
        if self.yields {
            others.extend(["as", "into"]);
        }
        if self.calls {
            others.extend(["takes", "raises", "blocks"]);
        }
        if self.threaded() {
            others.push("in");
        }
        others
    }
}

/// Whether a key stands beside steps, so that it cannot be a misspelt step.
pub(in crate::case) fn is_modifier(key: &str) -> bool {
    BESIDE.iter().any(|word| word.name == key)
}
