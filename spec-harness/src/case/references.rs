//! What a case can refer to: the rows of the contract, and documents with their examples.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::yaml::{self, Kind, Node};

/// The rows of the contract, in order.
static ROWS: LazyLock<Vec<String>> = LazyLock::new(|| rows(spec_cases::CONTRACT_YAML));

/// The examples of each document, by the ids of both.
static SOURCES: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| sources(spec_cases::SOURCES_YAML));

/// The examples of each document, by the ids of both.
pub(super) fn documents() -> &'static BTreeMap<String, Vec<String>> {
    &SOURCES
}

/// The rows of the contract, in order.
pub(super) fn contract_rows() -> &'static [String] {
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
    use super::documents;

    #[test]
    fn the_documents_and_their_examples_are_known() {
        assert!(documents()["004"].iter().any(|example| example == "S004-1"));
        assert_eq!(documents().len(), 5);
    }
}
