//! The kinds of steps, and what may stand beside each.

mod forms;

use super::{Shape, Word, word};
use crate::case::call::{Blank, Call, Makes, Visit};
pub(in crate::case) use forms::{BESIDE, FORMS};

/// One kind of step.
#[derive(Debug)]
pub(in crate::case) struct Form {
    pub(in crate::case) word: Word,
    /// The call of the implementation that it is, whose fields stand beside its key: then it may say `takes`, `raises` and
    /// `blocks`.
    pub(in crate::case) call: Option<Call<Blank>>,
    /// Further keys of its own.
    beside: &'static [&'static str],
    /// Those of them that it cannot be without.
    must: &'static [&'static str],
    /// Whether it has a result that `as` and `into` can keep.
    pub(in crate::case) yields: bool,
}

/// A step that says nothing but its value.
const fn form(name: &'static str, shape: Shape, says: &'static str, example: &'static str) -> Form {
    Form {
        word: word(name, shape, says, example),
        call: None,
        beside: &[],
        must: &[],
        yields: false,
    }
}

impl Form {
    const fn beside(self, beside: &'static [&'static str]) -> Form {
        Form { beside, ..self }
    }

    const fn must(self, must: &'static [&'static str]) -> Form {
        Form { must, ..self }
    }

    const fn calls(self, call: Call<Blank>) -> Form {
        Form {
            call: Some(call),
            ..self
        }
    }

    const fn yields(self) -> Form {
        Form {
            yields: true,
            ..self
        }
    }
}

/// The keys beside a step that the fields of its call have.
#[derive(Debug, Default)]
struct Keys {
    beside: Vec<&'static str>,
    makes: Option<Makes>,
    /// It makes a pool, or is about a process.
    outside: bool,
}

impl Keys {
    fn of(form: &Form) -> Keys {
        let mut keys = Keys::default();
        if let Some(call) = &form.call {
            call.visit(&mut keys);
        }
        if form.word.shape == Shape::NewPool {
            // They stand in braces.
            keys.beside.clear();
        }
        keys
    }
}

impl Visit<Blank> for Keys {
    fn pool(&mut self, (): &()) {
        self.beside.push("on");
    }

    fn new_pool(&mut self, (): &()) {
        self.outside = true;
    }

    fn tasks(&mut self, (): &()) {
        self.beside.push("over");
    }

    fn callback(&mut self, name: &'static str, _: &Option<()>) {
        self.beside.push(name);
    }

    fn process(&mut self, (): &()) {
        self.outside = true;
    }

    fn made(&mut self, makes: Makes, (): &()) {
        self.outside |= makes == Makes::Process;
        self.makes = Some(makes);
    }

    fn number(&mut self, name: &'static str, _: &Option<()>) {
        self.beside.push(name);
    }

    fn time(&mut self, name: &'static str, _: &Option<()>) {
        self.beside.push(name);
    }

    fn name(&mut self, what: &'static str, _: &Option<()>) {
        self.beside.push(what);
    }

    fn flag(&mut self, name: &'static str, _: bool) {
        self.beside.push(name);
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
        self.call.is_some() || matches!(self.name(), "print" | "sleep")
    }

    /// Whether a body can do it from inside (`call:`): what is about the pool that is there already.
    pub(in crate::case) fn inside(&self) -> bool {
        self.call.is_some() && !Keys::of(self).outside
    }

    /// Whether its result is of no use without a name: an iterator, a process.
    pub(super) fn kept(&self) -> bool {
        let makes = Keys::of(self).makes;
        makes.is_some_and(|makes| makes != Makes::Handle)
    }

    /// Whether it may be one word without a value.
    pub(in crate::case) fn bare(&self) -> bool {
        let shapes = [Shape::NewPool, Shape::PoolName, Shape::Nothing];
        shapes.contains(&self.word.shape)
    }

    /// Keys that it cannot be without.
    pub(super) fn required(&self) -> Vec<&'static str> {
        let mut must = self.must.to_vec();
        must.extend(Keys::of(self).beside.iter().filter(|key| **key == "over"));
        must
    }

    /// Every key that may stand beside its own.
    pub(in crate::case) fn others(&self) -> Vec<&'static str> {
        let mut others = Keys::of(self).beside;
        others.extend(self.beside);
        if self.yields {
            others.extend(["as", "into"]);
        }
        if self.call.is_some() {
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
