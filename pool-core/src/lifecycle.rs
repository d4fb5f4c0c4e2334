//! The life of a pool as a pure table: what each step makes of each phase, and what order it gives.

use crate::error::PoolError;

/// Where a pool is in its life; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Takes work.
    Running,
    /// Takes no more work; what it has will be done.
    Closed,
    /// Takes no more work; what had not started never will.
    Terminated,
    /// No worker is left.
    Joined,
}

/// What happens to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Work is submitted.
    Submit,
    /// `close()`.
    Close,
    /// `terminate()`.
    Terminate,
    /// `join()` begins.
    Join,
    /// The last worker has left.
    Reaped,
}

/// What the backend is told when a step changes the phase; each order is given once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Workers leave when nothing is left to do.
    Close,
    /// Workers stop.
    Terminate,
}

impl Phase {
    /// The phase after a step, and the order that goes with it.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotRunning`] for work that comes too late, [`PoolError::StillRunning`] for a join that
    /// comes too early; the phase stays as it is.
    pub fn after(self, step: Step) -> Result<(Phase, Option<Order>), PoolError> {
        use Phase::{Closed, Joined, Running, Terminated};
        Ok(match (self, step) {
            (Running, Step::Submit | Step::Reaped) => (Running, None),
            (Running, Step::Close) => (Closed, Some(Order::Close)),
            (Running, Step::Join) => return Err(PoolError::StillRunning),
            (Running | Closed, Step::Terminate) => (Terminated, Some(Order::Terminate)),
            (_, Step::Submit) => return Err(PoolError::NotRunning),
            (Closed | Terminated, Step::Reaped) => (Joined, None),
            (Closed, Step::Close | Step::Join) => (Closed, None),
            (Terminated, Step::Close | Step::Terminate | Step::Join) => (Terminated, None),
            (Joined, _) => (Joined, None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, Phase, PoolError, Step};

    /// The table of the documentation, row by row.
    #[test]
    fn each_step_in_each_phase_does_what_the_table_says() {
        use Phase::{Closed, Joined, Running, Terminated};
        let steps = [
            Step::Submit,
            Step::Close,
            Step::Terminate,
            Step::Join,
            Step::Reaped,
        ];
        let refused = Err(PoolError::NotRunning);
        let still = Err(PoolError::StillRunning);
        let stays = |phase| Ok((phase, None));
        let drains = Ok((Closed, Some(Order::Close)));
        let abandons = Ok((Terminated, Some(Order::Terminate)));
        let table = [
            (
                Running,
                [stays(Running), drains, abandons, still, stays(Running)],
            ),
            (
                Closed,
                [
                    refused,
                    stays(Closed),
                    abandons,
                    stays(Closed),
                    stays(Joined),
                ],
            ),
            (
                Terminated,
                [
                    refused,
                    stays(Terminated),
                    stays(Terminated),
                    stays(Terminated),
                    stays(Joined),
                ],
            ),
            (
                Joined,
                [
                    refused,
                    stays(Joined),
                    stays(Joined),
                    stays(Joined),
                    stays(Joined),
                ],
            ),
        ];
        for (phase, row) in table {
            for (step, expected) in steps.into_iter().zip(row) {
                assert_eq!(phase.after(step), expected, "{phase:?} {step:?}");
            }
        }
    }
}
