//! Checks what a case refers to outside of itself: documents and rows of the contract.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::Check;
use crate::case::ast::{Case, Spanned};
use crate::case::diagnostic::Diagnostic;
use crate::case::language::{self, ABILITIES};
use crate::case::suggest::did_you_mean;
use crate::case::yaml::{self, Kind, Node};

/// The rows of the contract, in order.
static ROWS: LazyLock<Vec<String>> = LazyLock::new(|| rows(spec_cases::CONTRACT_YAML));

/// The examples of each document, by the ids of both.
static SOURCES: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| sources(spec_cases::SOURCES_YAML));

impl Check<'_> {
    pub(super) fn references(&mut self, case: &Case) {
        for row in &case.covers {
            self.row(row);
        }
        if let Some(source) = &case.source {
            self.source(source);
        }
        for need in &case.needs {
            self.need(need);
        }
    }

    fn need(&mut self, need: &Spanned<String>) {
        // An ability that nobody can have would make the case quietly apply to nobody.
        let abilities: Vec<_> = language::all(ABILITIES).collect();
        if !abilities.contains(&need.value.as_str()) {
            self.problems.push(
                Diagnostic::new(need.span, format!("unknown ability `{}`", need.value))
                    .help(format!("abilities: {}", abilities.join(", ")))
                    .maybe_help(did_you_mean(&need.value, abilities)),
            );
        }
    }

    fn row(&mut self, row: &Spanned<String>) {
        if ROWS.contains(&row.value) {
            return;
        }
        let sections = sections();
        let own = sections
            .iter()
            .find(|(letter, _)| row.value.starts_with(*letter));
        let help = match own {
            Some((letter, rows)) => {
                format!("this section of the contract has {letter}1 to {letter}{rows}")
            }
            None => {
                let all = sections
                    .iter()
                    .map(|(letter, rows)| format!("{letter}1-{rows}"));
                format!("the contract has {}", all.collect::<Vec<_>>().join(", "))
            }
        };
        self.problems.push(
            Diagnostic::new(
                row.span,
                format!("there is no row `{}` in the contract", row.value),
            )
            .help(help),
        );
    }

    fn source(&mut self, source: &Spanned<String>) {
        let (document, example) = source.value.split_once('#').unwrap_or((&source.value, ""));
        let Some(examples) = SOURCES.get(document) else {
            let documents: Vec<_> = SOURCES.keys().map(String::as_str).collect();
            self.problems.push(
                Diagnostic::new(source.span, format!("there is no document `{document}`"))
                    .help(format!("documents: {}", documents.join(", "))),
            );
            return;
        };
        if examples.iter().any(|known| known == example) {
            return;
        }
        let message = if example.is_empty() {
            format!("the source `{}` names no example", source.value)
        } else {
            format!("document `{document}` has no example `{example}`")
        };
        self.problems.push(
            Diagnostic::new(source.span, message)
                .help(format!("its examples: {}", examples.join(", ")))
                .maybe_help(did_you_mean(example, examples.iter().map(String::as_str))),
        );
    }
}

/// The rows of the contract, in order.
pub(in crate::case) fn contract_rows() -> &'static [String] {
    &ROWS
}

/// The names of the rows.
fn rows(yaml: &str) -> Vec<String> {
    let Ok(Node {
        kind: Kind::List(rows),
        ..
    }) = yaml::parse(yaml)
    else {
        return Vec::new();
    };
    let names = rows.iter().filter_map(|row| text(entry(row, "row")?));
    names.collect()
}

/// The letters of the contract's sections, in order, and how many rows each has.
fn sections() -> Vec<(char, usize)> {
    let mut sections: Vec<(char, usize)> = Vec::new();
    for letter in ROWS.iter().filter_map(|row| row.chars().next()) {
        match sections.iter_mut().find(|(known, _)| *known == letter) {
            Some((_, rows)) => *rows += 1,
            None => sections.push((letter, 1)),
        }
    }
    sections
}

/// The ids of documents and of their examples: mappings with an `id`, the former with `examples`.
fn sources(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    if let Ok(tree) = yaml::parse(text) {
        collect(&tree, &mut found);
    }
    found
}

fn collect(node: &Node, found: &mut BTreeMap<String, Vec<String>>) {
    match &node.kind {
        Kind::Scalar(_) => {}
        Kind::List(items) => items.iter().for_each(|item| collect(item, found)),
        Kind::Mapping(entries) => match (entry(node, "id"), entry(node, "examples")) {
            (
                Some(id),
                Some(Node {
                    kind: Kind::List(examples),
                    ..
                }),
            ) => {
                let ids = examples
                    .iter()
                    .filter_map(|example| text(entry(example, "id")?));
                found.insert(text(id).unwrap_or_default(), ids.collect());
            }
            _ => entries.iter().for_each(|(_, value)| collect(value, found)),
        },
    }
}

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Kind::Mapping(entries) = &node.kind else {
        return None;
    };
    let named = |key: &Node| key.scalar().is_some_and(|scalar| scalar.text == name);
    entries
        .iter()
        .find(|(key, _)| named(key))
        .map(|(_, value)| value)
}

fn text(node: &Node) -> Option<String> {
    node.scalar().map(|scalar| scalar.text.clone())
}

#[cfg(test)]
mod tests {
    use super::SOURCES;

    #[test]
    fn the_documents_and_their_examples_are_known() {
        assert!(SOURCES["004"].iter().any(|example| example == "S004-1"));
        assert_eq!(SOURCES.len(), 5);
    }
}
