//! What was wrong, for people: each reason with its place in the case, expected beside seen.

use std::fmt::Write;

use super::Reason;
use crate::case::ast::Span;
use crate::case::diagnostic::Diagnostic;

/// Widest column of a comparison; longer lines are not cut but push the other column aside.
const WIDEST: usize = 60;

/// The case as it was read: what places refer to.
#[derive(Debug, Clone, Copy)]
pub struct Source<'c> {
    /// The file's name.
    pub file: &'c str,
    /// Its text.
    pub text: &'c str,
}

/// Every reason as a block of lines. Lines that differ begin with `<`, `>` or `~`.
pub fn failure(reasons: &[Reason], source: Source<'_>) -> String {
    let blocks: Vec<String> = reasons.iter().map(|reason| block(reason, source)).collect();
    blocks.join("\n")
}

/// Rows of a comparison in a brief report, at most, and how many of them stand before the first that differs.
const ROWS: usize = 14;
const BEFORE: usize = 3;

/// What matters most of a failure: how the run ended, the first step that was not as it must be, the first two rules
/// that were broken, and one comparison of expected with seen, around the first line that differs. Where no reason compares,
/// that is the run with its record. Everything else is counted.
pub fn brief(
    reasons: &[Reason],
    source: Source<'_>,
    recorded: Option<&str>,
    seen: Option<&str>,
) -> String {
    let firsts = [0, 1, 2, 3].into_iter().flat_map(|rank| {
        let most = if rank == BROKEN { 2 } else { 1 };
        reasons
            .iter()
            .filter(move |reason| self::rank(reason) == rank)
            .take(most)
    });
    let mut blocks: Vec<String> = firsts
        .map(|reason| around_first(&block(reason, source)))
        .collect();
    let left = reasons.len() - blocks.len();
    if left > 0 {
        let things = if left == 1 { "thing is" } else { "things are" };
        blocks.push(format!("and {left} more {things} not as they must be\n"));
    }
    if let (Some(recorded), Some(seen), false) = (recorded, seen, reasons.iter().any(is_comparison))
        && recorded != seen
    {
        blocks.push(around_first(&run(Some(recorded), seen)));
    }
    blocks.concat()
}

/// Where rules that were broken and comparisons stand.
const BROKEN: usize = 2;
const COMPARISON: usize = 3;

/// The order in which kinds of reasons matter.
fn rank(reason: &Reason) -> usize {
    match reason {
        Reason::Exit(_) | Reason::Ending(_) | Reason::NoLongerDiverges(_) => 0,
        Reason::Step { .. } => 1,
        Reason::Broken { .. } => BROKEN,
        Reason::Mismatch { .. } | Reason::Transcript { .. } | Reason::Prediction { .. } => {
            COMPARISON
        }
    }
}

fn is_comparison(reason: &Reason) -> bool {
    rank(reason) == COMPARISON
}

/// A block with the rows around the first one that differs; what is left out is counted.
fn around_first(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let differs = |line: &&str| line.starts_with(['~', '<', '>']);
    let Some(first) = lines.iter().position(differs) else {
        return text.to_owned();
    };
    // The rows begin below the line with the titles.
    let titles = lines
        .iter()
        .position(|line| line.starts_with("  "))
        .unwrap_or(0);
    let from = first.saturating_sub(BEFORE).max(titles + 1);
    let to = (from + ROWS).min(lines.len());
    let mut kept: Vec<String> = lines[..=titles]
        .iter()
        .map(|line| (*line).to_owned())
        .collect();
    if from > titles + 1 {
        kept.push(format!("  ... {} alike", from - titles - 1));
    }
    kept.extend(lines[from..to].iter().map(|line| (*line).to_owned()));
    if to < lines.len() {
        kept.push(format!("  ... {} more", lines.len() - to));
    }
    kept.iter().map(|line| format!("{line}\n")).collect()
}

fn block(reason: &Reason, source: Source<'_>) -> String {
    match reason {
        Reason::Exit(text) | Reason::Ending(text) => format!("{text}\n"),
        Reason::Step { span, at, text } => {
            format!(
                "at {at}, {}: {text}\n{}",
                place(*span, source),
                excerpt(*span, source)
            )
        }
        Reason::Broken { rule, at, text } => {
            format!("at {at}: {text}\n  breaks {}: {}\n", rule.row, rule.says)
        }
        Reason::Mismatch {
            what,
            span,
            expected,
            seen,
        } => {
            let at = span.map_or(String::new(), |span| format!(" ({})", place(span, source)));
            format!(
                "{what}{at}\n{}",
                beside(("expected", expected), ("seen", seen))
            )
        }
        Reason::Transcript { recorded, seen } => {
            format!(
                "the transcript is not the one on record\n{}",
                beside(("on record", recorded), ("seen", seen))
            )
        }
        Reason::Prediction { predicted, seen } => {
            format!(
                "the transcript is not the one that the model predicts\n{}",
                beside(("predicted", predicted), ("seen", seen))
            )
        }
        Reason::NoLongerDiverges(id) => {
            format!(
                "`{id}` is listed as an expected failure of this version, but the case passes: remove it\n"
            )
        }
    }
}

/// The transcript of a run that failed, beside the recorded one where there is one.
pub fn run(recorded: Option<&str>, seen: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    match recorded {
        Some(recorded) if recorded == seen => "the transcript is the one on record\n".to_owned(),
        Some(recorded) => beside(("on record", &lines(recorded)), ("seen", &lines(seen))),
        None => format!("what was seen\n{}", indented(seen)),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// `file.yaml:12:5`.
fn place(span: Span, source: Source<'_>) -> String {
    let (line, column) = Diagnostic::new(span, "").position(source.text);
    format!("{}:{line}:{column}", source.file)
}

/// The line at which a span begins.
fn excerpt(span: Span, source: Source<'_>) -> String {
    let (line, _) = Diagnostic::new(span, "").position(source.text);
    match source.text.lines().nth(line - 1) {
        Some(text) => format!("  {line} | {}\n", text.trim_end()),
        None => String::new(),
    }
}

/// Two lists of lines side by side, equal lines in the same row.
pub fn beside(left: (&str, &[String]), right: (&str, &[String])) -> String {
    let ((left_title, left), (right_title, right)) = (left, right);
    let longest = left.iter().map(|line| width(line)).max().unwrap_or(0);
    let column = longest.max(width(left_title)).min(WIDEST);
    let mut out = String::new();
    let mut row = |mark: &str, a: &str, b: &str| {
        let pad = " ".repeat(column.saturating_sub(width(a)));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", format!("{mark} {a}{pad} | {b}").trim_end());
    };
    row(" ", left_title, right_title);
    let left: Vec<&str> = left.iter().map(String::as_str).collect();
    let right: Vec<&str> = right.iter().map(String::as_str).collect();
    for pair in aligned(&left, &right) {
        match pair {
            (Some(a), Some(b)) if a == b => row(" ", a, b),
            (Some(a), Some(b)) => row("~", a, b),
            (Some(a), None) => row("<", a, ""),
            (None, Some(b)) => row(">", "", b),
            (None, None) => {}
        }
    }
    out
}

/// A line of each of two texts; one that is missing has no partner.
pub type Pair<'l> = (Option<&'l str>, Option<&'l str>);

/// Pairs equal lines, by a longest common subsequence; what lies between is paired as it comes.
pub fn aligned<'l>(left: &[&'l str], right: &[&'l str]) -> Vec<Pair<'l>> {
    let (n, m) = (left.len(), right.len());
    let mut common = vec![vec![0_u32; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            common[i][j] = if left[i] == right[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    let (mut only_left, mut only_right) = (Vec::new(), Vec::new());
    while i < n || j < m {
        if i < n && j < m && left[i] == right[j] {
            flush(&mut pairs, &mut only_left, &mut only_right);
            pairs.push((Some(left[i]), Some(right[j])));
            (i, j) = (i + 1, j + 1);
        } else if i < n && (j == m || common[i + 1][j] >= common[i][j + 1]) {
            only_left.push(left[i]);
            i += 1;
        } else {
            only_right.push(right[j]);
            j += 1;
        }
    }
    flush(&mut pairs, &mut only_left, &mut only_right);
    pairs
}

fn flush<'l>(pairs: &mut Vec<Pair<'l>>, left: &mut Vec<&'l str>, right: &mut Vec<&'l str>) {
    let rows = left.len().max(right.len());
    pairs.extend((0..rows).map(|row| (left.get(row).copied(), right.get(row).copied())));
    left.clear();
    right.clear();
}

/// Columns that a text takes on a terminal: the signs of East Asia take two.
pub fn width(text: &str) -> usize {
    let wide = |c: char| {
        matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x20000..=0x3fffd)
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn equal_lines_stand_in_the_same_row() {
        let shown = beside(
            ("expected", &lines("a b d e")),
            ("seen", &lines("a c d f e")),
        );
        let told = "  expected | seen
  a        | a
~ b        | c
  d        | d
>          | f
  e        | e
";
        assert_eq!(shown, told);
    }

    #[test]
    fn columns_hold_for_the_signs_of_east_asia() {
        let shown = beside(("expected", &lines("堵塞堵塞堵")), ("seen", &lines("x")));
        assert_eq!(shown, "  expected   | seen\n~ 堵塞堵塞堵 | x\n");
    }

    #[test]
    fn a_step_is_shown_at_its_place() {
        let source = Source {
            file: "a.yaml",
            text: "main:\n  - close\n",
        };
        let reason = Reason::Step {
            span: Span { start: 10, end: 15 },
            at: crate::case::ast::Time(0),
            text: "uncaught error: NotRunning".into(),
        };
        let shown = failure(&[reason], source);
        assert_eq!(
            shown,
            "at 0, a.yaml:2:5: uncaught error: NotRunning\n  2 |   - close\n"
        );
    }
}
