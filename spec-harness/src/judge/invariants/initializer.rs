//! What a worker runs before its first task.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breach, breach};
use crate::case::ast::Fate;
use crate::history::{What, Who, WorkerId};
use crate::judge::facts::Facts;
use crate::protocol::Command;

/// Where a pool has an initializer, each of its workers has ended it well before its first task, and then never
/// begins it again; a worker that failed may try once more.
pub(super) fn comes_first(facts: &Facts<'_>) -> Result<(), Breach> {
    let pools = facts.calls.iter().filter_map(|call| match call.command {
        Command::Pool {
            pool,
            initializer: Some(_),
            ..
        } => Some(pool.as_str()),
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
