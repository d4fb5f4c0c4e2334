//! How much runs at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breach, breach};
use crate::case::ast::Fate;
use crate::history::{Event, Key, What, Who};
use crate::judge::facts::{Facts, Unit};
use crate::protocol::Call;

/// What runs in a pool.
#[derive(Debug, Default)]
struct Crew {
    running: BTreeSet<Key>,
    /// Of these, who waits for the pool's own work.
    blocked: BTreeSet<Key>,
}

impl Crew {
    /// One more begins; false when there is no place for it.
    fn takes(&mut self, key: Key, size: u64) -> bool {
        let at_work = self.running.difference(&self.blocked).count() as u64;
        self.running.insert(key);
        at_work < size
    }

    fn leaves(&mut self, key: Key) {
        self.running.remove(&key);
        self.blocked.remove(&key);
    }
}

/// At most as many tasks run in a pool as it has workers, and one on each; while one waits for work of its own
/// pool, another may begin in its place.
pub(super) fn at_most_its_size(facts: &Facts<'_>) -> Result<(), Breach> {
    let mut crews: BTreeMap<&str, Crew> = BTreeMap::new();
    let mut busy: BTreeMap<usize, Key> = BTreeMap::new();
    // Chunks that have begun.
    let mut units: BTreeSet<(&str, Unit)> = BTreeSet::new();
    for (moment, event) in facts.events().iter().enumerate() {
        let Who::Puppet(key) = event.who else {
            continue;
        };
        let Some(task) = facts.task(key).filter(|task| !task.callback) else {
            continue;
        };
        let pool = task.pool.as_deref();
        match &event.what {
            What::Begin { worker } => {
                if let Some(other) = busy.insert(*worker, key) {
                    let (name, other) = (facts.name(key), facts.name(other));
                    return breach(
                        moment,
                        format!("{name} began on a worker that was still running {other}"),
                    );
                }
                let Some(pool) = pool else { continue };
                let crew = crews.entry(pool).or_default();
                // Between two items of its chunk a worker keeps its place.
                let goes_on = facts.unit(key).is_some_and(|unit| !units.insert(unit));
                let takes = crew.takes(key, size(facts, pool).unwrap_or(u64::MAX));
                if !takes && !goes_on {
                    let names = crew.running.iter().map(|key| facts.name(*key));
                    let names: Vec<String> = names.collect();
                    let text = format!("{} run at a time: {}", names.len(), names.join(", "));
                    return breach(moment, text);
                }
            }
            What::End { .. } => {
                busy.retain(|_, on| *on != key);
                if let Some(pool) = pool {
                    crews.entry(pool).or_default().leaves(key);
                }
            }
            What::Call { command, .. } => {
                if let Some(pool) = facts.lends(key, command) {
                    crews.entry(pool).or_default().blocked.insert(key);
                }
            }
            What::Return { .. } => {
                // Who waited for a place in the queue goes on because another has begun: both are at work.
                if let Some(pool) = pool.filter(|pool| !facts.is_bounded(pool)) {
                    crews.entry(pool).or_default().blocked.remove(&key);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whenever everything is at rest, either nothing is queued in a pool or all of its workers run something.
///
/// What follows from a step is logged before the next step; so the moment before one is a moment of rest.
pub(super) fn conserving(facts: &Facts<'_>) -> Result<(), Breach> {
    let mut pools: BTreeMap<&str, Load> = BTreeMap::new();
    for (moment, event) in facts.events().iter().enumerate() {
        // What a pool does when its program is over is the ending's matter.
        if moment > facts.last_step {
            return Ok(());
        }
        if opens_a_step(facts.events(), moment) {
            for (pool, load) in &pools {
                let Some(size) = size(facts, pool) else {
                    continue;
                };
                let running = load.running.len().saturating_sub(load.blocked.len());
                let running = running + load.starting.len() + load.pausing;
                let idle = size.saturating_sub(running as u64);
                if let (Some(key), true) = (load.queued.first(), idle > 0) {
                    let name = facts.name(*key);
                    let text = format!("{name} is queued while {running} of {size} workers run");
                    return breach(moment, text);
                }
            }
        }
        account(facts, &mut pools, moment, event);
    }
    Ok(())
}

/// What a pool has to do.
#[derive(Debug, Default)]
struct Load {
    /// Items of chunks that have not begun.
    queued: BTreeSet<Key>,
    /// Chunks that a worker has taken and not finished.
    running: BTreeMap<Unit, BTreeSet<Key>>,
    /// Tasks that wait for work of this very pool: their places are lent.
    blocked: BTreeSet<Key>,
    /// Initializers that run: their workers do not work yet.
    starting: BTreeSet<Key>,
    /// Workers that could not start, and have not tried again.
    pausing: usize,
}

fn account<'f>(
    facts: &'f Facts<'_>,
    pools: &mut BTreeMap<&'f str, Load>,
    moment: usize,
    event: &Event,
) {
    match (&event.what, &event.who) {
        (What::Submit { key }, _) => {
            // Until an imap reads an item, it is not in the pool.
            let queued = facts
                .unit(*key)
                .filter(|(_, unit)| !facts.is_streamed(*unit) && !facts.is_limited(*key));
            if let Some((pool, _)) = queued {
                pools.entry(pool).or_default().queued.insert(*key);
            }
        }
        (What::Begin { .. } | What::End { .. }, Who::Puppet(key)) if facts.is_start(*key) => {
            let Some(pool) = facts.task(*key).and_then(|task| task.pool.as_deref()) else {
                return;
            };
            let load = pools.entry(pool).or_default();
            match event.what {
                What::End { fate } => {
                    load.starting.remove(key);
                    load.pausing += usize::from(fate != Fate::Done);
                }
                _ => {
                    load.starting.insert(*key);
                    load.pausing = load.pausing.saturating_sub(1);
                }
            }
        }
        (What::Begin { .. }, Who::Puppet(key)) => {
            let Some((pool, unit)) = facts.unit(*key) else {
                return;
            };
            let load = pools.entry(pool).or_default();
            // The chunk's other items are this worker's from now on.
            let items: Vec<Key> = load
                .queued
                .iter()
                .copied()
                .filter(|item| facts.unit(*item).is_some_and(|(_, other)| other == unit))
                .collect();
            for item in items {
                load.queued.remove(&item);
                load.running.entry(unit).or_default().insert(item);
            }
            load.running.entry(unit).or_default().insert(*key);
        }
        (What::End { fate }, Who::Puppet(key)) => {
            let Some((pool, unit)) = facts.unit(*key) else {
                return;
            };
            let load = pools.entry(pool).or_default();
            if let Some(items) = load.running.get_mut(&unit) {
                items.remove(key);
                // A failure ends the rest of its chunk as well.
                if items.is_empty() || *fate != Fate::Done {
                    load.running.remove(&unit);
                }
            }
        }
        (What::Call { command, .. }, who) => {
            if let Who::Puppet(key) = who
                && let Some(pool) = facts.lends(*key, command)
            {
                pools.entry(pool).or_default().blocked.insert(*key);
            }
            if let Call::Terminate { pool } | Call::Drop { pool } = command
                && let Some(load) = pools.get_mut(pool.as_str())
            {
                load.queued.clear();
            }
        }
        (What::Return { result, .. }, who) => {
            if let Who::Puppet(key) = who {
                for load in pools.values_mut() {
                    load.blocked.remove(key);
                }
            }
            if result.is_ok() {
                return;
            }
            // A refused submission leaves nothing in the queue.
            let call = facts
                .calls
                .iter()
                .find(|call| call.returned.is_some_and(|(at, _)| at == moment));
            for key in call.into_iter().flat_map(|call| &call.submits) {
                for load in pools.values_mut() {
                    load.queued.remove(key);
                }
            }
        }
        _ => {}
    }
}

/// Whether this event is something that main or a body does by itself, after everything had come to rest.
fn opens_a_step(events: &[Event], moment: usize) -> bool {
    let event = &events[moment];
    let later = moment > 0 && events[moment - 1].at < event.at;
    later
        || match &event.what {
            What::Call { .. } | What::Print(_) => true,
            What::End { fate } => matches!(fate, Fate::Done | Fate::Raised),
            _ => false,
        }
}

/// Asynchronous submissions, and close, return in the instant of their call; a submission to a queue with a bound
/// may wait for a place.
pub(super) fn submission_takes_no_time(facts: &Facts<'_>) -> Result<(), Breach> {
    for call in &facts.calls {
        let waits = match (call.command, call.command.job()) {
            (_, Some(job)) => job.later.is_none() || facts.is_bounded(job.pool),
            (Call::Imap(_) | Call::ImapUnordered(_) | Call::Close { .. }, None) => false,
            (_, None) => true,
        };
        if waits {
            continue;
        }
        let text = call.text;
        match call.returned {
            Some((moment, _)) if facts.at(moment) > facts.at(call.at) => {
                return breach(
                    moment,
                    format!("`{text}` blocked until {}", facts.at(moment)),
                );
            }
            None if call.at < facts.last_step => {
                return breach(call.at, format!("`{text}` did not return"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn size(facts: &Facts<'_>, pool: &str) -> Option<u64> {
    let pool = facts.history.pools.iter().find(|p| p.name == pool);
    pool.and_then(|pool| pool.size)
}

#[cfg(test)]
mod tests {
    use super::super::verdict;
    use super::*;
    use crate::judge::sample::Sample;

    #[test]
    fn a_pool_of_two_runs_two() {
        let mut run = Sample::pool(2);
        run.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .begin(1, 1)
            .apply_async(2);
        assert_eq!(verdict(at_most_its_size, &run), None);
        run.begin(2, 2);
        assert_eq!(
            verdict(at_most_its_size, &run).as_deref(),
            Some("3 run at a time: f(0), f(1), f(2)")
        );
    }

    #[test]
    fn a_worker_runs_one_task() {
        let mut run = Sample::pool(2);
        run.apply_async(0).begin(0, 0).apply_async(1).begin(1, 0);
        assert!(
            verdict(at_most_its_size, &run).is_some_and(|text| text.contains("still running f(0)"))
        );
    }

    #[test]
    fn a_queued_task_starts_when_a_worker_is_free() {
        let mut good = Sample::pool(1);
        good.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .clock(1)
            .end(0)
            .begin(1, 0)
            .end(1)
            .close();
        assert_eq!(verdict(conserving, &good), None);
        let mut idle = Sample::pool(2);
        idle.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .clock(1)
            .end(0)
            .begin(1, 0)
            .end(1)
            .close();
        let text = "f(1) is queued while 1 of 2 workers run";
        assert_eq!(verdict(conserving, &idle).as_deref(), Some(text));
    }

    #[test]
    fn a_worker_keeps_its_chunk() {
        let mut run = Sample::pool(2);
        run.map(3, 2)
            .begin(0, 0)
            .begin(2, 1)
            .clock(1)
            .end(2)
            .clock(2)
            .end(0)
            .begin(1, 0)
            .clock(3);
        run.end(1).returns(crate::case::expr::Value::None).close();
        assert_eq!(verdict(conserving, &run), None);
    }

    #[test]
    fn a_stopped_pool_has_no_queue() {
        let mut run = Sample::pool(1);
        run.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .terminate()
            .clock(1)
            .end(0)
            .join();
        assert_eq!(verdict(conserving, &run), None);
    }

    #[test]
    fn asynchronous_means_at_once() {
        let mut good = Sample::pool(1);
        good.apply_async(0);
        assert_eq!(verdict(submission_takes_no_time, &good), None);
        let mut bad = Sample::pool(1);
        bad.submit(0)
            .begin(0, 0)
            .clock(1)
            .end(0)
            .returns(crate::case::expr::Value::None);
        assert_eq!(
            verdict(submission_takes_no_time, &bad).as_deref(),
            Some("`apply_async f(0)` blocked until 1")
        );
    }
}
