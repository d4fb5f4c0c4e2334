//! The rows of the contract, and the claims of the tutorials.

use spec_harness::picture::svg::escaped;

use super::Page;
use crate::cli::report::data::{CaseReport, DocumentReport, RowReport};

impl Page {
    pub(super) fn contract(&mut self, rows: &[RowReport], cases: &[CaseReport]) {
        let Some(first) = rows.first() else { return };
        self.put(format_args!(
            "<section id=\"contract\" aria-labelledby=\"contract-h\">\n<h2 id=\"contract-h\">The contract, row by row</h2>\n<div class=\"scroll tall\" tabindex=\"0\" role=\"region\" aria-label=\"Rows of the contract\">\n<table class=\"matrix\">\n<thead><tr><th scope=\"col\">row</th>"
        ));
        for cell in &first.cells {
            self.put(format_args!("<th scope=\"col\">{}</th>", escaped(&cell.on)));
        }
        self.put(format_args!("</tr></thead>\n<tbody>\n"));
        for row in rows {
            self.put(format_args!(
                "<tr><th scope=\"row\"><strong>{}</strong> {}<small>{}</small>",
                escaped(&row.row),
                coded(&row.says),
                escaped(&row.python),
            ));
            let shown = row.cases.iter().map(|name| linked(name, cases));
            let shown: Vec<String> = shown
                .chain(row.tests.iter().map(|test| escaped(test)))
                .collect();
            if !shown.is_empty() {
                self.put(format_args!(
                    "<details class=\"shown\"><summary>{}</summary>{}</details>",
                    counted(row),
                    shown.join("<br>")
                ));
            }
            self.put(format_args!("</th>"));
            for cell in &row.cells {
                let word = cell.shows.split(' ').next().unwrap_or_default();
                let (class, sign) = match word {
                    "pass" | "tests" => ("pass", "✓"),
                    "FAIL" | "HOLE" => ("fail", "✗"),
                    "unknown" => ("unknown", "?"),
                    "expected" => ("expected", "≈"),
                    _ => ("na", "–"),
                };
                let why = cell
                    .why
                    .as_deref()
                    .map_or(String::new(), |why| format!(" title=\"{}\"", escaped(why)));
                let shows = if cell.shows == "-" {
                    ""
                } else {
                    cell.shows.as_str()
                };
                self.put(format_args!(
                    "<td{why}><span class=\"v {class}\"><span aria-hidden=\"true\">{sign}</span> {}</span></td>",
                    escaped(shows)
                ));
            }
            self.put(format_args!("</tr>\n"));
        }
        self.put(format_args!("</tbody></table></div>\n</section>\n"));
    }

    pub(super) fn claims(&mut self, documents: &[DocumentReport], cases: &[CaseReport]) {
        if documents.is_empty() {
            return;
        }
        self.put(format_args!(
            "<section id=\"claims\" aria-labelledby=\"claims-h\">\n<h2 id=\"claims-h\">What the tutorials say, and what happens</h2>\n"
        ));
        for document in documents {
            self.put(format_args!(
                "<h3>{} {}</h3>\n<dl>\n",
                escaped(&document.id),
                escaped(&document.title)
            ));
            for claim in &document.claims {
                let lines: Vec<String> = claim.lines.iter().map(usize::to_string).collect();
                let word = if lines.len() == 1 { "line" } else { "lines" };
                self.put(format_args!(
                    "<dt>“{}” <small>{word} {}</small></dt>\n",
                    coded(&claim.says),
                    lines.join(", ")
                ));
                for judged in &claim.judged {
                    let (class, sign) = match judged.verdict.as_str() {
                        "yes" => ("pass", "✓"),
                        "no" => ("fail", "✗"),
                        _ => ("expected", "≈"),
                    };
                    self.put(format_args!(
                        "<dd><span class=\"v {class}\"><span aria-hidden=\"true\">{sign}</span> {}</span> {} <small>{}</small></dd>\n",
                        escaped(&judged.verdict),
                        coded(judged.why.as_deref().unwrap_or_default()),
                        linked(&judged.case, cases)
                    ));
                }
            }
            self.put(format_args!("</dl>\n"));
        }
        self.put(format_args!("</section>\n"));
    }
}

/// A text in which what stands between backticks is code.
fn coded(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // One that has no partner is a sign like any other.
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    let code = |(index, part): (usize, &&str)| match index % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    };
    parts.iter().enumerate().map(code).collect()
}

/// The name of a case, as a link where the case is on this page.
fn linked(name: &str, cases: &[CaseReport]) -> String {
    match cases.iter().position(|case| case.name == name) {
        Some(number) => format!("<a href=\"#c{number}\">{}</a>", escaped(name)),
        None => escaped(name),
    }
}

/// `3 cases, 2 tests`.
fn counted(row: &RowReport) -> String {
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    };
    match (row.cases.len(), row.tests.len()) {
        (0, 0) => "nothing".to_owned(),
        (cases, 0) => plural(cases, "case"),
        (0, tests) => plural(tests, "Rust test"),
        (cases, tests) => format!("{}, {}", plural(cases, "case"), plural(tests, "Rust test")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stands_between_two_backticks() {
        assert_eq!(coded("`<a>` & b"), "<code>&lt;a&gt;</code> &amp; b");
        assert_eq!(coded("a ` b"), "a ` b");
    }
}
