//! Words in a picture: on one line each, and what is said again and again once.

use super::Said;

/// Calls of one kind that follow each other in one instant as one: `apply_async ×10`.
pub(super) fn grouped(calls: Vec<Said>) -> Vec<Said> {
    let verb = |said: &Said| said.text.split(' ').next().unwrap_or_default().to_owned();
    let mut grouped: Vec<(Said, usize)> = Vec::new();
    for said in calls {
        match grouped.last_mut() {
            Some((last, count))
                if !last.bad
                    && !said.bad
                    && (last.at.instant, &last.who, verb(last))
                        == (said.at.instant, &said.who, verb(&said)) =>
            {
                *count += 1;
            }
            _ => grouped.push((said, 1)),
        }
    }
    let told = grouped.into_iter().map(|(said, count)| match count {
        1 => said,
        n => Said {
            text: format!("{} ×{n}", verb(&said)),
            ..said
        },
    });
    rounds(told.collect())
}

/// What comes round again and again in one instant, as in a loop, once: `ready i`, `get i`, `these 2 ×10`.
fn rounds(said: Vec<Said>) -> Vec<Said> {
    const LONGEST: usize = 4;
    const FEWEST: usize = 3;
    let same = |a: &Said, b: &Said| {
        !a.bad && (a.at.instant, &a.who, &a.text, a.bad) == (b.at.instant, &b.who, &b.text, b.bad)
    };
    let mut told = Vec::new();
    let mut rest = said.as_slice();
    while let Some(first) = rest.first() {
        let times = |length: usize| {
            let round = rest.get(..length)?;
            let alike = |other: &&[Said]| other.iter().zip(round).all(|(a, b)| same(a, b));
            Some(rest.chunks_exact(length).take_while(alike).count())
        };
        let found = (2..=LONGEST).find_map(|length| {
            let times = times(length).filter(|times| *times >= FEWEST)?;
            Some((length, times))
        });
        let Some((length, times)) = found else {
            told.push(first.clone());
            rest = &rest[1..];
            continue;
        };
        told.extend_from_slice(&rest[..length]);
        told.push(Said {
            text: format!("these {length} ×{times}"),
            ..first.clone()
        });
        rest = &rest[length * times..];
    }
    told
}

/// A text that breaks no layout.
pub(super) fn one_line(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' => '⏎',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.trim_end_matches('\n').chars().map(visible).collect()
}
