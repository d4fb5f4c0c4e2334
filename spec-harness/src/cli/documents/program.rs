//! A program of a document: its lines, repaired.

use std::collections::BTreeMap;

use super::sources::{Document, Example, Repair};

/// The program of an example, as it can be run.
///
/// # Errors
/// The document has no such lines, or they do not say what the repairs take them to say.
pub(super) fn program(
    document: &Document,
    example: &Example,
    text: &str,
) -> Result<String, String> {
    let mut lines: BTreeMap<usize, String> = (1..).zip(text.lines().map(str::to_owned)).collect();
    for repair in document.repairs.iter().chain(&example.repairs) {
        apply(repair, &mut lines)?;
    }
    let mut program = String::new();
    for (first, last) in example.parts() {
        for number in *first..=*last {
            program += the(&mut lines, number)?;
            program += "\n";
        }
    }
    Ok(program)
}

fn apply(repair: &Repair, lines: &mut BTreeMap<usize, String>) -> Result<(), String> {
    match repair {
        Repair::Comment(number) => {
            let line = the(lines, *number)?;
            *line = format!("# {line}");
        }
        Repair::Uncomment {
            line: number,
            indent,
        } => {
            let line = the(lines, *number)?;
            let Some((before, code)) = line
                .split_once('#')
                .filter(|(before, _)| before.trim().is_empty())
            else {
                return Err(format!("line {number} is no comment"));
            };
            *line = " ".repeat(indent.unwrap_or(before.len())) + code.trim_start();
        }
        Repair::Replace {
            line: Some(number),
            text,
            by,
        } => {
            let line = the(lines, *number)?;
            if !line.contains(text) {
                return Err(format!("line {number} does not say `{text}`"));
            }
            *line = line.replace(text, by);
        }
        Repair::Replace {
            line: None,
            text,
            by,
        } => {
            for line in lines.values_mut() {
                *line = line.replace(text, by);
            }
        }
        Repair::Insert { before, text } => {
            let line = the(lines, *before)?;
            *line = format!("{text}\n{line}");
        }
        Repair::Indent {
            lines: (first, last),
            by,
        } => {
            for number in *first..=*last {
                let line = the(lines, number)?;
                *line = indented(line, *by)
                    .ok_or_else(|| format!("line {number} is not indented so far"))?;
            }
        }
    }
    Ok(())
}

/// Each line of a text, so many columns to the right; `None` where there are fewer to go to the left.
fn indented(text: &str, by: i32) -> Option<String> {
    let width = usize::try_from(by.unsigned_abs()).ok()?;
    if by >= 0 {
        return Some(" ".repeat(width) + text);
    }
    let (margin, rest) = text.split_at_checked(width).unwrap_or((text, ""));
    margin.trim().is_empty().then(|| rest.to_owned())
}

fn the(lines: &mut BTreeMap<usize, String>, number: usize) -> Result<&mut String, String> {
    lines
        .get_mut(&number)
        .ok_or_else(|| format!("there is no line {number}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::sources::Repair;
    use super::apply;

    const TEXT: &str = "for i in l:\n  a(i)\n  # b(i)\n#  c(i)\n    d(\u{a0}1)\n";

    fn repaired(repair: Repair) -> Result<String, String> {
        let mut lines: BTreeMap<usize, String> =
            (1..).zip(TEXT.lines().map(str::to_owned)).collect();
        apply(&repair, &mut lines)?;
        Ok(lines.into_values().collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn a_repair_changes_its_line_alone() {
        let uncomment = |line, indent| Repair::Uncomment { line, indent };
        let replace = |line| Repair::Replace {
            line,
            text: "\u{a0}".to_owned(),
            by: String::new(),
        };
        for (repair, becomes) in [
            (
                Repair::Comment(2),
                "for i in l:|#   a(i)|  # b(i)|#  c(i)|    d(\u{a0}1)",
            ),
            (
                uncomment(3, None),
                "for i in l:|  a(i)|  b(i)|#  c(i)|    d(\u{a0}1)",
            ),
            (
                uncomment(4, Some(2)),
                "for i in l:|  a(i)|  # b(i)|  c(i)|    d(\u{a0}1)",
            ),
            (
                replace(None),
                "for i in l:|  a(i)|  # b(i)|#  c(i)|    d(1)",
            ),
            (
                replace(Some(5)),
                "for i in l:|  a(i)|  # b(i)|#  c(i)|    d(1)",
            ),
            (
                Repair::Insert {
                    before: 1,
                    text: "l = []".to_owned(),
                },
                "l = []\nfor i in l:|  a(i)|  # b(i)|#  c(i)|    d(\u{a0}1)",
            ),
            (
                Repair::Indent {
                    lines: (5, 5),
                    by: -4,
                },
                "for i in l:|  a(i)|  # b(i)|#  c(i)|d(\u{a0}1)",
            ),
            (
                Repair::Indent {
                    lines: (1, 2),
                    by: 2,
                },
                "  for i in l:|    a(i)|  # b(i)|#  c(i)|    d(\u{a0}1)",
            ),
        ] {
            assert_eq!(
                repaired(repair.clone()).as_deref(),
                Ok(becomes),
                "{repair:?}"
            );
        }
    }

    #[test]
    fn a_repair_of_what_is_not_there_is_refused() {
        for (repair, why) in [
            (Repair::Comment(6), "there is no line 6"),
            (
                Repair::Uncomment {
                    line: 2,
                    indent: None,
                },
                "line 2 is no comment",
            ),
            (
                Repair::Indent {
                    lines: (1, 2),
                    by: -1,
                },
                "line 1 is not indented so far",
            ),
            (
                Repair::Replace {
                    line: Some(1),
                    text: "z".to_owned(),
                    by: String::new(),
                },
                "line 1 does not say `z`",
            ),
        ] {
            assert_eq!(repaired(repair), Err(why.to_owned()));
        }
    }
}
