//! As much of JSON Schema (draft 7) as the schema of case files uses; a keyword that is not known here fails the test.

use regex_lite::Regex;
use serde_json::{Map, Value};

/// A schema that values can be held against.
#[derive(Debug)]
pub(super) struct Schema {
    root: Value,
}

/// Keywords that say nothing about values.
const REMARKS: [&str; 4] = ["$schema", "title", "description", "definitions"];

impl Schema {
    /// The schema in this document.
    pub(super) fn new(root: Value) -> Schema {
        Schema { root }
    }

    /// Why a value is refused; nothing if it is accepted.
    pub(super) fn refuses(&self, value: &Value) -> Option<String> {
        self.against(&self.root, value, "")
    }

    /// The first reason of a schema against a value, with the place in the value.
    fn against(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        let keywords = schema.as_object().expect("a schema is an object");
        let mut keywords = keywords
            .iter()
            .filter(|(key, _)| !REMARKS.contains(&key.as_str()));
        keywords.find_map(|(key, says)| self.keyword(key, says, schema, value, at))
    }

    fn keyword(
        &self,
        key: &str,
        says: &Value,
        schema: &Value,
        value: &Value,
        at: &str,
    ) -> Option<String> {
        let no = |why: &str| Some(format!("{at}: {why}, not {value}"));
        let object = value.as_object();
        match key {
            "$ref" => self.against(self.target(says), value, at),
            "allOf" => list(says)
                .iter()
                .find_map(|one| self.against(one, value, at)),
            "anyOf" => {
                let reasons: Option<Vec<_>> = list(says)
                    .iter()
                    .map(|one| self.against(one, value, at))
                    .collect();
                reasons.map(|reasons| reasons.join("; "))
            }
            "not" => match self.against(says, value, at) {
                None => no("what is excluded"),
                Some(_) => None,
            },
            "type" => {
                let wanted = match says {
                    Value::Array(types) => types.iter().any(|one| is_of(one, value)),
                    one => is_of(one, value),
                };
                if wanted {
                    None
                } else {
                    no(&format!("type {says}"))
                }
            }
            "enum" => {
                if list(says).contains(value) {
                    None
                } else {
                    no(&format!("one of {says}"))
                }
            }
            "const" => {
                if says == value {
                    None
                } else {
                    no(&format!("{says}"))
                }
            }
            "minimum" => value
                .as_f64()
                .filter(|x| Some(*x) < says.as_f64())
                .and_then(|_| no("too small")),
            "maximum" => value
                .as_f64()
                .filter(|x| Some(*x) > says.as_f64())
                .and_then(|_| no("too large")),
            "pattern" => {
                let pattern = Regex::new(says.as_str().expect("a pattern")).expect("a pattern");
                value
                    .as_str()
                    .filter(|text| !pattern.is_match(text))
                    .and_then(|_| no(&format!("text like {says}")))
            }
            "minItems" => {
                let least = says.as_u64().expect("a number");
                value
                    .as_array()
                    .filter(|items| (items.len() as u64) < least)
                    .and_then(|_| no("more items"))
            }
            "items" => value
                .as_array()?
                .iter()
                .enumerate()
                .find_map(|(i, item)| self.against(says, item, &format!("{at}/{i}"))),
            "required" => {
                let missing = list(says)
                    .iter()
                    .find(|key| !object.is_some_and(|o| o.contains_key(text(key))));
                // It speaks of objects alone.
                object?;
                missing.and_then(|key| no(&format!("with {key}")))
            }
            "properties" => object?.iter().find_map(|(name, inner)| {
                let schema = says.get(name)?;
                self.against(schema, inner, &format!("{at}/{name}"))
            }),
            "propertyNames" => object?.keys().find_map(|name| {
                self.against(says, &Value::String(name.clone()), &format!("{at}/{name}"))
            }),
            "additionalProperties" => {
                let none = Map::new();
                let known = schema
                    .get("properties")
                    .and_then(Value::as_object)
                    .unwrap_or(&none);
                let mut others = object?
                    .iter()
                    .filter(|(name, _)| !known.contains_key(*name));
                others.find_map(|(name, inner)| match says {
                    Value::Bool(false) => no(&format!("without {name}")),
                    schema => self.against(schema, inner, &format!("{at}/{name}")),
                })
            }
            other => panic!("the keyword {other} is not known here"),
        }
    }

    fn target(&self, reference: &Value) -> &Value {
        let pointer = text(reference)
            .strip_prefix('#')
            .expect("a place in this document");
        self.root
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer} is not there"))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn is_of(name: &Value, value: &Value) -> bool {
    match text(name) {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known here"),
    }
}
