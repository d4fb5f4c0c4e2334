//! Reports on threads: any error by `?`.

use pool_thread::{Pool, Report, TaskError, ThreadPool};

fn number_in(path: &str) -> Result<u32, Report> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Report::from(error).wrap(format!("reading {path}")))?;
    Ok(text.trim().parse()?)
}

#[test]
fn a_task_may_fail_with_any_error_as_a_report() -> Result<(), Box<dyn std::error::Error>> {
    let pool = ThreadPool::new(2)?;
    let failure = pool
        .try_map(number_in, ["/no/such/file"])
        .expect_err("there is none");
    assert!(
        failure
            .to_string()
            .starts_with("task failed at item 0: reading /no/such/file: ")
    );
    assert!(
        matches!(failure, TaskError::Raised { error: report, .. } if report.chain().count() == 2)
    );
    // A task without arguments, and `?` on its failure.
    let seven: u32 = pool.try_apply(|()| Ok::<_, Report>("7".parse()?), ())?;
    assert_eq!(seven, 7);
    drop(pool.try_apply_async(number_in, "/unseen")?);
    pool.close();
    pool.join()?;
    let unhandled = pool.stats().tasks.first_unhandled.ok_or("none")?;
    assert!(
        unhandled.to_string().contains("reading /unseen: "),
        "{unhandled}"
    );
    Ok(())
}
