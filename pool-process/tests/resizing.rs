//! A pool of processes that is resized, and whose processes leave when there is nothing to do.

#[path = "../../pool-core/tests/programs/clock.rs"]
mod clock;
#[path = "../../pool-core/tests/programs/notes.rs"]
mod notes;
#[path = "../../pool-core/tests/programs/resizing.rs"]
mod resizing;

use pool_process::{ProcessPool, StartError};
use resizing::Setup;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The workers of a pool have rings, or they have not.
fn each(program: impl Fn(&dyn Fn(Setup) -> Result<ProcessPool, StartError>) -> Outcome) -> Outcome {
    for shared in [true, false] {
        program(&|setup| {
            let builder = ProcessPool::builder().size(setup.size).timers(setup.timers);
            let builder = builder.shared_memory(shared).observer(setup.notes);
            match setup.idle_timeout {
                Some(time) => builder.idle_timeout(time).build(),
                None => builder.build(),
            }
        })?;
    }
    Ok(())
}

#[test]
fn a_pool_grows_and_shrinks() -> Outcome {
    each(|start| resizing::grows_and_shrinks(start))
}

#[test]
fn a_pool_shrinks_while_all_workers_are_busy() -> Outcome {
    each(|start| resizing::shrinks_while_all_are_busy(start))
}

#[test]
fn a_pool_that_is_resized_loses_nothing() -> Outcome {
    each(|start| resizing::loses_nothing(start))
}

#[test]
fn idle_workers_leave_and_come_back() -> Outcome {
    each(|start| resizing::idle_workers_leave(start))
}
