//! What a worker runs before its first task.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breach, breach};
use crate::case::ast::Fate;
use crate::history::{What, Who, WorkerId};
use crate::judge::facts::Facts;
use crate::protocol::Call;

/// Where a pool has an initializer, each of its workers has ended it well before its first task, and then never
/// begins it again; a worker that failed may try once more.
pub(super) fn comes_first(facts: &Facts<'_>) -> Result<(), Breach> {
    let pools = facts.calls.iter().filter_map(|call| match call.command {
        Call::Pool(options) if options.initializer.is_some() => Some(options.pool.as_str()),
        _ => None,
    });
    let pools: BTreeSet<&str> = pools.collect();
    // Workers that are ready for tasks.
    let mut ready: BTreeMap<&str, BTreeSet<WorkerId>> = BTreeMap::new();
    for (moment, event) in facts.events().iter().enumerate() {
        let Who::Puppet(key) = event.who else {
            continue;
        };
        let Some(task) = facts.task(key).filter(|task| !task.callback) else {
            continue;
        };
        let Some(pool) = task.pool.as_deref().filter(|pool| pools.contains(pool)) else {
            continue;
        };
        let ready = ready.entry(pool).or_default();
        let name = facts.name(key);
        match (&event.what, task.initializer) {
            (What::Begin { worker }, true) if ready.contains(worker) => {
                return breach(moment, format!("{name} began on a worker that had run it"));
            }
            (What::Begin { worker }, false) if !ready.contains(worker) => {
                let text = format!("{name} began on a worker that had not run the initializer");
                return breach(moment, text);
            }
            (What::End { fate: Fate::Done }, true) => {
                ready.extend(facts.lives.get(&key).map(|life| life.worker));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{verdict, work};
    use super::*;
    use crate::judge::sample::Sample;

    fn initialized() -> Sample {
        let mut run = Sample::pool(1);
        run.initialized();
        run
    }

    #[test]
    fn a_worker_starts_before_its_first_task_and_once() {
        let mut run = initialized();
        run.starts(0, 0).end(0).apply_async(1).begin(1, 0).end(1);
        assert_eq!(verdict(comes_first, &run), None);
        run.starts(2, 0);
        assert_eq!(
            verdict(comes_first, &run).as_deref(),
            Some("init(2) began on a worker that had run it")
        );
    }

    #[test]
    fn each_replacement_starts_as_well() {
        let mut run = initialized();
        run.starts(0, 0).end(0).apply_async(1).begin(1, 0).end(1);
        run.apply_async(2).begin(2, 1);
        assert_eq!(
            verdict(comes_first, &run).as_deref(),
            Some("f(2) began on a worker that had not run the initializer")
        );
    }

    #[test]
    fn a_start_that_failed_is_none_and_may_be_tried_again() {
        let mut run = initialized();
        run.starts(0, 0).ends(0, Fate::Raised);
        run.starts(1, 0).end(1).apply_async(2).begin(2, 0).end(2);
        assert_eq!(verdict(comes_first, &run), None);
        let mut bad = initialized();
        bad.starts(0, 0).ends(0, Fate::Raised);
        bad.apply_async(1).begin(1, 0);
        assert!(verdict(comes_first, &bad).is_some());
    }

    #[test]
    fn a_worker_that_starts_or_pauses_is_not_idle() {
        let mut run = initialized();
        run.starts(0, 0).apply_async(1).clock(1);
        run.ends(0, Fate::Raised).clock(2).starts(2, 0).clock(3);
        run.end(2).begin(1, 0).end(1).close();
        assert_eq!(verdict(work::conserving, &run), None);
        let mut idle = initialized();
        idle.starts(0, 0).end(0).apply_async(1).clock(1).close();
        assert!(verdict(work::conserving, &idle).is_some());
    }
}
