//! Errors as text, for those that cannot be sent to another process or kept: message and sources.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An error as text: its message and those of its sources. For errors whose type cannot be sent to another process.
///
/// It is made from any error by `?`, so that a task may fail with whatever the functions it calls fail with,
/// also between processes, where an `io::Error` cannot be sent. `Display` says it on one line, `Debug` on several.
///
/// It is no [`Error`] itself, for then it could not be made from all of them, but a
/// [`TaskError<Report>`](crate::TaskError) is one.
///
/// In Python an exception is sent if it can be pickled, and without its cause.
///
/// # Examples
///
/// ```
/// use pool_core::Report;
///
/// fn lines(path: &str) -> Result<usize, Report> {
///     Ok(std::fs::read_to_string(path)?.lines().count())
/// }
///
/// let report = lines("/no/such/file").unwrap_err().wrap("counting lines");
/// assert_eq!(report.to_string(), "counting lines: No such file or directory (os error 2)");
/// assert_eq!(report.chain().count(), 2);
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Lines", into = "Lines")]
pub struct Report(Box<Line>);

/// One message of a report, and those behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    message: String,
    source: Option<Box<Line>>,
}

impl Report {
    /// A report that says this.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool_core::Report;
    ///
    /// fn checked(x: u32) -> Result<u32, Report> {
    ///     if x < 3 { Ok(x) } else { Err(Report::new(format!("{x} is too much"))) }
    /// }
    /// assert_eq!(checked(3).unwrap_err().to_string(), "3 is too much");
    /// ```
    pub fn new(message: impl fmt::Display) -> Report {
        Report(Box::new(Line {
            message: message.to_string(),
            source: None,
        }))
    }

    /// A report of an error and its sources; for error types that are no [`Error`] themselves but give a reference to one, as
    /// `anyhow::Error` and `Box<dyn Error>` do: `.map_err(|e| Report::of(&*e))`.
    pub fn of(error: &(dyn Error + 'static)) -> Report {
        let chain = std::iter::successors(Some(error), |error| (*error).source());
        Report::from(Lines(chain.map(ToString::to_string).collect()))
    }

    /// The same report behind a message that says what could not be done.
    #[must_use]
    pub fn wrap(self, message: impl fmt::Display) -> Report {
        Report(Box::new(Line {
            message: message.to_string(),
            source: Some(self.0),
        }))
    }

    /// The messages, the outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        let lines = std::iter::successors(Some(&*self.0), |line| line.source.as_deref());
        lines.map(|line| &*line.message)
    }
}

impl<E: Error + 'static> From<E> for Report {
    fn from(error: E) -> Report {
        Report::of(&error)
    }
}

/// A report as it is serialized.
#[derive(Serialize, Deserialize)]
struct Lines(Vec<String>);

impl From<Lines> for Report {
    fn from(Lines(lines): Lines) -> Report {
        let mut lines = lines.into_iter().rev();
        let innermost = Report::new(lines.next().unwrap_or_default());
        lines.fold(innermost, Report::wrap)
    }
}

impl From<Report> for Lines {
    fn from(report: Report) -> Lines {
        Lines(report.chain().map(ToOwned::to_owned).collect())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, message) in self.chain().enumerate() {
            let before = if index == 0 { "" } else { ": " };
            write!(f, "{before}{message}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, message) in self.chain().enumerate() {
            let before = match index {
                0 => "",
                1 => "\n\ncaused by:\n    ",
                _ => "\n    ",
            };
            write!(f, "{before}{message}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Line {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &Line = self.source.as_deref()?;
        Some(source)
    }
}

/// A report where an error is wanted.
struct Told(Report);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for Told {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.0.source()
    }
}

impl From<Report> for Box<dyn Error + Send + Sync> {
    fn from(report: Report) -> Self {
        Box::new(Told(report))
    }
}

impl From<Report> for Box<dyn Error> {
    fn from(report: Report) -> Self {
        Box::new(Told(report))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;

    use super::Report;
    use crate::error::TaskError;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("not a number")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn parse(text: &str) -> Result<u8, Report> {
        Ok(text.parse().map_err(Outer)?)
    }

    #[test]
    fn a_report_keeps_message_and_sources() {
        let report = parse("x").expect_err("no number");
        assert_eq!(
            report.to_string(),
            "not a number: invalid digit found in string"
        );
        let report = report.wrap("line 3");
        assert_eq!(
            format!("{report:?}"),
            "line 3\n\ncaused by:\n    not a number\n    invalid digit found in string"
        );
    }

    #[test]
    fn an_error_with_a_report_says_all_of_it() {
        let failure: TaskError<Report> = TaskError::raised(parse("x").expect_err("no number"));
        let error: Box<dyn Error + Send + Sync> = failure.into();
        assert_eq!(
            error.to_string(),
            "task failed: not a number: invalid digit found in string"
        );
    }

    #[test]
    fn a_report_is_made_from_a_borrowed_error_and_becomes_one_again() {
        let boxed: Box<dyn Error + Send + Sync> = "plain".into();
        let report = Report::of(&*boxed);
        assert_eq!(report, Report::new("plain"));
        let again: Box<dyn Error> = report.wrap("behind").into();
        assert_eq!(again.to_string(), "behind: plain");
        assert_eq!(
            again.source().map(ToString::to_string).as_deref(),
            Some("plain")
        );
    }
}
