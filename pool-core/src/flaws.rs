//! Ways to break what the models check, for models that must fail: a model that none of them fails proves nothing. Outside of a
//! model checker nothing is broken.

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A submission wakes no sleeper.
    SubmissionWakesNobody,
    /// A worker sleeps without a look at the tail.
    SleepsWithoutALook,
    /// A worker that has nothing to do leaves without a look at the tail.
    LeavesWithoutALook,
    /// A worker stops spinning under the head's lock alone.
    SpinEndsUnderOneLock,
    /// A worker that takes a unit asks a hint whether the head has others.
    AsksAHint,
    /// A worker that takes a unit does not see what lies in the queues of others.
    OverlooksOthers,
    /// A worker that leaves passes its wake-up on to nobody.
    PassesOnNothing,
    /// A worker that leaves keeps what it has taken.
    KeepsWhatItTook,
    /// Nobody takes what lies in another worker's queue.
    NeverTakesBack,
    /// A unit is taken from a range by a look and a store.
    TakesInTwoSteps,
    /// A worker tells what it runs after it has taken it.
    TellsTooLate,
    /// A worker that was short once takes many units for ever.
    DepthStays,
    /// The end of the pool wakes nobody.
    EndWakesNobody,
    /// Two looks decide whether a job was handed out.
    HandsOutTwice,
    /// A job may have two resolvers.
    TwoResolvers,
    /// A look decides whether a job can be stopped, and then it is.
    StopsInTwoSteps,
    /// Who resolves a job that has failed does not wait for whoever writes the error.
    ResolvesBesideTheWriter,
    /// A resolver wakes waiters without their lock.
    WakesBesideTheLock,
    /// A future says that it waits, and does not look again.
    LooksNoMore,
    /// A dropped handle looks, and then says that it was dropped.
    ForgetsInTwoSteps,
    /// A worker that takes a unit tells nobody of the place.
    PlaceTellsNobody,
    /// Whoever gives up a place in the line tells nobody.
    TurnTellsNobody,
    /// A newcomer takes a place that others wait for.
    PassesTheLine,
    /// A result that a callback waits for does not wake the callback thread.
    NudgesNobody,
}

#[cfg(not(all(test, any(loom, shuttle))))]
pub(crate) const fn has(_: Flaw) -> bool {
    false
}

#[cfg(all(test, any(loom, shuttle)))]
pub(crate) use modelled::{fails, has};

#[cfg(all(test, any(loom, shuttle)))]
mod modelled {
    use std::cell::Cell;
    use std::panic::{self, AssertUnwindSafe};

    use super::Flaw;

    thread_local! {
        /// A model checker runs all threads of a model on one thread.
        static FLAW: Cell<Option<Flaw>> = const { Cell::new(None) };
    }

    pub(crate) fn has(flaw: Flaw) -> bool {
        FLAW.get() == Some(flaw)
    }

    /// Runs a model with something broken: it must fail.
    pub(crate) fn fails(flaw: Flaw, model: impl FnOnce()) {
        FLAW.set(Some(flaw));
        let outcome = panic::catch_unwind(AssertUnwindSafe(model));
        FLAW.set(None);
        assert!(outcome.is_err(), "nothing notices {flaw:?}");
    }
}
