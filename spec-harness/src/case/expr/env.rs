//! The variables that an expression sees.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::value::Value;

/// The variables of one scope: main's, or one task's. As in Python, a loop has no scope of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Env {
    // Shared, because scopes are copied at every step and values can be large.
    vars: BTreeMap<String, Arc<Value>>,
}

impl Env {
    /// A scope without variables.
    pub fn new() -> Env {
        Env::default()
    }

    /// The scope with one more variable: for building a task's scope from its arguments.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Env {
        self.set(name, value);
        self
    }

    /// Binds a variable, or rebinds it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.vars.insert(name.into(), Arc::new(value.into()));
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.vars.get(name).map(Arc::as_ref)
    }

    /// Appends to a list variable, which is made if it is not there (`into: results`).
    ///
    /// # Errors
    /// The variable is no list, or the list grows beyond the bounds of a value.
    pub fn append(&mut self, name: &str, value: Value) -> Result<(), String> {
        let list = match self.get(name) {
            None => Vec::new(),
            Some(Value::List(items)) => items.clone(),
            Some(other) => return Err(format!("`{name}` is no list but {}", other.type_name())),
        };
        let longer = list.into_iter().chain([value]).collect();
        self.set(name, Value::List(longer).bounded()?);
        Ok(())
    }

    /// The names of all variables, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.vars.keys().map(String::as_str)
    }
}
