//! Where output goes: colour only on a terminal that wants it, and no fuss when nobody reads any more.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anstream::AutoStream;
use clap::builder::styling::{AnsiColor, Style};
use spec_harness::judge::report::width;

/// The colours of verdicts.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const ODD: Style = AnsiColor::Yellow.on_default();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const STRONG: Style = Style::new().bold();

/// Standard output. A reader that has gone (`| head`) is no error: what is written then is dropped.
#[derive(Debug)]
pub(super) struct Output {
    to: AutoStream<io::Stdout>,
    colour: bool,
    lost: Option<io::Error>,
}

impl Output {
    pub(super) fn stdout() -> Output {
        let choice = AutoStream::choice(&io::stdout());
        let colour = match choice {
            anstream::ColorChoice::Never => false,
            anstream::ColorChoice::Auto => io::stdout().is_terminal(),
            _ => true,
        };
        Output {
            to: AutoStream::new(io::stdout(), choice),
            colour,
            lost: None,
        }
    }

    /// Whether colour reaches anybody.
    pub(super) fn colour(&self) -> bool {
        self.colour
    }

    /// Whether nothing more can be written.
    pub(super) fn closed(&self) -> bool {
        self.lost.is_some()
    }

    /// What became of the output, unless all of it was taken or nobody wanted more.
    pub(super) fn trouble(self) -> Option<io::Error> {
        let gone = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
        self.lost.filter(|error| !gone(error))
    }

    /// Writes one line.
    pub(super) fn line(&mut self, text: impl Display) {
        let written = writeln!(self.to, "{text}").and_then(|()| self.to.flush());
        self.lost = self.lost.take().or(written.err());
    }

    /// Writes a block of lines, each after this indent; lines that mark a difference are coloured.
    pub(super) fn block(&mut self, indent: &str, text: &str) {
        for line in text.lines() {
            match line.as_bytes().first() {
                Some(b'<' | b'>' | b'~') => self.line(format_args!("{indent}{}", paint(BAD, line))),
                None => self.line(""),
                _ => self.line(format_args!("{indent}{line}")),
            }
        }
    }
}

/// A text in a style.
pub(super) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Says on stderr what is wrong with what was asked for.
pub(super) fn complain(text: &str) {
    // Where stderr is closed as well there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{}: {text}", paint(BAD, "error"));
}

/// A text in lines of at most so many columns, broken between words.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("a bc  def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("abcdef g", 4), ["abcdef", "g"]);
        assert!(wrapped("", 4).is_empty());
    }
}
