//! Which task starts when.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breach, breach};
use crate::history::{Key, TaskInfo, What, Who};
use crate::judge::facts::{Facts, Unit};

/// The queue of a pool, or what one of its imaps has still to read.
type Queue<'f> = (&'f str, Option<u64>);

/// A body begins at most once, and not before its submission.
pub(super) fn once(facts: &Facts<'_>) -> Result<(), Breach> {
    let mut submitted = BTreeSet::new();
    let mut begun = BTreeSet::new();
    let mut ended = BTreeSet::new();
    for (moment, event) in facts.events().iter().enumerate() {
        match (&event.what, &event.who) {
            (What::Submit { key }, _) => {
                submitted.insert(*key);
            }
            (What::Begin { .. }, Who::Puppet(key)) => {
                let name = facts.name(*key);
                let tried_again = facts.is_limited(*key) && ended.remove(key);
                if !begun.insert(*key) && !tried_again {
                    return breach(moment, format!("{name} began a second time"));
                }
                let by_itself = |task: &TaskInfo| task.callback || task.initializer;
                if !facts.task(*key).is_some_and(by_itself) && !submitted.contains(key) {
                    return breach(moment, format!("{name} began before it was submitted"));
                }
            }
            (What::End { .. }, Who::Puppet(key)) => {
                ended.insert(*key);
            }
            _ => {}
        }
    }
    Ok(())
}

/// A pool's chunks begin in the order in which they were submitted. The chunks of an imap are submitted as
/// it reads: they have an order among themselves.
pub(super) fn first_in_first_out(facts: &Facts<'_>) -> Result<(), Breach> {
    // For each pool: what was submitted and has not begun, in order.
    let mut queues: BTreeMap<Queue<'_>, Vec<(Unit, Key)>> = BTreeMap::new();
    let queue_of = |pool, unit: Unit| (pool, facts.is_streamed(unit).then_some(unit.0));
    let mut known = BTreeSet::new();
    let mut begun = BTreeSet::new();
    for (moment, event) in facts.events().iter().enumerate() {
        match (&event.what, &event.who) {
            (What::Submit { key }, _) => {
                let Some((pool, unit)) = facts.unit(*key) else {
                    continue;
                };
                // What is cancelled leaves the queue.
                if known.insert((pool, unit)) && !facts.is_limited(*key) {
                    let queue = queues.entry(queue_of(pool, unit)).or_default();
                    queue.push((unit, *key));
                }
            }
            (What::Begin { .. }, Who::Puppet(key)) => {
                let Some((pool, unit)) = facts.unit(*key) else {
                    continue;
                };
                let queue = queues.entry(queue_of(pool, unit)).or_default();
                if !begun.insert((pool, unit)) {
                    continue;
                }
                match queue.iter().position(|(waiting, _)| *waiting == unit) {
                    Some(0) => {
                        queue.remove(0);
                    }
                    Some(index) => {
                        let (late, early) = (facts.name(*key), facts.name(queue[0].1));
                        queue.remove(index);
                        return breach(
                            moment,
                            format!("{late} started before {early}, which was submitted earlier"),
                        );
                    }
                    None => {}
                }
            }
            (What::Return { result: Err(_), .. }, _) => {
                // A refused submission leaves nothing in the queue.
                let call = facts
                    .calls
                    .iter()
                    .find(|call| call.returned.is_some_and(|(at, _)| at == moment));
                for key in call.into_iter().flat_map(|call| &call.submits) {
                    if let Some((pool, unit)) = facts.unit(*key) {
                        queues
                            .entry(queue_of(pool, unit))
                            .or_default()
                            .retain(|(waiting, _)| *waiting != unit);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// An item begins when the one before it in its chunk has ended, on the same worker.
pub(super) fn chunks_in_order(facts: &Facts<'_>) -> Result<(), Breach> {
    let mut last: BTreeMap<(&str, Unit), Key> = BTreeMap::new();
    for task in &facts.history.tasks {
        let (Some(place), Some(life)) = (facts.unit(task.key), facts.lives.get(&task.key)) else {
            continue;
        };
        if let Some(before) = last.insert(place, task.key) {
            let (name, earlier) = (facts.name(task.key), facts.name(before));
            if !facts.ended_by(before, life.began) {
                let text = format!("{name} began before {earlier} of the same chunk had ended");
                return breach(life.began, text);
            }
            if facts
                .lives
                .get(&before)
                .is_some_and(|other| other.worker != life.worker)
            {
                let text = format!("{name} ran on another worker than {earlier} of the same chunk");
                return breach(life.began, text);
            }
        }
    }
    Ok(())
}

/// After terminate, or after the pool was let go, no chunk begins; one that has begun is a function that runs.
pub(super) fn none_after_terminate(facts: &Facts<'_>) -> Result<(), Breach> {
    for (key, life) in &facts.lives {
        let Some(task) = facts.task(*key).filter(|task| !task.callback) else {
            continue;
        };
        let stopped = task.pool.as_deref().and_then(|pool| facts.stopped(pool));
        let Some(stopped) = stopped.filter(|stopped| *stopped < life.began) else {
            continue;
        };
        let runs_already = facts.history.tasks.iter().any(|other| {
            (other.job, other.chunk, other.callback) == (task.job, task.chunk, false)
                && facts.began_by(other.key, stopped)
        });
        if !runs_already {
            let text = format!("{} began after the pool was stopped", facts.name(*key));
            return breach(life.began, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::verdict;
    use super::*;
    use crate::judge::sample::Sample;

    #[test]
    fn each_task_runs_once() {
        let mut run = Sample::pool(1);
        run.apply_async(0).begin(0, 0).end(0);
        assert_eq!(verdict(once, &run), None);
        run.begin(0, 0);
        assert_eq!(
            verdict(once, &run).as_deref(),
            Some("f(0) began a second time")
        );
    }

    #[test]
    fn a_queue_is_no_stack() {
        let mut good = Sample::pool(1);
        good.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .apply_async(2);
        good.end(0).begin(1, 0).end(1).begin(2, 0).end(2);
        assert_eq!(verdict(first_in_first_out, &good), None);
        let mut bad = Sample::pool(1);
        bad.apply_async(0).begin(0, 0).apply_async(1).apply_async(2);
        bad.end(0).begin(2, 0);
        let text = "f(2) started before f(1), which was submitted earlier";
        assert_eq!(verdict(first_in_first_out, &bad).as_deref(), Some(text));
    }

    #[test]
    fn a_refused_task_holds_nobody_up() {
        let mut run = Sample::pool(1);
        run.submit(0).raises("NotRunning");
        run.apply_async(1).begin(1, 0).end(1);
        assert_eq!(verdict(first_in_first_out, &run), None);
    }

    #[test]
    fn a_chunk_stays_together() {
        let mut good = Sample::pool(2);
        good.map(4, 2)
            .begin(0, 0)
            .begin(2, 1)
            .end(0)
            .begin(1, 0)
            .end(2)
            .begin(3, 1);
        assert_eq!(verdict(chunks_in_order, &good), None);
        assert_eq!(verdict(first_in_first_out, &good), None);
        let mut beside = Sample::pool(2);
        beside.map(4, 2).begin(0, 0).begin(1, 1);
        assert!(verdict(chunks_in_order, &beside).is_some_and(|text| text.contains("had ended")));
        let mut elsewhere = Sample::pool(2);
        elsewhere.map(4, 2).begin(0, 0).end(0).begin(1, 1);
        assert!(
            verdict(chunks_in_order, &elsewhere)
                .is_some_and(|text| text.contains("another worker"))
        );
    }

    #[test]
    fn a_stopped_pool_starts_nothing() {
        let mut run = Sample::pool(1);
        run.apply_async(0).begin(0, 0).apply_async(1).terminate();
        assert_eq!(verdict(none_after_terminate, &run), None);
        run.end(0).begin(1, 0);
        assert_eq!(
            verdict(none_after_terminate, &run).as_deref(),
            Some("f(1) began after the pool was stopped")
        );
    }

    #[test]
    fn a_chunk_that_has_begun_is_a_function_that_runs() {
        let mut run = Sample::pool(1);
        run.map(4, 2)
            .begin(0, 0)
            .terminate()
            .end(0)
            .begin(1, 0)
            .end(1);
        assert_eq!(verdict(none_after_terminate, &run), None);
        run.begin(2, 0);
        assert_eq!(
            verdict(none_after_terminate, &run).as_deref(),
            Some("f(2) began after the pool was stopped")
        );
    }
}
