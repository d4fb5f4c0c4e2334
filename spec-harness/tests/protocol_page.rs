//! `PROTOCOL.md` says what the types say: every message on the page is one, and every message is on the page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use spec_harness::judge::ExpectedFailures;
use spec_harness::protocol::{self, Begin, Control, FromAdapter, FromPuppet, Hello, Request};

const PAGE: &str = include_str!("../PROTOCOL.md");

/// The lines of every block of code that is of this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut inside = None;
    for line in PAGE.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside.is_some() => inside = None,
            Some(begins) => inside = Some(begins),
            None if inside == Some(language) => found.push(line),
            None => {}
        }
    }
    assert!(!found.is_empty(), "no block of `{language}`");
    found
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The words in backticks of an error message: what serde would have taken instead.
fn expected(error: impl ToString) -> BTreeSet<String> {
    let error = error.to_string();
    let expected = error.split_once("expected").map_or("", |(_, rest)| rest);
    let words = expected.split('`').skip(1).step_by(2);
    words.map(str::to_owned).collect()
}

fn keys(object: &Value) -> Vec<String> {
    let object = object.as_object().expect("a message is an object");
    object.keys().cloned().collect()
}

/// The message with a field that nothing has.
fn with_a_strange_field(message: &Value) -> Value {
    let mut message = message.clone();
    message["strange"] = Value::Null;
    message
}

fn requests() -> Vec<Request> {
    let lines = blocks("json request").into_iter();
    let parsed = lines.map(|line| {
        let request = Request::parse(line).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(json(&request.to_line()), json(line), "as it is sent");
        request
    });
    parsed.collect()
}

#[test]
fn every_request_is_one_and_every_command_stands_there_with_all_its_fields() {
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in requests() {
        let fields = keys(&serde_json::to_value(&request.command).expect("it is JSON"));
        let of_this = shown.entry(request.command.name().to_owned()).or_default();
        of_this.extend(fields.into_iter().filter(|field| field != "cmd"));
    }
    let unknown = Request::parse(r#"{"id":1,"by":"main","cmd":"?"}"#);
    let mut commands = expected(unknown.expect_err("there is no such command"));
    commands.extend(Control::NAMES.map(str::to_owned));
    assert!(commands.len() > 20, "{commands:?}");
    assert_eq!(shown.keys().cloned().collect::<BTreeSet<_>>(), commands);
    for line in blocks("json request") {
        let line = with_a_strange_field(&json(line)).to_string();
        let fields = expected(Request::parse(&line).expect_err("no command has such a field"));
        let command = json(&line)["cmd"].as_str().map(str::to_owned);
        assert_eq!(
            shown[&command.expect("a request has one")],
            fields,
            "{line}"
        );
    }
}

#[test]
fn every_reply_is_one_and_every_sort_of_it_stands_there() {
    let mut shown = BTreeSet::new();
    for line in [blocks("json reply"), blocks("json reply hello")].concat() {
        let message = FromAdapter::parse(line).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(json(&message.to_line()), json(line));
        shown.insert(match message {
            FromAdapter::Reply { result: Ok(_), .. } => "a value",
            FromAdapter::Reply { result: Err(_), .. } => "an error",
            FromAdapter::Timer { .. } => "a timer",
            FromAdapter::Cancel { .. } => "a cancelled timer",
        });
    }
    assert_eq!(shown.len(), 4, "{shown:?}");
}

#[test]
fn every_hello_is_one_and_all_its_fields_stand_there() {
    let mut shown = BTreeSet::new();
    let mut fields = BTreeSet::new();
    for line in blocks("json reply hello") {
        let hello = json(line)["ok"].clone();
        shown.extend(keys(&hello));
        let unknown = serde_json::from_value::<Hello>(with_a_strange_field(&hello));
        fields = expected(unknown.expect_err("there is no such field"));
        let hello: Hello = serde_json::from_value(hello).expect(line);
        hello.polling_period().expect(line);
        for word in hello.can {
            assert!(
                protocol::abilities().any(|(name, _)| name == word),
                "{word}"
            );
        }
    }
    assert_eq!(shown, fields);
}

#[test]
fn every_line_of_a_puppet_is_one_and_every_sort_of_it_stands_there() {
    let mut sorts = BTreeSet::new();
    let mut shown = BTreeSet::new();
    let mut fields = BTreeSet::new();
    for line in blocks("json puppet") {
        let message = FromPuppet::parse(line).unwrap_or_else(|error| panic!("{error}"));
        sorts.insert(match message {
            FromPuppet::Begin(_) => {
                shown.extend(keys(&json(line)));
                let strange = with_a_strange_field(&json(line));
                let unknown = serde_json::from_value::<Begin>(strange);
                fields = expected(unknown.expect_err("there is no such field"));
                "it begins"
            }
            FromPuppet::Done => "it is done",
            FromPuppet::Returned(Ok(_)) => "its call has a value",
            FromPuppet::Returned(Err(_)) => "its call has an error",
        });
    }
    assert_eq!(sorts.len(), 4, "{sorts:?}");
    assert_eq!(shown, fields);
}

#[test]
fn every_order_is_one_and_every_sort_of_it_stands_there() {
    let mut shown = BTreeSet::new();
    for line in blocks("json order") {
        let order = protocol::parse_order(line).unwrap_or_else(|error| panic!("{error}"));
        let same = serde_json::to_value(&order).expect("it is JSON");
        assert_eq!(same, json(line));
        shown.extend(keys(&same));
    }
    let unknown = protocol::parse_order(r#"{"?":1}"#);
    assert_eq!(shown, expected(unknown.expect_err("no such order")));
}

#[test]
fn every_ability_stands_there_and_no_other() {
    let commands: Vec<String> = requests()
        .iter()
        .map(|request| request.command.name().to_owned())
        .collect();
    let (_, section) = PAGE
        .split_once("## What `can` opens")
        .expect("there is a section");
    let section = section.split("\n## ").next().expect("it has an end");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let others = protocol::abilities().map(|(name, _)| name);
    let others = others.filter(|name| !commands.iter().any(|command| command == name));
    assert_eq!(rows, others.collect());
}

#[test]
fn the_list_of_expected_failures_is_one() {
    ExpectedFailures::parse(&blocks("yaml").join("\n")).expect("it is in order");
}

/// What comes from elsewhere: the names of errors, and the adapter at the end.
#[test]
fn what_is_copied_is_current() {
    let errors: String = protocol::errors()
        .map(|(name, says)| format!("| `{name}` | {says} |\n"))
        .collect();
    let page = replaced(PAGE, "| kind | when |\n|---|---|\n", "\n", &errors);
    let adapter = include_str!("../examples/adapters/minimal.py");
    let page = replaced(&page, "```python\n", "```\n", adapter);
    if std::env::var_os("UPDATE_PAGE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PROTOCOL.md");
        std::fs::write(path, &page).expect("it can be written");
    }
    assert!(PAGE == page, "run this test with UPDATE_PAGE=1");
}

/// The page with this between the first `after` and the `before` that follows.
fn replaced(page: &str, after: &str, before: &str, with: &str) -> String {
    let (head, rest) = page.split_once(after).expect(after);
    let end = if rest.starts_with(before) {
        0
    } else {
        rest.find(&format!("\n{before}")).expect(before) + 1
    };
    format!("{head}{after}{with}{}", &rest[end..])
}
