//! A random program as a case file that can be committed: with what is expected of it, by the model.

use super::predicted::Predicted;
use crate::case::ast::Case;
use crate::model::orders;
use crate::update;

/// The file: for every kind of worker on which the steps end as they do on the first.
pub(super) fn write(title: &str, predicted: &[Predicted]) -> String {
    let Some((first, rest)) = predicted.split_first() else {
        return String::new();
    };
    let title = format!("title: {}\n", update::scalar(title));
    let mut text = first.text.replacen("title: a random program\n", &title, 1);
    if !rest.iter().any(|other| other.text == first.text) {
        let only = format!("{title}only: {}\n", first.kind);
        text = text.replacen(&title, &only, 1);
    }
    let filled = match Case::parse("random", &text) {
        Ok(case) => update::fill(&case, &text, &update::predicted(&case), false, false),
        Err(_) => text,
    };
    let races = |one: &Predicted| orders(&one.case, one.kind).runs.len() > 1;
    let mut alike = predicted.iter().filter(|other| other.text == first.text);
    if alike.any(races) {
        filled.replacen("\nexpect:\n", "\nexpect:\n  schedules: rule\n", 1)
    } else {
        filled
    }
}
