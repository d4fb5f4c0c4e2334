//! Reports: the page holds together and harms nobody, the XML and the JSON can be read, and the JSON is as documented.

mod program;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use program::{Folder, harness};
use quick_junit::{NonSuccessKind, TestCaseStatus};
use serde_json::Value;

/// A case whose every text is an attack, and which fails.
const EVIL: &str = r#"spec: 1
title: "<script>alert('title')</script> ]]> & \""
tags: ["<script>", "]]>"]
tasks:
  evil(text):
    - print: "{text}"
main:
  - pool: 2
  - apply: evil("<script>alert(1)</script> ]]> &amp; <!-- -->")
  - print: "</script><img src=x onerror=alert(1)>"
  - close
  - join
expect:
  output: ["<script>alert(2)</script>", "]]>"]
"#;

const EVIL_NAME: &str = "<b>'evil' ]]> & \"";

/// Every built-in case and one more on threads, written in all formats.
struct Written {
    html: String,
    xml: String,
    json: Value,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let folder = Folder::new();
    let evil = format!("{EVIL_NAME}.yaml");
    folder.write(&evil, EVIL);
    let formats = "html,junit=out.xml,json=out.json";
    folder
        .run(&["run", "/", &evil, "--on", "thread", "--report", formats])
        .ends_with(1)
        .says("report: spec-report.html\nreport: out.xml\nreport: out.json");
    Written {
        html: folder.read("spec-report.html"),
        xml: folder.read("out.xml"),
        json: serde_json::from_str(&folder.read("out.json")).expect("it is JSON"),
    }
});

/// What stands between each pair of these.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Vec<&'t str> {
    let parts = text.split(before).skip(1);
    parts
        .filter_map(|part| Some(part.split_once(after)?.0))
        .collect()
}

mod page {
    use super::*;

    #[test]
    fn what_cases_say_is_text_and_nothing_else() {
        let html = &WRITTEN.html;
        assert_eq!(html.matches("<script").count(), 1, "only the filter's own");
        assert_eq!(html.matches("</script").count(), 1);
        assert!(!html.contains("<b>") && !html.contains("<img") && !html.contains("<!--"));
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; ]]&gt; &amp;amp;"));
        let title = between(html, "<title>", "</title>")[0];
        assert!(title.starts_with("1 of "), "{title}");
    }

    #[test]
    fn nothing_is_fetched_from_anywhere() {
        let html = WRITTEN.html.replace("http://www.w3.org/2000/svg", "");
        for outside in [
            "http:", "https:", "@import", "<link", "<iframe", "url(\"", "url(h",
        ] {
            assert!(!html.contains(outside), "{outside}");
        }
        for tag in html
            .split('<')
            .skip(1)
            .filter_map(|tag| tag.split('>').next())
        {
            assert!(!tag.contains(" src=\""), "<{tag}>");
        }
        assert!(html.contains("Content-Security-Policy"));
    }

    #[test]
    fn its_size_is_reasonable() {
        assert!(
            WRITTEN.html.len() < 3_000_000,
            "{} bytes",
            WRITTEN.html.len()
        );
    }

    #[test]
    fn elements_are_closed_in_their_order() {
        const VOID: [&str; 3] = ["meta", "input", "br"];
        let html = &WRITTEN.html;
        let script = between(html, "<script>", "</script>")[0];
        let html = html.replace(script, "");
        let mut open: Vec<String> = Vec::new();
        for tag in html.split('<').skip(1).filter(|tag| !tag.starts_with('!')) {
            let inside = tag.split('>').next().expect("it ends");
            let name = inside.split([' ', '\n']).next().expect("it has a name");
            match name.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed), "<{inside}>"),
                None if VOID.contains(&name) || inside.ends_with('/') => {}
                None => open.push(name.to_owned()),
            }
        }
        assert_eq!(open, Vec::<String>::new());
    }

    #[test]
    fn every_link_leads_somewhere_and_no_id_stands_twice() {
        let html = &WRITTEN.html;
        let ids = between(html, " id=\"", "\"");
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len());
        for link in between(html, "href=\"#", "\"") {
            assert!(distinct.contains(link), "#{link}");
        }
        for named in between(html, "aria-labelledby=\"", "\"") {
            assert!(named.split(' ').all(|id| distinct.contains(id)), "{named}");
        }
    }

    #[test]
    fn every_case_has_a_row_a_place_and_a_picture() {
        let html = &WRITTEN.html;
        let cases = spec_cases::CASES.len() + 1;
        assert_eq!(html.matches("<tr data-text=").count(), cases);
        assert_eq!(html.matches("<details class=\"case\"").count(), cases);
        let ran = WRITTEN.json["cases"].as_array().expect("a list").iter();
        let ran = ran.filter(|case| !case["transcripts"].as_array().expect("a list").is_empty());
        assert_eq!(html.matches("<figure>").count(), ran.count());
    }

    /// Whatever can be scrolled can be reached by keyboard, and the first thing to reach skips to the cases.
    #[test]
    fn it_can_be_used_by_keyboard() {
        let html = &WRITTEN.html;
        for scrolled in between(html, "<div class=\"scroll", ">") {
            assert!(scrolled.contains("tabindex=\"0\"") && scrolled.contains("aria-label="));
        }
        let body = html.split("<body>").nth(1).expect("a body").trim_start();
        assert!(body.starts_with("<a class=\"skip\" href=\"#cases\">"));
        assert!(html.contains(":focus-visible{outline:"));
    }
}

mod junit {
    use super::*;

    #[test]
    fn it_is_read_back_with_what_failed() {
        let report =
            quick_junit::Report::deserialize_from_str(&WRITTEN.xml).expect("it is in order");
        assert_eq!(report.test_suites.len(), 1);
        let suite = &report.test_suites[0];
        assert_eq!(suite.test_cases.len(), spec_cases::CASES.len() + 1);
        let failed: Vec<_> = suite
            .test_cases
            .iter()
            .filter(|case| matches!(case.status, TestCaseStatus::NonSuccess { .. }))
            .collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].name.as_str(), EVIL_NAME);
        let TestCaseStatus::NonSuccess {
            kind, description, ..
        } = &failed[0].status
        else {
            unreachable!("it was filtered");
        };
        assert_eq!(*kind, NonSuccessKind::Failure);
        let told = description.as_ref().expect("it says why").as_str();
        assert!(
            told.contains("<script>alert(2)</script>") && told.contains("again: "),
            "{told}"
        );
    }
}

mod json {
    use super::*;

    /// Every field's path, as the documentation writes it.
    fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let name = if path.ends_with(".counts") { "*" } else { name };
                    let path = format!("{path}.{name}");
                    paths(value, path.trim_start_matches('.'), found);
                }
            }
            Value::Array(items) => {
                for item in items {
                    paths(item, &format!("{path}[]"), found);
                }
            }
            _ => {
                found.insert(path.to_owned());
            }
        }
    }

    #[test]
    fn its_fields_are_those_that_are_documented() {
        let documented = std::fs::read_to_string(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.md"),
        );
        let documented = documented.expect("docs/report.md");
        let documented: BTreeSet<String> = between(&documented, "\n| `", "` |")
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut found = BTreeSet::new();
        paths(&WRITTEN.json, "", &mut found);
        assert_eq!(found, documented);
    }

    #[test]
    fn every_verdict_reason_and_transcript_is_in_it() {
        let cases = WRITTEN.json["cases"].as_array().expect("a list");
        assert_eq!(cases.len(), spec_cases::CASES.len() + 1);
        let evil = cases
            .iter()
            .find(|case| case["name"] == EVIL_NAME)
            .expect("it is there");
        let run = &evil["runs"][0];
        assert_eq!(run["verdict"], "fail");
        assert_eq!(run["reasons"][0]["kind"], "mismatch");
        assert_eq!(run["reasons"][0]["expected"][1], "]]>");
        assert!(run["times_ms"][0].as_f64().expect("a number") > 0.0);
        let transcript = evil["transcripts"][0].as_str().expect("a text");
        assert!(transcript.contains("prints </script><img"), "{transcript}");
        assert_eq!(WRITTEN.json["implementations"][0]["counts"]["fail"], 1);
    }
}

#[test]
fn a_report_that_cannot_be_written_is_said() {
    let run = [
        "run",
        "--exact",
        "lifecycle/an-idle-pool-ends",
        "--on",
        "thread",
    ];
    harness(&[&run[..], &["--report", "json=/nowhere/report.json"]].concat())
        .ends_with(2)
        .complains("/nowhere/report.json: ");
}
