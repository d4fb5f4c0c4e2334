//! Pictures on this terminal: how wide, in which signs, in which colours.

use std::io::{self, IsTerminal};

use clap::builder::styling::{AnsiColor, Style};
use spec_harness::picture::text::{Line, Look, Tone};
use spec_harness::picture::{Ink, Picture, text};

use super::output::{BAD, FAINT, Output, paint};

/// Columns where there is no terminal to ask.
const COLUMNS: u16 = 100;

/// As wide as the terminal, and in signs that it has.
pub(super) fn look(columns: Option<u16>, ascii: bool) -> Look {
    let columns = columns.unwrap_or_else(terminal);
    Look {
        columns: usize::from(columns),
        ascii: ascii || only_ascii(|name| std::env::var(name).ok()),
        most: None,
    }
}

fn terminal() -> u16 {
    let said = std::env::var("COLUMNS").ok();
    let said = said.and_then(|columns| columns.parse().ok());
    let of = |size: (terminal_size::Width, terminal_size::Height)| size.0.0;
    let asked = || {
        let terminal = io::stdout().is_terminal();
        terminal
            .then(terminal_size::terminal_size)
            .flatten()
            .map(of)
    };
    said.or_else(asked).unwrap_or(COLUMNS).max(40)
}

/// Whether the locale asks for something else than Unicode. Where it says nothing, as in most containers, terminals
/// have Unicode all the same.
fn only_ascii(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
    let unicode = |locale: String| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    locale.is_some_and(|locale| !unicode(locale))
}

/// Shows a picture, each line after this indent.
pub(super) fn show(picture: &Picture, look: Look, indent: &str, out: &mut Output) {
    let columns = look.columns.saturating_sub(indent.len());
    for line in text::lines(picture, Look { columns, ..look }) {
        out.line(format_args!("{indent}{}", painted(&line)));
    }
}

fn painted(line: &Line) -> String {
    line.0
        .iter()
        .map(|(tone, text)| match style(*tone) {
            Some(style) => paint(style, text),
            None => text.clone(),
        })
        .collect()
}

fn style(tone: Tone) -> Option<Style> {
    Some(match tone {
        Tone::Bar(Ink::Done) => AnsiColor::Green.on_default(),
        Tone::Bar(Ink::Raised) => AnsiColor::Yellow.on_default(),
        Tone::Bar(Ink::Killed | Ink::Lost) => AnsiColor::Red.on_default(),
        Tone::Bar(Ink::Open | Ink::Stuck) => AnsiColor::Magenta.on_default().bold(),
        Tone::Bar(Ink::Waits) => AnsiColor::Blue.on_default(),
        Tone::Bar(Ink::Never) | Tone::Faint => FAINT,
        Tone::Bad => BAD,
        Tone::Plain => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::only_ascii;

    #[test]
    fn the_locale_decides_where_it_says_something() {
        let with = |name: &'static str, value: &'static str| {
            only_ascii(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert!(with("LC_ALL", "C"));
        assert!(with("LANG", "POSIX"));
        assert!(!with("LANG", "en_US.UTF-8"));
        assert!(!with("LC_CTYPE", "C.utf8"));
        assert!(!with("LANG", ""));
        assert!(!only_ascii(|_| None));
    }
}
