//! `list`: cases with their titles, or with what they say about their documents.

use spec_harness::judge::report::width;

use super::output::{FAINT, Output, paint};
use super::{ExitStatus, ListArgs, Refusal, check, claims, select};

pub(super) fn list(args: &ListArgs, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let chosen = match select::select(&args.selection)? {
        Ok(chosen) => chosen,
        Err(bad) => return Ok(check::show(&bad, out)),
    };
    if args.claims {
        return claims::list(&chosen, out);
    }
    let longest = chosen
        .iter()
        .map(|chosen| width(&chosen.case.name))
        .max()
        .unwrap_or(0);
    for chosen in &chosen {
        let case = &chosen.case;
        let pad = " ".repeat(longest - width(&case.name));
        let source = case
            .source
            .as_ref()
            .map(|source| paint(FAINT, format!("  ({})", source.value)));
        out.line(format_args!(
            "{}{pad}  {}{}",
            case.name,
            case.title,
            source.unwrap_or_default()
        ));
        if args.long {
            let rows = case.covers.iter().map(|row| row.value.as_str());
            let only = case
                .only
                .as_ref()
                .map(|only| format!("; {} only", only.value));
            let more = format!(
                "{}; {}{}",
                rows.collect::<Vec<_>>().join(" "),
                case.tags.join(" "),
                only.unwrap_or_default()
            );
            out.line(format_args!(
                "{}  {}",
                " ".repeat(longest),
                paint(FAINT, more)
            ));
        }
    }
    Ok(ExitStatus::Success)
}
