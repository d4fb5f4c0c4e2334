//! Two texts, line by line: what goes, what comes, and the lines around it.

use spec_harness::judge::report::aligned;

use super::output::{BAD, FAINT, GOOD, Output, paint};

/// Lines that are shown around a change.
const AROUND: usize = 2;

/// A line of one text, of the other, or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'t> {
    Same(&'t str),
    Old(&'t str),
    New(&'t str),
}

/// Shows what becomes of a text.
pub(super) fn show(old: &str, new: &str, out: &mut Output) {
    let lines = lines(old, new);
    let changed = |at: &usize| !matches!(lines[*at], Line::Same(_));
    let mut shown = None;
    for (at, line) in lines.iter().enumerate() {
        let near = at.saturating_sub(AROUND)..(at + AROUND + 1).min(lines.len());
        if !near.clone().any(|other| changed(&other)) {
            continue;
        }
        if shown.is_some_and(|last| last + 1 != at) {
            out.line(paint(FAINT, "  ..."));
        }
        shown = Some(at);
        out.line(match line {
            Line::Same(text) => format!("  {text}").trim_end().to_owned(),
            Line::Old(text) => paint(BAD, format!("- {text}")),
            Line::New(text) => paint(GOOD, format!("+ {text}")),
        });
    }
}

fn lines<'t>(old: &'t str, new: &'t str) -> Vec<Line<'t>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // Comparing all with all costs the product of their numbers: what is the same at both ends is left out.
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(same).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most);
    let tail = tail.take_while(same).count();
    let mut lines: Vec<Line<'_>> = old[..head].iter().map(|line| Line::Same(line)).collect();
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for pair in aligned(&old[head..old.len() - tail], &new[head..new.len() - tail]) {
        match pair {
            (Some(a), Some(b)) if a == b => {
                lines.append(&mut gone);
                lines.append(&mut come);
                lines.push(Line::Same(a));
            }
            (a, b) => {
                gone.extend(a.map(Line::Old));
                come.extend(b.map(Line::New));
            }
        }
    }
    lines.append(&mut gone);
    lines.append(&mut come);
    lines.extend(old[old.len() - tail..].iter().map(|line| Line::Same(line)));
    lines
}

#[cfg(test)]
mod tests {
    use super::Line::{New, Old, Same};
    use super::lines;

    #[test]
    fn what_goes_stands_before_what_comes() {
        assert_eq!(
            lines("a\nb\nc\nd\ne", "a\nB\nC\nd\ne\nf"),
            [
                Same("a"),
                Old("b"),
                Old("c"),
                New("B"),
                New("C"),
                Same("d"),
                Same("e"),
                New("f")
            ]
        );
        assert_eq!(lines("a", "a"), [Same("a")]);
        assert_eq!(lines("", "a\n"), [New("a")]);
        assert_eq!(lines("a\na", "a"), [Same("a"), Old("a")]);
    }
}
