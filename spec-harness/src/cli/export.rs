//! `export`: a case as a program that stands alone.

use spec_harness::case::ast::Kind;
use spec_harness::export;

use super::output::{GOOD, Output, paint};
use super::select::{self, Bad};
use super::{Came, ExportArgs, Ours, Refusal, check, new};

pub(super) fn export(args: &ExportArgs, out: &mut Output) -> Result<Came, Refusal> {
    let chosen = match select::one(&args.case)? {
        Ok(chosen) => chosen,
        Err(bad) => return Ok(check::show(&[bad], out)),
    };
    let kind = match args.kind {
        Some(Ours::Thread) => Kind::Thread,
        Some(Ours::Process) => Kind::Process,
        None => chosen
            .case
            .only
            .as_ref()
            .map_or(Kind::Process, |only| only.value),
    };
    let text = match export::python(&chosen.case, kind) {
        Ok(text) => text,
        Err(mut problems) => {
            for problem in &mut problems {
                problem.file.clone_from(&chosen.file);
                problem.message = format!("this cannot be exported: {}", problem.message);
            }
            return Ok(check::show(
                &[Bad {
                    problems,
                    text: chosen.text,
                }],
                out,
            ));
        }
    };
    match &args.output {
        None => out.line(text.trim_end()),
        Some(path) => {
            new::write(path, &text)?;
            out.line(format_args!(
                "{}: {}",
                paint(GOOD, "written"),
                path.display()
            ));
        }
    }
    Ok(Came::Well)
}
