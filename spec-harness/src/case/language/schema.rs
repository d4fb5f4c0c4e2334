//! The JSON Schema of case files, for editors: what has the right shape. What the words mean together is `check`'s.

use serde_json::{Map, Value, json};

use super::{
    ABILITIES, BESIDE, BRANCHES, CLAIM, DOCUMENT, EXPECT, FATES, FORMS, Form, LINE, ON, OPERATIONS,
    POOL, RAISE, Shape, WORKERS, Word, all,
};
use crate::case::references::contract_rows;

/// A letter that a name can begin with, and one that it can go on with, for want of classes that all editors know.
macro_rules! name {
    () => {
        r"[^\s\d!-/:-@\[-^`{-~][^\s!-/:-@\[-^`{-~]*"
    };
}

/// A name that a case gives.
const NAME: &str = concat!("^", name!(), "$");

/// A task with its arguments, or with none.
const CALL: &str = concat!(r"^\s*", name!(), r"\s*(\(.*\))?\s*$");

/// A task alone.
const TASK: &str = concat!(r"^\s*", name!(), r"\s*(\(\s*\))?\s*$");

/// A variable and what it goes over.
const LOOP: &str = concat!(r"^\s*", name!(), r"\s+in\s*\S");

/// The name of an error, with its message or without.
const RAISE_TEXT: &str = concat!("^", name!(), "(: .*)?$");

/// The JSON Schema (draft 7, which every editor reads) of case files.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for shape in Shape::ALL {
        definitions.insert(key(shape), of(shape));
    }
    definitions.insert("Line".to_owned(), line());
    definitions.insert("Step".to_owned(), step(|_| true, true));
    definitions.insert("Operation".to_owned(), operation());
    let mut root = mapping(DOCUMENT, &["spec", "title", "main"]);
    let head = [
        ("$schema", json!("http://json-schema.org/draft-07/schema#")),
        ("title", json!("a case of spec-harness, version 1")),
        ("definitions", Value::Object(definitions)),
    ];
    for (name, value) in head {
        root[name] = value;
    }
    root
}

/// Where the schema of a shape stands.
fn refer(shape: Shape) -> Value {
    json!({ "$ref": format!("#/definitions/{}", key(shape)) })
}

/// The schema of a shape with what a word says of it, which editors show.
fn said(word: &Word) -> Value {
    // Beside a `$ref` draft 7 hears nothing else.
    json!({ "description": word.says, "allOf": [refer(word.shape)] })
}

/// A mapping of these words and no others.
fn mapping(words: &[Word], required: &[&str]) -> Value {
    let properties: Map<String, Value> = words
        .iter()
        .map(|word| (word.name.to_owned(), said(word)))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// Text, or what YAML takes for something else and is text all the same.
fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn step_items() -> Value {
    list(json!({ "$ref": "#/definitions/Step" }))
}

/// The schema of a shape.
fn of(shape: Shape) -> Value {
    match shape {
        Shape::Nothing => json!({ "type": "null" }),
        Shape::Version => json!({ "const": 1 }),
        Shape::Text => scalar(),
        Shape::Words => list(scalar()),
        Shape::Rows => list(json!({ "enum": contract_rows() })),
        Shape::Abilities => list(json!({ "enum": all(ABILITIES).collect::<Vec<_>>() })),
        Shape::Kind => json!({ "enum": ["thread", "process"] }),
        Shape::Tasks => json!({
            "type": "object",
            "propertyNames": { "pattern": CALL },
            "additionalProperties": { "anyOf": [{ "type": "null" }, refer(Shape::Ops)] },
        }),
        Shape::Steps => step_items(),
        Shape::Ops => list(json!({ "$ref": "#/definitions/Operation" })),
        Shape::InnerStep => step(Form::inside, false),
        Shape::Expect => mapping(EXPECT, &[]),
        Shape::On => json!({
            "type": "object",
            "propertyNames": { "enum": ["thread", "process"] },
            "additionalProperties": mapping(ON, &["expect"]),
        }),
        Shape::Timeline => json!({
            "type": "object",
            "propertyNames": { "pattern": r"^[0-9]*\.?[0-9]+$" },
            "additionalProperties": refer(Shape::Lines),
        }),
        Shape::Lines => list(json!({ "$ref": "#/definitions/Line" })),
        Shape::Fates => {
            let fates: Vec<_> = FATES.iter().map(|(_, named)| named.name).collect();
            json!({
                "type": "object",
                "propertyNames": { "pattern": CALL },
                "additionalProperties": { "enum": fates },
            })
        }
        Shape::Workers => mapping(WORKERS, &[]),
        Shape::Orders => list(json!({
            "type": "string",
            "pattern": r"^\s*(start|end)\s+\S.*<\s*(start|end)\s+\S",
        })),
        Shape::Claims => list(mapping(CLAIM, &["says", "verdict"])),
        Shape::Schedules => json!({ "anyOf": [
            { "const": "rule" },
            { "type": "array", "minItems": 1, "items": refer(Shape::Expect) },
        ]}),
        Shape::Time => json!({ "type": "number", "minimum": 0, "maximum": 1_000_000 }),
        Shape::Count => json!({ "type": "integer", "minimum": 0 }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Truth => json!({ "enum": [true, false, "usually"] }),
        Shape::Expr => json!({ "anyOf": [scalar(), list(refer(Shape::Expr))] }),
        Shape::Template => scalar(),
        Shape::Name | Shape::Error => json!({ "type": "string", "pattern": NAME }),
        Shape::PoolName => json!({ "anyOf": [{ "type": "null" }, refer(Shape::Name)] }),
        Shape::NewPool => json!({ "anyOf": [
            { "type": "null" },
            refer(Shape::Expr),
            mapping(POOL, &[]),
        ]}),
        Shape::Call => json!({ "type": "string", "pattern": CALL }),
        Shape::Task => json!({ "type": "string", "pattern": TASK }),
        Shape::Loop => json!({ "type": "string", "pattern": LOOP }),
        Shape::Bindings => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": refer(Shape::Expr),
        }),
        Shape::Raise => json!({ "anyOf": [
            { "type": "string", "pattern": RAISE_TEXT },
            mapping(RAISE, &["kind"]),
        ]}),
        Shape::Forever => json!({ "const": "forever" }),
    }
}

/// One printed line, or a group.
fn line() -> Value {
    let text = json!({ "type": ["string", "number", "boolean"] });
    json!({ "anyOf": [text, mapping(LINE, &["any"])] })
}

/// The steps that are wanted, each a mapping of its own keys; some may be one word.
fn step(wanted: impl Fn(&Form) -> bool, threads: bool) -> Value {
    let forms = || FORMS.iter().filter(|form| wanted(form));
    let bare: Vec<&str> = forms()
        .filter(|form| form.bare())
        .map(|form| form.name())
        .collect();
    let mut any = vec![json!({ "enum": bare })];
    any.extend(forms().map(|form| whole(form, threads)));
    json!({ "anyOf": any })
}

/// One form of a step as a mapping.
fn whole(form: &Form, threads: bool) -> Value {
    let mut words = vec![form.word];
    let others = form.others();
    let beside = BESIDE.iter().filter(|word| others.contains(&word.name));
    words.extend(beside.filter(|word| threads || word.name != "in"));
    let mut required = vec![form.name()];
    required.extend(form.required());
    let mut step = mapping(&words, &required);
    let both = |one: &str, other: &str| json!({ "required": [one, other] });
    let mut not = Vec::new();
    if form.call.is_some() {
        not.extend([both("raises", "blocks"), both("takes", "blocks")]);
    }
    if form.call.is_some() && form.yields {
        not.extend([both("raises", "as"), both("raises", "into")]);
    }
    if form.bare() && others.contains(&"on") {
        // The pool is named once.
        let named =
            json!({ "required": ["on"], "properties": { form.name(): { "type": "string" } } });
        not.push(named);
    }
    if !not.is_empty() {
        step["not"] = json!({ "anyOf": not });
    }
    if form.kept() {
        let ways = ["as", "into", "raises"].map(|way| json!({ "required": [way] }));
        step["anyOf"] = json!(ways);
    }
    step
}

/// One operation of a body.
fn operation() -> Value {
    let is_bare = |word: &&Word| word.shape == Shape::Nothing;
    let bare: Vec<&str> = OPERATIONS
        .iter()
        .filter(is_bare)
        .map(|word| word.name)
        .collect();
    let mut any = vec![json!({ "enum": bare })];
    for word in OPERATIONS.iter().filter(|word| !is_bare(word)) {
        let mut operation = mapping(std::slice::from_ref(word), &[word.name]);
        if word.name == "if" {
            let words: Vec<Word> = std::iter::once(word).chain(BRANCHES).copied().collect();
            operation = mapping(&words, &["if", "then"]);
        }
        any.push(operation);
    }
    json!({ "anyOf": any })
}

/// The name of a shape's definition.
fn key(shape: Shape) -> String {
    format!("{shape:?}")
}
