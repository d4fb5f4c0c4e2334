//! The tables against the parser, the reference page and the schema against the tables, and both files in `spec-cases`
//! against what is printed.

mod json_schema;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use json_schema::Schema;
use serde_json::Value;

use super::expression::{BRACES, FUNCTIONS, WAYS};
use super::*;
use crate::case::ast::{Case, Span};
use crate::case::expr::{Env, Expr, Function, Template};

/// What the examples may refer to.
const TASKS: &str =
    "tasks:\n  func(i): []\n  other(): []\n  add(a, b): []\n  fails(i):\n    - raise: Busy";

/// A file of these entries; entries that are not among them are as in any case.
fn file(entries: &[String]) -> String {
    let key = |entry: &str| entry.split(':').next().unwrap_or_default().to_owned();
    let usual = ["spec: 1", "title: t", TASKS, "main:\n  - pool: 2"];
    let given: Vec<String> = entries.iter().map(|entry| key(entry)).collect();
    let usual = usual.iter().filter(|entry| !given.contains(&key(entry)));
    let all: Vec<String> = usual
        .map(|s| (*s).to_owned())
        .chain(entries.to_vec())
        .collect();
    all.join("\n") + "\n"
}

fn indented(text: &str, by: usize) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|l| format!("{}{l}", " ".repeat(by)))
        .collect();
    lines.join("\n")
}

/// A file in which an example stands at its place.
fn with_step(example: &str) -> String {
    let before = "main:\n  - pool: 2\n  - apply_async: func(1)\n    as: r\n  - imap: func\n    over: [1]\n    as: it\n  - process: func(1)\n    as: p\n";
    file(&[format!("{before}{}", indented(example, 2))])
}

fn with_operation(example: &str) -> String {
    file(&[format!("{TASKS}\n  body(i):\n{}", indented(example, 4))])
}

fn with_expect(example: &str) -> String {
    file(&[format!("expect:\n{}", indented(example, 2))])
}

/// Every example of the tables, in a whole file.
fn examples() -> Vec<(&'static str, String)> {
    let mut all: Vec<(&str, String)> = Vec::new();
    let mut add = |words: &[Word], whole: &dyn Fn(&str) -> String| {
        for word in words {
            assert!(
                word.example.contains(word.name),
                "{}: {}",
                word.name,
                word.example
            );
            all.push((word.name, whole(word.example)));
        }
    };
    add(DOCUMENT, &|entry| file(&[entry.to_owned()]));
    add(OPERATIONS, &with_operation);
    add(BRANCHES, &with_operation);
    add(RAISE, &|value| with_operation(&format!("- raise: {value}")));
    for form in FORMS {
        add(&[form.word], &with_step);
    }
    add(BESIDE, &with_step);
    add(POOL, &|value| with_step(&format!("- pool: {value}")));
    add(EXPECT, &with_expect);
    add(LINE, &|value| with_expect(&format!("output:\n  - {value}")));
    add(WORKERS, &|value| with_expect(&format!("workers: {value}")));
    add(CLAIM, &|value| {
        with_expect(&format!("claims:\n  - {value}"))
    });
    all
}

#[test]
fn every_example_is_read_by_the_parser() {
    for (name, text) in examples() {
        if let Err(problems) = Case::parse("example", &text) {
            let shown: Vec<_> = problems.iter().map(|p| p.render(&text, false)).collect();
            panic!("{name}:\n{}", shown.join("\n"));
        }
    }
}

#[test]
fn every_example_is_accepted_by_the_schema() {
    let schema = Schema::new(super::schema());
    for (name, text) in examples() {
        let document = document(&text).expect(name);
        assert_eq!(schema.refuses(&document), None, "{name}");
    }
}

#[test]
fn every_expression_gives_what_the_page_says() {
    let nowhere = Span::default();
    for way in WAYS.iter().chain(FUNCTIONS) {
        let value = Expr::parse(way.example, nowhere)
            .expect(way.example)
            .eval(&Env::new());
        assert_eq!(
            value.expect(way.example).repr(),
            way.gives,
            "{}",
            way.example
        );
    }
    for way in BRACES {
        let text = Template::parse(way.example, nowhere).expect(way.example);
        assert_eq!(
            text.render(&Env::new()).as_deref(),
            Ok(way.gives),
            "{}",
            way.example
        );
    }
}

#[test]
fn every_function_is_on_the_page() {
    let told: Vec<&str> = FUNCTIONS
        .iter()
        .filter_map(|way| way.example.split('(').next())
        .collect();
    assert_eq!(told, Function::names().collect::<Vec<_>>());
}

#[test]
fn every_key_beside_a_step_is_on_the_page_and_goes_with_one() {
    let mut used: Vec<&str> = FORMS.iter().flat_map(Form::others).collect();
    used.sort_unstable();
    used.dedup();
    let mut told: Vec<&str> = BESIDE.iter().map(|word| word.name).collect();
    told.sort_unstable();
    assert_eq!(used, told);
}

#[test]
fn names_are_there_once() {
    for table in [ERRORS, ABILITIES] {
        let mut names: Vec<&str> = all(table).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table.len());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file that a command of the harness prints is current.
#[track_caller]
fn current(file: &str, printed: &str, command: &str) {
    let path = root().join(file);
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(&path, printed).expect(file);
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == printed,
        "{file} is not what `{command}` prints: run this test with UPDATE_PAGES=1"
    );
}

#[test]
fn the_reference_page_is_current() {
    let printed = reference();
    current(
        "spec-cases/REFERENCE.md",
        &printed,
        "spec-harness schema --reference",
    );
}

#[test]
fn the_schema_is_current() {
    let printed = format!("{:#}\n", schema());
    current(
        "spec-cases/case.schema.json",
        &printed,
        "spec-harness schema",
    );
}

/// The document as an editor sees it: what no editor can read is no matter of the schema.
fn document(text: &str) -> Option<Value> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).ok()
}

#[test]
fn the_schema_accepts_every_case() {
    let schema = Schema::new(super::schema());
    for (name, text) in spec_cases::CASES {
        let document = document(text).expect(name);
        assert_eq!(schema.refuses(&document), None, "{name}");
    }
}

/// The files of `ui` with a mistake of form; the other mistakes are about what words mean together.
const MISTAKES_OF_FORM: &str = "
    a_bad_expression_is_shown_at_its_place
    a_body_cannot_make_a_pool
    a_body_that_is_no_list_is_refused
    a_call_from_a_body_is_a_call_of_the_pool
    a_claim_needs_a_verdict
    a_kind_of_error_is_one_word
    a_line_that_yaml_reads_as_a_mapping_is_refused
    a_loop_without_steps_is_refused
    a_map_with_arguments_is_refused
    a_map_without_items_is_refused
    a_missing_version_title_and_program_are_all_reported
    a_modifier_as_a_step_of_its_own_is_refused
    a_modifier_that_does_not_go_with_the_step_is_refused
    a_process_without_a_name_is_refused
    a_program_that_is_no_list_is_refused
    a_step_that_raises_and_blocks_is_refused
    a_step_that_raises_has_no_result
    a_title_of_the_wrong_type_is_refused
    an_empty_file_is_refused
    an_iterator_without_a_name_is_refused
    an_order_that_says_nothing_is_refused
    an_unknown_ability_finds_the_one_meant
    an_unknown_fate_finds_the_one_meant
    an_unknown_key_of_a_case_finds_the_one_meant
    an_unknown_key_of_a_step_finds_the_one_meant
    an_unknown_kind_of_worker_is_refused
    an_unknown_operation_finds_the_one_meant
    an_unknown_row_of_the_contract_is_refused
    an_unknown_step_finds_the_one_meant
    an_unknown_version_is_refused
    an_unknown_word_lists_the_steps
    blocks_is_forever_or_nothing
    braces_without_quotes_are_a_mapping
    several_mistakes_are_reported_at_once
    takes_is_a_time
    two_operations_in_one_item_are_refused
    two_steps_in_one_item_are_refused
    a_result_is_kept_by_as
    an_exception_is_no_call
    in_stands_on_each_step_of_a_loop
    the_lines_of_an_instant_are_a_list
    the_pool_is_named_by_on
    the_size_of_a_pool_is_an_option
";

#[test]
fn the_schema_refuses_mistakes_of_form() {
    let schema = Schema::new(super::schema());
    let mut refused = BTreeSet::new();
    for entry in fs::read_dir(root().join("spec-harness/tests/ui")).expect("ui") {
        let path = entry.expect("ui").path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).expect("a file");
        let Some(document) = document(&text) else {
            continue;
        };
        if schema.refuses(&document).is_some() {
            // What the schema refuses the parser must refuse too, else it would forbid what is allowed.
            assert!(Case::parse(&name, &text).is_err(), "{name}");
            refused.insert(name);
        }
    }
    let listed: BTreeSet<String> = MISTAKES_OF_FORM
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let accepted: Vec<_> = listed.difference(&refused).collect();
    assert!(accepted.is_empty(), "{accepted:?}");
}
