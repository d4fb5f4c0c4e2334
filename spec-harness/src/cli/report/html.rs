//! A report as one page: no other file, no framework, and nothing but the filter needs a script.

mod runs;
mod tables;

use std::fmt::Write;

use spec_harness::picture::svg::{self, escaped};

use super::data::{CaseReport, Report, RunReport};
use super::gather::Drawn;
use crate::cli::cell::Word;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

impl RunReport {
    /// Whether somebody has to look at it.
    fn is_wrong(&self) -> bool {
        matches!(
            self.verdict,
            Word::Fail | Word::Unknown | Word::ExpectsNothing
        ) || self.drift.is_some()
    }
}

/// The class and the sign of a verdict: it is told by words too, and by its colour only beside them.
fn class_and_sign(word: Word) -> (&'static str, &'static str) {
    match word {
        Word::Pass | Word::Without => ("pass", "✓"),
        Word::Fail => ("fail", "✗"),
        Word::Unknown | Word::ExpectsNothing => ("unknown", "?"),
        Word::ExpectedFailure => ("expected", "≈"),
        Word::NotApplicable => ("na", "–"),
        Word::NotHere => ("na", "·"),
        Word::Open => ("unknown", "·"),
    }
}

/// The whole page.
pub(super) fn page(report: &Report, pictures: &[Vec<Drawn>]) -> String {
    let title = title(report);
    let mut page = Page(String::with_capacity(1 << 20));
    page.put(format_args!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>{}: spec-harness</title>\n<style>\n{STYLE}\n{}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#cases\">Skip to the cases</a>\n\
         <svg width=\"0\" height=\"0\" aria-hidden=\"true\" class=\"pic hidden\">{}</svg>\n",
        escaped(&title),
        svg::STYLE,
        svg::PATTERNS
    ));
    page.header(report, &title);
    page.put(format_args!("<main>\n"));
    page.summary(report);
    page.failures(report);
    page.matrix(report);
    page.runs(report, pictures);
    page.contract(&report.contract, &report.cases);
    page.claims(&report.documents, &report.cases);
    page.put(format_args!(
        "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    ));
    page.0
}

/// How it came out, in one line.
fn title(report: &Report) -> String {
    let with = |verdict: Word| {
        let cases = report.cases.iter();
        cases
            .filter(|case| case.runs.iter().any(|run| run.verdict == verdict))
            .count()
    };
    let cases = report.cases.len();
    let noun = if cases == 1 { "case" } else { "cases" };
    match (with(Word::Fail), with(Word::Unknown)) {
        (0, 0) => format!("{cases} {noun}, none failed"),
        (failed, 0) => format!("{failed} of {cases} {noun} failed"),
        (0, unknown) => format!("{cases} {noun}, none failed, {unknown} unknown"),
        (failed, unknown) => format!("{failed} of {cases} {noun} failed, {unknown} unknown"),
    }
}

/// Cases that something is wrong with, by their numbers.
fn failed(report: &Report) -> impl Iterator<Item = (usize, &CaseReport)> {
    report
        .cases
        .iter()
        .enumerate()
        .filter(|(_, case)| is_wrong(case))
}

fn is_wrong(case: &CaseReport) -> bool {
    case.runs.iter().any(RunReport::is_wrong)
}

/// The verdict with its sign, in its colour.
fn chip(verdict: Word) -> String {
    let ((class, sign), (words, _)) = (class_and_sign(verdict), verdict.shown());
    format!("<span class=\"v {class}\"><span aria-hidden=\"true\">{sign}</span> {words}</span>")
}

/// Milliseconds with as many digits as matter.
fn millis(ms: f64) -> String {
    if ms < 100.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// The middle of a run's times.
fn median(times: &[f64]) -> Option<f64> {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len().saturating_sub(1) / 2).copied()
}

struct Page(String);

impl Page {
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
    }

    fn header(&mut self, report: &Report, title: &str) {
        let machine = &report.machine;
        let cpus = if machine.cpus == 1 { "CPU" } else { "CPUs" };
        self.put(format_args!(
            "<header>\n<p class=\"kicker\">spec-harness {}</p>\n<h1>{}</h1>\n<p class=\"env\">evidence: <strong>{}</strong> ({}) · {} {} {} · {} {cpus} · {} · {:.1} s</p>\n",
            escaped(&report.harness),
            escaped(title),
            escaped(&machine.evidence),
            escaped(&machine.evidence_says),
            escaped(&machine.os),
            escaped(&machine.kernel),
            escaped(&machine.arch),
            machine.cpus,
            escaped(&report.began),
            report.seconds,
        ));
        if let Some(remedy) = &machine.evidence_remedy {
            self.put(format_args!("<p class=\"env\">{}</p>\n", escaped(remedy)));
        }
        self.put(format_args!(
            "<p class=\"env\"><code>{}</code></p>\n<nav aria-label=\"Parts of this page\"><ul>\n",
            escaped(&report.command)
        ));
        let mut parts = vec![("summary", "Summary")];
        if failed(report).next().is_some() {
            parts.push(("failures", "Failures"));
        }
        parts.extend([("cases", "Cases"), ("runs", "Runs")]);
        if !report.contract.is_empty() {
            parts.push(("contract", "Contract"));
        }
        if !report.documents.is_empty() {
            parts.push(("claims", "Claims"));
        }
        for (id, name) in parts {
            self.put(format_args!("<li><a href=\"#{id}\">{name}</a></li>\n"));
        }
        self.put(format_args!("</ul></nav>\n</header>\n"));
    }

    fn summary(&mut self, report: &Report) {
        self.put(format_args!(
            "<section id=\"summary\" aria-labelledby=\"summary-h\">\n<h2 id=\"summary-h\">Summary</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Summary\">\n<table>\n<thead><tr><th scope=\"col\">implementation</th>"
        ));
        let used = |word: &Word| {
            let mut all = report.implementations.iter();
            all.any(|implementation| implementation.counts.contains_key(word))
        };
        let words: Vec<Word> = Word::ALL.into_iter().filter(used).collect();
        for word in &words {
            self.put(format_args!(
                "<th scope=\"col\" class=\"n\">{}</th>",
                chip(*word)
            ));
        }
        self.put(format_args!(
            "<th scope=\"col\" class=\"n\">median</th><th scope=\"col\" class=\"n\">p99</th></tr></thead>\n<tbody>\n"
        ));
        for implementation in &report.implementations {
            let version = implementation.introduces_itself.as_deref().unwrap_or("");
            self.put(format_args!(
                "<tr><th scope=\"row\">{} <small>{}</small></th>",
                escaped(&implementation.name),
                escaped(version)
            ));
            for word in &words {
                match implementation.counts.get(word) {
                    Some(count) => self.put(format_args!("<td class=\"n\">{count}</td>")),
                    None => self.put(format_args!("<td class=\"n none\">0</td>")),
                }
            }
            for time in [implementation.median_ms, implementation.p99_ms] {
                let time = time.map_or(String::new(), millis);
                self.put(format_args!("<td class=\"n\">{time}</td>"));
            }
            self.put(format_args!("</tr>\n"));
        }
        self.put(format_args!("</tbody></table></div>\n</section>\n"));
    }

    fn failures(&mut self, report: &Report) {
        let mut failed = failed(report).peekable();
        if failed.peek().is_none() {
            return;
        }
        self.put(format_args!(
            "<section id=\"failures\" aria-labelledby=\"failures-h\">\n<h2 id=\"failures-h\">Failures</h2>\n<ul class=\"failures\">\n"
        ));
        for (number, case) in failed {
            self.put(format_args!(
                "<li><a href=\"#c{number}\">{}</a>",
                escaped(&case.name)
            ));
            for run in &case.runs {
                if run.is_wrong() {
                    self.put(format_args!(
                        " <span class=\"on\">{} <small>{}</small></span>",
                        chip(run.verdict),
                        escaped(&run.on)
                    ));
                }
            }
            self.put(format_args!("</li>\n"));
        }
        self.put(format_args!("</ul>\n</section>\n"));
    }

    fn matrix(&mut self, report: &Report) {
        self.put(format_args!(
            "<section id=\"cases\" aria-labelledby=\"cases-h\" tabindex=\"-1\">\n<h2 id=\"cases-h\">Cases</h2>\n\
             <form id=\"filter\" role=\"search\" hidden>\n<label>Filter <input id=\"text\" type=\"search\" autocomplete=\"off\" aria-keyshortcuts=\"/\" placeholder=\"name, title, tag, row, source\"></label>\n\
             <label>Verdict <select id=\"verdict\"><option value=\"\">any</option>"
        ));
        let mut offered: Vec<&str> = Vec::new();
        for word in Word::ALL {
            let ((class, _), (words, _)) = (class_and_sign(word), word.shown());
            let used = report
                .implementations
                .iter()
                .any(|one| one.counts.contains_key(&word));
            if used && !offered.contains(&class) {
                offered.push(class);
                self.put(format_args!("<option value=\"{class}\">{words}</option>"));
            }
        }
        self.put(format_args!(
            "</select></label>\n<output id=\"count\" aria-live=\"polite\"></output>\n</form>\n\
             <div class=\"scroll tall\" tabindex=\"0\" role=\"region\" aria-label=\"Cases and implementations\">\n<table class=\"matrix\">\n<thead><tr><th scope=\"col\">case</th>"
        ));
        for implementation in &report.implementations {
            self.put(format_args!(
                "<th scope=\"col\">{}</th>",
                escaped(&implementation.name)
            ));
        }
        self.put(format_args!("</tr></thead>\n<tbody>\n"));
        for (number, case) in report.cases.iter().enumerate() {
            self.put(format_args!(
                "<tr{}><th scope=\"row\"><a href=\"#c{number}\">{}</a><small>{}</small></th>",
                sought(case),
                escaped(&case.name),
                escaped(&case.title)
            ));
            for run in &case.runs {
                let time = median(&run.times_ms).map_or(String::new(), millis);
                let why = run
                    .why
                    .as_deref()
                    .map_or(String::new(), |why| format!(" title=\"{}\"", escaped(why)));
                self.put(format_args!(
                    "<td{why}>{} <small>{time}</small></td>",
                    chip(run.verdict)
                ));
            }
            self.put(format_args!("</tr>\n"));
        }
        self.put(format_args!("</tbody></table></div>\n</section>\n"));
    }
}

/// What the filter looks at.
fn sought(case: &CaseReport) -> String {
    let mut words = vec![case.name.as_str(), case.title.as_str()];
    words.extend(case.source.as_deref());
    words.extend(case.covers.iter().chain(&case.tags).map(String::as_str));
    let mut verdicts: Vec<&str> = case
        .runs
        .iter()
        .map(|run| class_and_sign(run.verdict).0)
        .collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    format!(
        " data-text=\"{}\" data-verdicts=\"{}\"",
        escaped(&words.join(" ").to_lowercase()),
        verdicts.join(" ")
    )
}
