//! Reports on threads: any error by `?`.

use pool_thread::{Failure, Report, ThreadPool};

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
            .starts_with("task failed: reading /no/such/file: ")
    );
    assert!(matches!(failure, Failure::Raised(report) if report.chain().count() == 2));
    // A task without arguments, and `?` on its failure.
    let seven: u32 = pool.try_apply(|()| Ok::<_, Report>("7".parse()?), ())?;
    assert_eq!(seven, 7);
    drop(pool.try_apply_async(number_in, "/unseen")?);
    pool.close();
    pool.join()?;
    let unseen = pool.stats().tally.first_unseen.ok_or("none")?;
    assert!(unseen.to_string().contains("reading /unseen: "), "{unseen}");
    Ok(())
}
