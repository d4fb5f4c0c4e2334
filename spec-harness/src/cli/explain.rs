//! `explain`: a case told instant by instant.

use spec_harness::story::{self, Chapter};

use super::output::{FAINT, Output, STRONG, paint, wrapped};
use super::{Came, Refusal, Subject, check, picture, subject};

pub(super) fn explain(asked: &Subject, out: &mut Output) -> Result<Came, Refusal> {
    let chosen = match subject::case(asked)? {
        Ok(chosen) => chosen,
        Err(bad) => return Ok(check::show(&[bad], out)),
    };
    let case = &chosen.case;
    let columns = picture::look(None, false).columns.min(100);
    let mut told: Vec<(String, Vec<Chapter>)> = Vec::new();
    let (seen, refused) = subject::seen(asked, case, false, out)?;
    for seen in seen {
        let story = story::of(&seen.history);
        match told.iter_mut().find(|(_, known)| *known == story) {
            Some((on, _)) => *on += &format!("; {}", seen.on),
            None => told.push((seen.on, story)),
        }
    }
    out.line(paint(STRONG, &case.title));
    for (on, story) in &told {
        out.line(paint(FAINT, format!("{} on {on}", case.name)));
        for chapter in story {
            out.line("");
            tell(chapter, columns, out);
        }
        out.line("");
    }
    for why in refused {
        out.line(paint(FAINT, why));
    }
    Ok(Came::Well)
}

fn tell(chapter: &Chapter, columns: usize, out: &mut Output) {
    out.line(paint(STRONG, format!("at {}", chapter.at)));
    let mut block = |sign: &str, text: &str, faint: bool| {
        for (index, line) in wrapped(text, columns.saturating_sub(6)).iter().enumerate() {
            let sign = if index == 0 { sign } else { " " };
            let line = if faint {
                paint(FAINT, line)
            } else {
                line.clone()
            };
            out.line(format_args!("  {sign} {line}"));
        }
    };
    for text in &chapter.happens {
        block(" ", text, false);
    }
    for text in &chapter.waits {
        block("·", text, true);
    }
    block("→", &chapter.then, false);
}
