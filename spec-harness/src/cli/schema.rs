//! `schema`: the language of case files, for editors and for readers.

use spec_harness::case::language;

use super::output::Output;
use super::{ExitStatus, Refusal, SchemaArgs};

pub(super) fn schema(args: &SchemaArgs, out: &mut Output) -> Result<ExitStatus, Refusal> {
    let text = if args.reference {
        language::reference()
    } else {
        format!("{:#}", language::schema())
    };
    out.line(text.trim_end());
    Ok(ExitStatus::Success)
}
