//! What a pool of processes says of its work: which errors went unhandled.

mod common;

use common::{Outcome, each_way};
use pool_process::{Cause, Pool, TaskError};

fn fail(what: String) -> Result<u32, String> {
    Err(what)
}

#[test]
fn errors_that_nobody_looked_at_are_counted_and_the_first_is_kept() -> Outcome {
    each_way(2, |pool| {
        let exit: fn(i32) -> () = |code| std::process::exit(code);
        assert!(pool.try_apply(fail, "seen".to_owned()).is_err());
        assert!(pool.apply(exit, 1).is_err());
        let lost = pool.apply_async(exit, 7)?;
        lost.wait();
        drop(lost);
        drop(pool.try_map_async(fail, ["a", "b", "c"].map(str::to_owned))?);
        let mut items = pool
            .try_each(fail, ["d", "e"].map(str::to_owned))
            .chunksize(2)
            .imap()?;
        assert!(items.next().is_some_and(|end| end.is_err()));
        drop(items);
        let told = pool.call(exit, 2).error_callback(|_| ()).submit()?;
        drop(told);
        pool.close();
        pool.join()?;
        let tasks = pool.stats().tasks;
        // Two calls seen, one lost, one map of three chunks, one chunk of two items, one call with a callback.
        assert_eq!((tasks.submitted, tasks.ended), (8, 8));
        assert_eq!((tasks.errors, tasks.unhandled), (7, 3));
        let first = tasks.first_unhandled.ok_or("none")?;
        let TaskError::WorkerLost(worker) = &first.error else {
            return Err(first.to_string().into());
        };
        assert_eq!(worker.cause, Cause::Exit(7));
        assert!(first.task.contains("tests/stats.rs"), "{first}");
        Ok(())
    })
}
