//! Errors that cannot travel between processes, as reports.

mod common;

use common::{Outcome, each_way};
use pool_process::{Pool, Report, TaskError};

/// Fails with an `io::Error`, which is no serde data, or with an error of number parsing.
fn number_in(path: String) -> Result<u32, Report> {
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Report::from(error).wrap(format!("reading {path}")))?;
    Ok(text.trim().parse()?)
}

fn no_arguments() -> Result<u32, Report> {
    Ok("7".parse()?)
}

#[test]
fn a_report_travels_with_message_and_sources() -> Outcome {
    each_way(1, |pool| {
        let failure = pool
            .try_apply(number_in, "/no/such/file".to_owned())
            .expect_err("there is none");
        let TaskError::Raised { error: report, .. } = &failure else {
            return Err(failure.into());
        };
        let chain: Vec<&str> = report.chain().collect();
        assert_eq!(
            chain,
            [
                "reading /no/such/file",
                "No such file or directory (os error 2)"
            ]
        );
        assert_eq!(
            failure.to_string(),
            "task failed: reading /no/such/file: No such file or directory (os error 2)"
        );
        let ends: Vec<_> = pool
            .try_each(number_in, ["/proc/self/comm".to_owned()])
            .imap()?
            .collect();
        assert!(
            matches!(&ends[..], [Err(TaskError::Raised { error: report, .. })] if report.to_string().contains("invalid digit"))
        );
        // A task without arguments, and `?` on its failure.
        assert_eq!(pool.try_apply(|()| no_arguments(), ())?, 7);
        drop(pool.try_apply_async(number_in, "/unhandled".to_owned())?);
        pool.close();
        pool.join()?;
        let unhandled = pool.stats().tasks.first_unhandled.ok_or("none")?;
        assert!(
            unhandled
                .to_string()
                .contains("reading /unhandled: No such file")
        );
        Ok(())
    })
}
