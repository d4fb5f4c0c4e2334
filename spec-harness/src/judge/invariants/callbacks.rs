//! When, where and how often callbacks run.

use super::{Breach, breach};
use crate::case::ast::Fate;
use crate::case::expr::Value;
use crate::history::{FIRST_PARENT_THREAD, Key, What, Who};
use crate::judge::facts::{Called, Facts, Job};
use crate::protocol::Call;

/// A callback begins when its whole job has ended, it is the one that the outcome asks for, and it has ended
/// before anybody sees the handle as finished.
pub(super) fn between_job_and_handle(facts: &Facts<'_>) -> Result<(), Breach> {
    for job in facts.calls.iter().filter_map(Job::of) {
        if job.keys.iter().any(|key| facts.is_limited(*key)) {
            continue;
        }
        for (callback, wants_value) in [(job.callback, true), (job.error_callback, false)] {
            let Some(life) = callback.and_then(|key| facts.lives.get(&key)) else {
                continue;
            };
            // A pool that is told to stop, or whose program ends, ends its jobs, whatever becomes of the
            // functions that still run.
            if !wants_value && facts.stops(job.pool) < life.began {
                continue;
            }
            let name = callback.map_or(String::new(), |key| facts.name(key));
            let begun = job
                .keys
                .iter()
                .filter(|key| facts.began_by(**key, life.began));
            if let Some(key) = begun.clone().find(|key| !facts.ended_by(**key, life.began)) {
                let text = format!(
                    "the callback {name} began before {} had ended",
                    facts.name(*key)
                );
                return breach(life.began, text);
            }
            if job.keys.iter().all(|key| is(facts, *key, Fate::Done)) != wants_value {
                let text = format!("{name} is not the callback for this outcome");
                return breach(life.began, text);
            }
        }
    }
    for call in &facts.calls {
        let (Some(moment), Some(job)) = finished(facts, call) else {
            continue;
        };
        // A callback that waits for itself, or for one that waits for it, is not made to wait.
        let from_inside = |due: Key| {
            let caller = match call.who {
                Who::Puppet(key) => facts.task(*key).filter(|task| task.callback),
                _ => None,
            };
            caller.is_some_and(|task| task.pool.as_deref() == Some(job.pool))
                && facts.began_by(due, moment)
        };
        if let Some(due) = due(facts, &job)
            && !facts.ended_by(due, moment)
            && !from_inside(due)
        {
            let text = format!(
                "`{}` returned before the callback {} had",
                call.text,
                facts.name(due)
            );
            return breach(moment, text);
        }
    }
    Ok(())
}

/// The moment at which a call has shown that a job is finished, and the job.
fn finished<'f>(facts: &'f Facts<'_>, call: &Called<'_>) -> (Option<usize>, Option<Job<'f>>) {
    let nothing = (None, None);
    let Some((moment, result)) = call.returned else {
        return nothing;
    };
    let handle = match (call.command, result) {
        (
            Call::Wait {
                handle,
                timeout: None,
            },
            Ok(_),
        ) => handle,
        (Call::Ready { handle }, Ok(Value::Bool(true))) => handle,
        (Call::Get { handle, .. }, Ok(_)) => handle,
        _ => return nothing,
    };
    match facts.job(handle) {
        Some(job) if job.keys.iter().any(|key| facts.is_limited(*key)) => nothing,
        // A stopped pool resolves its handles, and nobody is owed a callback.
        Some(job) if facts.stops(job.pool) < moment => nothing,
        job => (Some(moment), job),
    }
}

/// The callback that a job's outcome asks for.
pub(super) fn due(facts: &Facts<'_>, job: &Job<'_>) -> Option<Key> {
    if job.keys.is_empty() {
        return None;
    }
    if job.keys.iter().all(|key| is(facts, *key, Fate::Done)) {
        return job.callback;
    }
    job.error_callback
}

fn is(facts: &Facts<'_>, key: Key, fate: Fate) -> bool {
    facts.task(key).is_some_and(|task| task.fate == fate)
}

/// Callbacks of a pool do not overlap, unless one runs inside another on the same thread; none runs on a worker.
pub(super) fn one_at_a_time_in_the_parent(facts: &Facts<'_>) -> Result<(), Breach> {
    let mut running: Vec<(Key, usize)> = Vec::new();
    for (moment, event) in facts.events().iter().enumerate() {
        let Who::Puppet(key) = event.who else {
            continue;
        };
        let Some(task) = facts.task(key).filter(|task| task.callback) else {
            continue;
        };
        match event.what {
            What::Begin { worker } => {
                let name = facts.name(key);
                if worker < FIRST_PARENT_THREAD {
                    return breach(
                        moment,
                        format!("the callback {name} runs outside the parent"),
                    );
                }
                let beside = running.iter().find(|(other, on)| {
                    *on != worker
                        && facts
                            .task(*other)
                            .is_some_and(|other| other.pool == task.pool)
                });
                if let Some((other, _)) = beside {
                    let text = format!(
                        "the callbacks {} and {name} run at a time",
                        facts.name(*other)
                    );
                    return breach(moment, text);
                }
                running.push((key, worker));
            }
            What::End { .. } => running.retain(|(other, _)| *other != key),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::verdict;
    use super::*;
    use crate::judge::sample::{PARENT, Sample};

    #[test]
    fn a_callback_comes_after_its_job() {
        let mut good = Sample::pool(1);
        good.apply_async_with_callback(0)
            .begin(0, 0)
            .end(0)
            .begin(1, PARENT)
            .end(1)
            .get(0, Value::Int(0));
        assert_eq!(verdict(between_job_and_handle, &good), None);
        let mut early = Sample::pool(1);
        early
            .apply_async_with_callback(0)
            .begin(0, 0)
            .begin(1, PARENT)
            .end(1)
            .end(0);
        let text = "the callback seen(0) began before f(0) had ended";
        assert_eq!(
            verdict(between_job_and_handle, &early).as_deref(),
            Some(text)
        );
    }

    #[test]
    fn nobody_gets_the_value_before_the_callback_had_it() {
        let mut run = Sample::pool(1);
        run.apply_async_with_callback(0)
            .begin(0, 0)
            .end(0)
            .begin(1, PARENT)
            .get(0, Value::Int(0))
            .end(1);
        let text = "`get h` returned before the callback seen(0) had";
        assert_eq!(verdict(between_job_and_handle, &run).as_deref(), Some(text));
    }

    #[test]
    fn a_failed_job_does_not_call_the_callback() {
        let mut run = Sample::pool(1);
        run.apply_async_with_callback(0)
            .begin(0, 0)
            .ends(0, Fate::Raised)
            .begin(1, PARENT)
            .end(1);
        let text = "seen(0) is not the callback for this outcome";
        assert_eq!(verdict(between_job_and_handle, &run).as_deref(), Some(text));
    }

    #[test]
    fn a_stopped_job_calls_back_its_error_at_once() {
        let mut run = Sample::pool(1);
        run.apply_async_with_error_callback(0)
            .begin(0, 0)
            .terminate()
            .begin(1, PARENT)
            .end(1)
            .end(0);
        assert_eq!(verdict(between_job_and_handle, &run), None);
    }

    #[test]
    fn callbacks_take_turns() {
        let mut good = Sample::pool(2);
        good.apply_async_with_callback(0)
            .begin(0, 0)
            .apply_async_with_callback(2)
            .begin(2, 1);
        good.end(0)
            .begin(1, PARENT)
            .end(2)
            .end(1)
            .begin(3, PARENT)
            .end(3);
        assert_eq!(verdict(one_at_a_time_in_the_parent, &good), None);
        let mut bad = Sample::pool(2);
        bad.apply_async_with_callback(0)
            .begin(0, 0)
            .apply_async_with_callback(2)
            .begin(2, 1);
        bad.end(0).begin(1, PARENT).end(2).begin(3, PARENT + 1);
        let text = "the callbacks seen(0) and seen(2) run at a time";
        assert_eq!(
            verdict(one_at_a_time_in_the_parent, &bad).as_deref(),
            Some(text)
        );
    }

    #[test]
    fn a_callback_is_no_work_for_a_worker() {
        let mut run = Sample::pool(1);
        run.apply_async_with_callback(0)
            .begin(0, 0)
            .end(0)
            .begin(1, 0);
        let text = "the callback seen(0) runs outside the parent";
        assert_eq!(
            verdict(one_at_a_time_in_the_parent, &run).as_deref(),
            Some(text)
        );
    }
}
