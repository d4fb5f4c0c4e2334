//! The case language as data: every word that a case file may hold, the shape of its value, what it says, an example.
//!
//! The parser takes the words it knows from these tables; the reference page and the JSON Schema for editors are
//! printed from them. Tests parse every example, so that no row can say what the parser does not.

mod case;
mod expression;
mod names;
mod operation;
mod reference;
mod schema;
mod shape;
mod step;
#[cfg(test)]
mod tests;

pub use reference::reference;
pub use schema::schema;

pub(super) use case::{CLAIM, DOCUMENT, EXPECT, LINE, ON, POOL, RAISE, WORKERS};
pub(crate) use names::ERRORS;
pub(super) use names::{ABILITIES, FATES};
pub(super) use operation::{BRANCHES, OPERATIONS};
pub(super) use shape::Shape;
pub(super) use step::{BESIDE, FORMS, Form, is_modifier};

/// One word of the language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) name: &'static str,
    /// What stands behind it.
    pub(super) shape: Shape,
    /// What it says, in one line.
    pub(super) says: &'static str,
    /// A piece of a case file that has it: the entry, or the item of a list, that it stands in.
    pub(super) example: &'static str,
}

/// A word.
const fn word(name: &'static str, shape: Shape, says: &'static str, example: &'static str) -> Word {
    Word {
        name,
        shape,
        says,
        example,
    }
}

/// The names of a table, in its order.
pub(super) fn names(table: &'static [Word]) -> Vec<&'static str> {
    table.iter().map(|word| word.name).collect()
}

/// The words of a program: steps, what stands beside them, operations of bodies.
#[cfg(feature = "random")]
pub(crate) fn of_programs() -> impl Iterator<Item = &'static str> {
    let tables = [BESIDE, OPERATIONS, POOL];
    let words = tables.into_iter().flatten().map(|word| word.name);
    let all = Form::names().chain(words);
    let unlike: std::collections::BTreeSet<&str> = all.collect();
    unlike.into_iter()
}

/// Every ability that an adapter may say it has (`can`), and that a case may need; with what it means.
pub fn abilities() -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    ABILITIES.iter().map(|ability| (ability.name, ability.says))
}

/// The portable names of the errors that pools raise themselves; with what they mean.
pub fn errors() -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    ERRORS.iter().map(|error| (error.name, error.says))
}

/// A name that the language gives to something: a fate, an error, an ability.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// What it means, in one line.
    pub(crate) says: &'static str,
}

/// A name.
const fn named(name: &'static str, says: &'static str) -> Named {
    Named { name, says }
}

/// The names of a table, in its order.
pub(crate) fn all(table: &'static [Named]) -> impl Iterator<Item = &'static str> + Clone {
    table.iter().map(|named| named.name)
}
