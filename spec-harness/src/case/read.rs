//! Reads a case file.

use super::ast::{Case, Span};
use super::diagnostic::Diagnostic;
use super::{check, lower, yaml};

impl Case {
    /// Reads a case: its syntax, and whether what it says makes sense. Pure and bounded in time for any
    /// text.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the file's order; never empty. The diagnostics name the file
    /// `NAME.yaml`: a caller that knows its real path sets [`Diagnostic::file`].
    ///
    /// # Examples
    /// ```
    /// use spec_harness::case::ast::Case;
    ///
    /// let text = "spec: 1\ntitle: a slip\nmain:\n  - pool: 2\n  - joim\n";
    /// let problems = Case::parse("slip", text).expect_err("there is no such step");
    /// let shown = problems[0].render(text, false);
    /// assert!(shown.contains("slip.yaml:5:5"), "{shown}");
    /// assert!(shown.contains("did you mean `join`?"), "{shown}");
    /// ```
    pub fn parse(name: &str, text: &str) -> Result<Case, Vec<Diagnostic>> {
        let file = format!("{name}.yaml");
        read(name, text).map_err(|mut problems| {
            problems.sort_by_key(|problem| problem.span.start);
            problems.dedup();
            for problem in &mut problems {
                problem.file.clone_from(&file);
            }
            problems
        })
    }

    /// The same for the bytes of a file, which may be no text at all.
    ///
    /// # Errors
    /// As [`Case::parse`]; show the diagnostics with the text that [`String::from_utf8_lossy`] gives.
    pub fn parse_bytes(name: &str, bytes: &[u8]) -> Result<Case, Vec<Diagnostic>> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Case::parse(name, text),
            Err(error) => {
                let start = error.valid_up_to();
                let span = Span {
                    start,
                    end: start + 1,
                };
                let help = match bytes {
                    [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                        "it begins as UTF-16 does: save it as UTF-8".to_owned()
                    }
                    _ => {
                        let byte = bytes.get(start).copied().unwrap_or_default();
                        format!("save it as UTF-8: here stands the byte {byte:#04x}")
                    }
                };
                let mut problem = Diagnostic::new(span, "the file is not UTF-8 text").help(help);
                problem.file = format!("{name}.yaml");
                Err(vec![problem])
            }
        }
    }
}

/// Three passes; each needs the one before it to have found nothing, or its findings would be echoes.
fn read(name: &str, text: &str) -> Result<Case, Vec<Diagnostic>> {
    let tree = yaml::parse(text).map_err(|problem| vec![*problem])?;
    let (case, problems) = lower::lower(name, &tree);
    if !problems.is_empty() {
        return Err(problems);
    }
    let problems = check::check(&case);
    if problems.is_empty() {
        Ok(case)
    } else {
        Err(problems)
    }
}
