//! Checks what a case refers to outside of itself: documents and rows of the contract.

use super::Check;
use crate::case::ast::{Case, Spanned};
use crate::case::diagnostic::Diagnostic;
use crate::case::language::{self, ABILITIES};
use crate::case::references::{contract_rows, documents};
use crate::case::suggest::did_you_mean;

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
        if contract_rows().contains(&row.value) {
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
        let Some(examples) = documents().get(document) else {
            let documents: Vec<_> = documents().keys().map(String::as_str).collect();
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

/// The letters of the contract's sections, in order, and how many rows each has.
fn sections() -> Vec<(char, usize)> {
    let mut sections: Vec<(char, usize)> = Vec::new();
    for letter in contract_rows().iter().filter_map(|row| row.chars().next()) {
        match sections.iter_mut().find(|(known, _)| *known == letter) {
            Some((_, rows)) => *rows += 1,
            None => sections.push((letter, 1)),
        }
    }
    sections
}
