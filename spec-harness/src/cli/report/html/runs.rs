//! What happened in each case: verdicts, expected beside seen, timelines, transcripts.

use spec_harness::judge::report::aligned;
use spec_harness::picture::svg::{self, escaped};

use super::{Page, chip, is_wrong, median, millis, sought};
use crate::cli::report::data::{CaseReport, Report, RunReport};
use crate::cli::report::gather::Drawn;

impl Page {
    pub(super) fn runs(&mut self, report: &Report, pictures: &[Vec<Drawn>]) {
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
        let excused = if run.is_wrong() { "" } else { " excused" };
        for reason in reasons {
            // A sentence is broken where the window ends, what is in columns is not.
            let class = if reason.text.contains('\n') {
                ""
            } else {
                " class=\"line\""
            };
            self.put(format_args!(
                "<div class=\"reason{excused}\"><pre{class}>{}</pre>",
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
}
