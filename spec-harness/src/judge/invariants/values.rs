//! What a program is given is what its tasks returned, whenever and in whatever order that was.

use super::{Breach, breach};
use crate::case::ast::Fate;
use crate::case::expr::Value;
use crate::history::{Key, What, Who};
use crate::judge::facts::{Called, Facts, Job, stream};
use crate::protocol::{Call, Tasks};

/// The values that were given for a job, one by one.
type Given<'v> = Vec<&'v Value>;

/// Each value that a call, an iterator or a callback was given is one that a task of its job returned, and none is given
/// twice for one job.
pub(super) fn are_of_the_tasks(facts: &Facts<'_>) -> Result<(), Breach> {
    for call in &facts.calls {
        let Some((moment, Ok(seen))) = call.returned else {
            continue;
        };
        let Some((keys, many)) = waited_for(facts, call) else {
            continue;
        };
        if let Some(value) = foreign(facts, given(seen, many), keys) {
            return breach(moment, told(call.text, value));
        }
    }
    for began in &facts.calls {
        let Some(stream) = stream(began) else {
            continue;
        };
        let taken = facts.calls.iter().filter_map(|call| match call.command {
            Call::Next { iterator, .. } if iterator == stream.iterator => {
                let (moment, result) = call.returned?;
                Some((moment, call, result.as_ref().ok()?))
            }
            _ => None,
        });
        let taken: Vec<_> = taken.collect();
        let values = taken.iter().map(|(.., value)| *value).collect();
        if let Some(value) = foreign(facts, values, stream.keys)
            && let Some((moment, call, _)) = taken.iter().rfind(|(.., given)| *given == value)
        {
            return breach(*moment, told(call.text, value));
        }
    }
    for job in facts.calls.iter().filter_map(Job::of) {
        let called = job
            .callback
            .and_then(|key| Some((key, facts.lives.get(&key)?)));
        let Some((key, life)) = called else {
            continue;
        };
        let seen = facts.task(key).and_then(|task| task.args.first());
        if let Some(seen) = seen
            && let Some(value) = foreign(facts, given(seen, job.many), job.keys)
        {
            return breach(life.began, told(&facts.name(key), value));
        }
    }
    Ok(())
}

fn told(whom: &str, value: &Value) -> String {
    format!(
        "`{whom}` was given {}, which no task of its job returned",
        value.repr()
    )
}

/// The values of one that was given; of many, those in the list.
fn given(seen: &Value, many: bool) -> Given<'_> {
    match seen {
        Value::List(items) if many => items.iter().collect(),
        other => vec![other],
    }
}

/// The first value that no task of these returned, or was given more often than that.
fn foreign<'v>(facts: &Facts<'_>, given: Given<'v>, keys: &[Key]) -> Option<&'v Value> {
    let done = keys
        .iter()
        .filter_map(|key| facts.task(*key))
        .filter(|task| task.fate == Fate::Done);
    // Of one that was told to return what cannot travel, nobody knows what arrives.
    let returned: Option<Vec<&Value>> = done.map(|task| task.value.as_ref()).collect();
    let mut returned = returned?;
    given.into_iter().find(|value| {
        let at = returned.iter().position(|known| known == value);
        at.map(|at| returned.swap_remove(at)).is_none()
    })
}

/// The tasks whose result a call gives, and whether it gives a list.
pub(super) fn waited_for<'f>(
    facts: &'f Facts<'_>,
    call: &'f Called<'_>,
) -> Option<(&'f [Key], bool)> {
    if let Call::Get { handle, .. } = call.command {
        return facts.job(handle).map(|job| (job.keys, job.many));
    }
    let job = call.command.job().filter(|job| job.later.is_none())?;
    Some((job.tasks.keys(), matches!(job.tasks, Tasks::Many { .. })))
}

/// A body that was called otherwise than it was submitted is noted as it begins.
pub(super) fn arguments_arrive(facts: &Facts<'_>) -> Result<(), Breach> {
    let pairs = facts.events().windows(2).enumerate();
    for (moment, pair) in pairs {
        if let [before, event] = pair
            && let (What::Begin { .. }, What::Unmet { text, .. }) = (&before.what, &event.what)
            && before.who == event.who
            && matches!(event.who, Who::Puppet(_))
            // And not an operation of the body that has no value.
            && text.ends_with(" were submitted")
        {
            return breach(moment + 1, text.clone());
        }
    }
    Ok(())
}

/// A job was successful where all of its tasks, and the callback, ended well.
pub(super) fn successful_says_how_it_ended(facts: &Facts<'_>) -> Result<(), Breach> {
    for call in &facts.calls {
        let (Call::Successful { handle }, Some((moment, Ok(Value::Bool(said))))) =
            (call.command, call.returned)
        else {
            continue;
        };
        let Some(job) = facts.job(handle) else {
            continue;
        };
        if job.keys.iter().any(|key| facts.is_limited(*key)) {
            continue;
        }
        // What becomes of the jobs of a pool that was told to stop, or could not start, is not their tasks' affair.
        if facts.stops(job.pool) < call.at || facts.start_failed(job.pool, call.at) {
            continue;
        }
        let well = |key: &Key| {
            facts
                .task(*key)
                .is_some_and(|task| task.fate == Fate::Done && task.value.is_some())
        };
        let failed = |key: &&Key| !well(key) && facts.lives.contains_key(key);
        if *said && let Some(key) = job.keys.iter().find(failed) {
            return breach(
                moment,
                format!("successful, but {} had failed", facts.name(*key)),
            );
        }
        let callback_well = job.callback.is_none_or(|key| well(&key));
        if !said && callback_well && job.keys.iter().all(well) {
            return breach(
                moment,
                "not successful, but every task of the job had ended well",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::verdict;
    use super::*;
    use crate::judge::sample::Sample;

    fn list(items: &[i64]) -> Value {
        Value::List(items.iter().map(|n| Value::Int(*n)).collect())
    }

    #[test]
    fn values_may_change_their_order_and_nothing_else() {
        let run = |values: &[i64]| {
            let mut run = Sample::pool(2);
            run.map(2, 1)
                .begin(0, 0)
                .begin(1, 1)
                .end(0)
                .end(1)
                .returns(list(values));
            verdict(are_of_the_tasks, &run)
        };
        assert_eq!(run(&[0, 1]), None);
        assert_eq!(run(&[1, 0]), None);
        for wrong in [&[0, 2][..], &[0, 0], &[0, 1, 1]] {
            let told = run(wrong);
            assert!(
                told.is_some_and(|told| told.contains("which no task of its job returned")),
                "{wrong:?}"
            );
        }
    }
}
