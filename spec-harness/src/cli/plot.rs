//! `plot`: a case as a picture, on the terminal or as SVG.

use std::path::Path;

use spec_harness::picture::{self as drawn, Picture, Waits, svg};

use super::output::{FAINT, Output, STRONG, paint};
use super::{ExitStatus, PlotArgs, Refusal, check, one_case, picture};

pub(super) fn plot(args: &PlotArgs, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let chosen = match one_case::case(&args.one_case)? {
        Ok(chosen) => chosen,
        Err(bad) => return Ok(check::show(&[bad], out)),
    };
    let case = &chosen.case;
    let mut pictures: Vec<(String, Picture, Vec<Waits>)> = Vec::new();
    let (seen, refused) = one_case::seen(&args.one_case, case, args.real_clock, out)?;
    for seen in seen {
        let picture = Picture::of(&seen.history);
        match pictures.iter_mut().find(|(_, known, _)| *known == picture) {
            Some((on, ..)) => *on += &format!("; {}", seen.on),
            None => pictures.push((seen.on, picture, drawn::waits(&seen.history))),
        }
    }
    if let Some(file) = &args.svg {
        return write(file, &case.title, &pictures, out);
    }
    let look = picture::look(args.columns, args.ascii);
    out.line(paint(STRONG, &case.title));
    for (on, picture, waits) in &pictures {
        out.line(paint(FAINT, format!("{} on {on}", case.name)));
        out.line("");
        picture::show(picture, look, "", out);
        for Waits { at, lines } in waits {
            for (index, line) in lines.iter().enumerate() {
                let at = if index == 0 {
                    format!("at {at}")
                } else {
                    String::new()
                };
                out.line(paint(FAINT, format!("{at:<10} {line}")));
            }
        }
        out.line("");
    }
    for why in refused {
        out.line(paint(FAINT, why));
    }
    Ok(ExitStatus::Success)
}

fn write(
    file: &Path,
    title: &str,
    pictures: &[(String, Picture, Vec<Waits>)],
    out: &mut Output,
) -> Result<ExitStatus, Refusal> {
    let [(on, picture, _)] = pictures else {
        let on: Vec<&str> = pictures.iter().map(|(on, ..)| on.as_str()).collect();
        return Err(format!(
            "one file holds one picture, and these differ: {}; choose one with --on",
            on.join("; ")
        ));
    };
    let text = svg::standalone(picture, title, on);
    if file == Path::new("-") {
        out.line(text.trim_end());
    } else {
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(ExitStatus::Success)
}
