//! `run --report`: the results of a run, as a page for people (`html`), for continuous integration (`junit`), and as data
//! (`json`).
//!
//! Everything is gathered once ([`data`]), and each format is a function of that.

mod data;
mod gather;
mod html;
mod junit;

pub(super) use data::{ClaimReport, DocumentReport, JudgedClaim};

use std::fs::File;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use spec_harness::target::Column;

use super::Refusal;
use super::matrix::Matrix;
use super::output::Output;
use super::select::Chosen;

/// A report that is asked for: `html`, or `html=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    format: Format,
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Junit,
    Json,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Wanted, String> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err(format!("`{text}` names no file")),
            Some((format, file)) => (format, Some(file)),
            None => (text, None),
        };
        let (format, usual) = match format {
            "html" => (Format::Html, "spec-report.html"),
            "junit" => (Format::Junit, "spec-report.xml"),
            "json" => (Format::Json, "spec-report.json"),
            _ => {
                return Err(
                    "a report is html, junit or json, each with =FILE or without".to_owned(),
                );
            }
        };
        Ok(Wanted {
            format,
            file: file.unwrap_or(usual).into(),
        })
    }
}

/// The results of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunResults<'r> {
    pub(super) cases: &'r [Chosen],
    pub(super) columns: &'r [Column],
    pub(super) matrix: &'r Matrix,
    pub(super) began: SystemTime,
    pub(super) took: Duration,
}

/// Says whether the files can be written, before there is anything to write.
pub(super) fn fits(wanted: &[Wanted]) -> Result<(), Refusal> {
    // A pipe that is opened and closed would have been read to its end.
    let plain = |file: &PathBuf| file.is_file() || !file.exists();
    for file in wanted
        .iter()
        .map(|Wanted { file, .. }| file)
        .filter(|file| plain(file))
    {
        File::options()
            .append(true)
            .create(true)
            .open(file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// Writes the reports that are asked for.
pub(super) fn write(
    wanted: &[Wanted],
    results: RunResults<'_>,
    out: &mut Output,
) -> Result<(), Refusal> {
    if wanted.is_empty() {
        return Ok(());
    }
    let (report, pictures) = gather::gather(results)?;
    for Wanted { format, file } in wanted {
        let shown = file.display();
        let text = match format {
            Format::Html => html::page(&report, &pictures),
            Format::Json => serde_json::to_string_pretty(&report)
                .map(|text| text + "\n")
                .map_err(|error| format!("{shown}: {error}"))?,
            Format::Junit => junit::xml(&report).map_err(|error| format!("{shown}: {error}"))?,
        };
        std::fs::write(file, text).map_err(|error| format!("{shown}: {error}"))?;
        out.line(format_args!("report: {shown}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_usual_name_or_the_one_that_is_given() {
        let file = |text: &str| text.parse::<Wanted>().map(|wanted| wanted.file);
        assert_eq!(file("html"), Ok("spec-report.html".into()));
        assert_eq!(file("junit=out/a=b.xml"), Ok("out/a=b.xml".into()));
        assert!(file("html=").is_err());
        assert!(file("pdf").unwrap_err().contains("html, junit or json"));
    }
}
