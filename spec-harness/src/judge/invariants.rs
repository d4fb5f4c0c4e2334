//! What holds in every run of every pool, whatever the case: one small function per rule of the contract.

mod callbacks;
mod endings;
mod imap;
mod initializer;
mod results;
mod starts;
mod values;
mod work;

use super::Reason;
use super::facts::{Facts, Moment};
use crate::history::History;

/// A rule that every run must keep.
pub struct Rule {
    /// The contract's row.
    pub row: &'static str,
    /// The rule in one sentence.
    pub says: &'static str,
    check: fn(&Facts<'_>) -> Result<(), Breach>,
}

/// How a rule was broken, and at which moment.
#[derive(Debug)]
struct Breach {
    at: Moment,
    text: String,
}

/// Every rule; what explains others stands before them.
pub const RULES: &[Rule] = &[
    Rule {
        row: "O1",
        says: "each task runs at most once, and only after it was submitted",
        check: starts::once,
    },
    Rule {
        row: "O5",
        says: "tasks start in the order of their submission",
        check: starts::first_in_first_out,
    },
    Rule {
        row: "O4",
        says: "the items of a chunk run one after the other on one worker",
        check: starts::chunks_in_order,
    },
    Rule {
        row: "L5",
        says: "no chunk starts in a pool that was told to stop",
        check: starts::none_after_terminate,
    },
    Rule {
        row: "C1",
        says: "a pool of N runs at most N tasks at a time, and a worker one",
        check: work::at_most_its_size,
    },
    Rule {
        row: "C1",
        says: "no worker idles while a task is queued",
        check: work::conserving,
    },
    Rule {
        row: "W1",
        says: "a worker runs its pool's initializer once, and nothing before it",
        check: initializer::comes_first,
    },
    Rule {
        row: "C5",
        says: "an asynchronous submission returns at once",
        check: work::submission_takes_no_time,
    },
    Rule {
        row: "O6",
        says: "a call gives what its tasks returned, in the order of its input",
        check: results::are_those_of_the_tasks,
    },
    Rule {
        row: "O9",
        says: "an imap gives each result once, at its place",
        check: imap::gives_each_at_its_place,
    },
    Rule {
        row: "O9",
        says: "an imap gives a result as soon as it is there",
        check: imap::gives_as_soon_as_it_is_there,
    },
    Rule {
        row: "O10",
        says: "an imap reads no further ahead than it was told",
        check: imap::reads_no_further_than_told,
    },
    Rule {
        row: "R1",
        says: "a handle is ready exactly when its job and the callback are done",
        check: results::ready_when_done,
    },
    Rule {
        row: "R5",
        says: "a callback runs after its job and before the handle is ready",
        check: callbacks::between_job_and_handle,
    },
    Rule {
        row: "R5",
        says: "callbacks run in the parent, one at a time",
        check: callbacks::one_at_a_time_in_the_parent,
    },
    Rule {
        row: "L4",
        says: "join returns when every task and every callback has ended",
        check: endings::join_is_last,
    },
    Rule {
        row: "L4",
        says: "when join has returned, no worker of the pool is left, not even one that nobody has waited for",
        check: endings::join_leaves_no_worker,
    },
    Rule {
        row: "L4",
        says: "nothing of the program is left when it has ended",
        check: endings::everything_is_reaped,
    },
];

/// Rules about what a program is given, which no declined row excuses: a pool may do its work at another time, in
/// another order or not at all, but it may not give what no task returned.
pub const ALWAYS: &[Rule] = &[
    Rule {
        row: "O13",
        says: "a task is called with the arguments that were submitted",
        check: values::arguments_arrive,
    },
    Rule {
        row: "R3",
        says: "nobody is given a value that no task of the job has returned",
        check: values::are_of_the_tasks,
    },
    Rule {
        row: "R2",
        says: "successful says how the tasks and the callback of the job have ended",
        check: values::successful_says_how_it_ended,
    },
];

/// The first breach of each rule, the earliest first.
pub(super) fn broken(history: &History) -> Vec<Reason> {
    let facts = Facts::of(history);
    let mut found: Vec<(Moment, Reason)> = Vec::new();
    for rule in RULES.iter().chain(ALWAYS) {
        if let Err(Breach { at, text }) = (rule.check)(&facts) {
            let reason = Reason::Broken {
                rule,
                at: facts.at(at),
                text,
            };
            found.push((at, reason));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, reason)| reason).collect()
}

fn breach(at: Moment, text: impl Into<String>) -> Result<(), Breach> {
    Err(Breach {
        at,
        text: text.into(),
    })
}

impl PartialEq for Rule {
    /// Rules are what they say.
    fn eq(&self, other: &Rule) -> bool {
        (self.row, self.says) == (other.row, other.says)
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.row, self.says)
    }
}

/// What a rule says to a history.
#[cfg(test)]
fn verdict(
    check: fn(&Facts<'_>) -> Result<(), Breach>,
    run: &super::sample::Sample,
) -> Option<String> {
    check(&Facts::of(&run.history))
        .err()
        .map(|breach| breach.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::sample::Sample;

    #[test]
    fn an_orderly_run_keeps_every_rule() {
        let mut run = Sample::pool(1);
        run.apply_async_with_callback(0)
            .begin(0, 0)
            .apply_async(2)
            .close()
            .join()
            .clock(1);
        run.end(0)
            .begin(1, crate::judge::sample::PARENT)
            .begin(2, 0)
            .end(1);
        run.clock(2).end(2).joined().exit();
        assert_eq!(broken(&run.history), []);
    }

    #[test]
    fn the_earliest_breach_comes_first() {
        let mut run = Sample::pool(1);
        run.apply_async(0)
            .apply_async(1)
            .begin(1, 0)
            .end(1)
            .terminate();
        run.begin(0, 0).end(0).exit();
        let rows: Vec<_> = broken(&run.history)
            .into_iter()
            .map(|reason| match reason {
                Reason::Broken { rule, .. } => rule.row,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(rows, ["C1", "O5", "L5"]);
    }
}
