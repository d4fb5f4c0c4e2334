//! A report as one page: no other file, no framework, and nothing but the filter needs a script.

use std::fmt::Write;

use spec_harness::judge::report::aligned;
use spec_harness::picture::svg::{self, escaped};

use super::data::{CaseReport, DocumentReport, Report, RowReport, RunReport, VerdictWord};
use super::gather::Drawn;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Verdicts in the order of a legend.
const WORDS: [VerdictWord; 8] = [
    VerdictWord::Pass,
    VerdictWord::PassWithout,
    VerdictWord::Fail,
    VerdictWord::Unknown,
    VerdictWord::Known,
    VerdictWord::NotApplicable,
    VerdictWord::NotHere,
    VerdictWord::NotRun,
];

impl RunReport {
    /// Whether somebody has to look at it.
    fn is_wrong(&self) -> bool {
        matches!(self.verdict, VerdictWord::Fail | VerdictWord::Unknown) || self.drift.is_some()
    }
}

impl VerdictWord {
    /// Its class, its sign and its words: none of them by colour alone.
    fn shown(self) -> (&'static str, &'static str, &'static str) {
        match self {
            VerdictWord::Pass => ("pass", "✓", "pass"),
            VerdictWord::PassWithout => ("pass", "✓", "pass without"),
            VerdictWord::Fail => ("fail", "✗", "FAIL"),
            VerdictWord::Unknown => ("unknown", "?", "unknown"),
            VerdictWord::Known => ("known", "≈", "known"),
            VerdictWord::NotApplicable => ("na", "–", "n/a"),
            VerdictWord::NotHere => ("na", "·", "not here"),
            VerdictWord::NotRun => ("unknown", "·", "not run"),
        }
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
    let with = |verdict: VerdictWord| {
        let cases = report.cases.iter();
        cases
            .filter(|case| case.runs.iter().any(|run| run.verdict == verdict))
            .count()
    };
    let cases = report.cases.len();
    let noun = if cases == 1 { "case" } else { "cases" };
    match (with(VerdictWord::Fail), with(VerdictWord::Unknown)) {
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
fn chip(verdict: VerdictWord) -> String {
    let (class, sign, words) = verdict.shown();
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
        let used = |word: &VerdictWord| {
            let mut all = report.implementations.iter();
            all.any(|implementation| implementation.counts.contains_key(word))
        };
        let words: Vec<VerdictWord> = WORDS.into_iter().filter(used).collect();
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
                        " {} <small>{}</small>",
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
             <form id=\"filter\" role=\"search\" hidden>\n<label>Filter <input id=\"text\" type=\"search\" autocomplete=\"off\" placeholder=\"name, title, tag, row, source\"></label>\n\
             <label>Verdict <select id=\"verdict\"><option value=\"\">any</option>"
        ));
        let mut offered: Vec<&str> = Vec::new();
        for word in WORDS {
            let (class, _, words) = word.shown();
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

    fn runs(&mut self, report: &Report, pictures: &[Vec<Drawn>]) {
        self.put(format_args!(
            "<section id=\"runs\" aria-labelledby=\"runs-h\">\n<h2 id=\"runs-h\">Runs</h2>\n"
        ));
        let none = Vec::new();
        for (number, case) in report.cases.iter().enumerate() {
            let open = if is_wrong(case) { " open" } else { "" };
            self.put(format_args!(
                "<details class=\"case\"{}{open}><summary><span class=\"name\">{}</span> <span class=\"title\">{}</span></summary>\n<div id=\"c{number}\" class=\"body\">\n",
                sought(case),
                escaped(&case.name),
                escaped(&case.title)
            ));
            self.facts(case);
            for (index, run) in case.runs.iter().enumerate() {
                let mut earlier = case.runs[..index].iter();
                let like = |other: &&RunReport| {
                    !run.reasons.is_empty()
                        && (&other.reasons, other.transcript) == (&run.reasons, run.transcript)
                };
                let like = earlier.find(like).map(|other| other.on.as_str());
                self.verdict(run, like);
            }
            let drawn = pictures.get(number).unwrap_or(&none);
            for (index, (picture, runs)) in drawn.iter().enumerate() {
                let on = runs.iter().filter_map(|run| case.runs.get(*run));
                let on: Vec<&str> = on.map(|run| run.on.as_str()).collect();
                let on = on.join(", ");
                let title = format!("{} on {on}", case.name);
                self.put(format_args!(
                    "<figure><figcaption>{}</figcaption><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline on {}\">{}</div></figure>\n",
                    escaped(&on),
                    escaped(&on),
                    svg::inline(picture, &title, &format!("p{number}-{index}"))
                ));
            }
            for (index, transcript) in case.transcripts.iter().enumerate() {
                let on = case.runs.iter().filter(|run| run.transcript == Some(index));
                let on: Vec<&str> = on.map(|run| run.on.as_str()).collect();
                self.put(format_args!(
                    "<details class=\"transcript\"><summary>transcript on {}</summary><pre tabindex=\"0\">{}</pre></details>\n",
                    escaped(&on.join(", ")),
                    escaped(transcript)
                ));
            }
            self.put(format_args!("</div></details>\n"));
        }
        self.put(format_args!("</section>\n"));
    }

    fn facts(&mut self, case: &CaseReport) {
        let mut facts: Vec<String> = Vec::new();
        facts.extend(case.source.as_ref().map(|source| format!("from {source}")));
        if !case.covers.is_empty() {
            facts.push(format!("covers {}", case.covers.join(", ")));
        }
        if !case.tags.is_empty() {
            facts.push(format!("tags {}", case.tags.join(", ")));
        }
        if !facts.is_empty() {
            self.put(format_args!(
                "<p class=\"facts\">{}</p>\n",
                escaped(&facts.join(" · "))
            ));
        }
    }

    /// The verdict of one implementation and, where it is no plain pass, why.
    fn verdict(&mut self, run: &RunReport, like: Option<&str>) {
        let time = median(&run.times_ms).map_or(String::new(), millis);
        self.put(format_args!(
            "<p class=\"run\"><strong>{}</strong> {} <small>{time}</small>",
            escaped(&run.on),
            chip(run.verdict)
        ));
        if let Some(why) = &run.why {
            self.put(format_args!(" {}", escaped(why)));
        }
        if let Some(version) = &run.recorded {
            self.put(format_args!(" as recorded with {}", escaped(version)));
        }
        if let Some(like) = like {
            self.put(format_args!(" as on {}", escaped(like)));
        }
        self.put(format_args!("</p>\n"));
        let reasons = if like.is_some() {
            &[]
        } else {
            run.reasons.as_slice()
        };
        for reason in reasons {
            self.put(format_args!(
                "<div class=\"reason\"><pre>{}</pre>",
                escaped(&reason.text)
            ));
            if !reason.expected.is_empty() || !reason.seen.is_empty() {
                self.beside(&reason.expected, &reason.seen);
            }
            self.put(format_args!("</div>\n"));
        }
        if run.is_wrong() {
            self.put(format_args!(
                "<p class=\"again\">again: <code>{}</code></p>\n",
                escaped(&run.again)
            ));
        }
    }

    /// Expected beside seen, line by line.
    fn beside(&mut self, expected: &[String], seen: &[String]) {
        self.put(format_args!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Expected beside seen\"><table class=\"beside\"><thead><tr><th></th><th scope=\"col\">expected</th><th scope=\"col\">seen</th></tr></thead><tbody>"
        ));
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
        for (left, right) in aligned(&expected, &seen) {
            let (class, sign) = match (left, right) {
                (Some(left), Some(right)) if left == right => ("same", ""),
                (Some(_), Some(_)) => ("differs", "≠"),
                (Some(_), None) => ("differs", "−"),
                _ => ("differs", "+"),
            };
            self.put(format_args!(
                "<tr class=\"{class}\"><td>{sign}</td><td>{}</td><td>{}</td></tr>",
                escaped(left.unwrap_or_default()),
                escaped(right.unwrap_or_default())
            ));
        }
        self.put(format_args!("</tbody></table></div>"));
    }

    fn contract(&mut self, rows: &[RowReport], cases: &[CaseReport]) {
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
                    "known" => ("known", "≈"),
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

    fn claims(&mut self, documents: &[DocumentReport], cases: &[CaseReport]) {
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
                        _ => ("known", "≈"),
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

/// What the filter looks at.
fn sought(case: &CaseReport) -> String {
    let mut words = vec![case.name.as_str(), case.title.as_str()];
    words.extend(case.source.as_deref());
    words.extend(case.covers.iter().chain(&case.tags).map(String::as_str));
    let mut verdicts: Vec<&str> = case.runs.iter().map(|run| run.verdict.shown().0).collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    format!(
        " data-text=\"{}\" data-verdicts=\"{}\"",
        escaped(&words.join(" ").to_lowercase()),
        verdicts.join(" ")
    )
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
