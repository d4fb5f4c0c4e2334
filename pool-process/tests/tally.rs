//! What a pool of processes says of its work: which errors went unseen.

mod common;

use common::{Outcome, each_way};
use pool_process::{Cause, Failure};

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
            .try_imap_task(fail, ["d", "e"].map(str::to_owned))
            .chunksize(2)
            .ordered()?;
        assert!(items.next().is_some_and(|end| end.is_err()));
        drop(items);
        let told = pool.task(exit, 2).error_callback(|_| ()).submit()?;
        drop(told);
        pool.close();
        pool.join()?;
        let tally = pool.stats().tally;
        // Two calls seen, one lost, one map of three chunks, one chunk of two items, one call with a callback.
        assert_eq!((tally.submitted, tally.ended), (8, 8));
        assert_eq!((tally.errors, tally.unseen), (7, 3));
        let first = tally.first_unseen.ok_or("none")?;
        let Failure::WorkerLost(worker) = &first.failure else {
            return Err(first.to_string().into());
        };
        assert_eq!(worker.cause, Cause::Exit(7));
        assert!(first.task.contains("tests/tally.rs"), "{first}");
        Ok(())
    })
}
