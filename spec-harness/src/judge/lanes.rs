//! Workers under names that do not depend on chance.
//!
//! Which of several idle workers takes a task is nobody's promise, so the number of the one that took it cannot
//! stand in a text that is the same for every pool. A *lane* can: a task is drawn on the lowest lane of its
//! pool that is free when it begins, which follows from beginnings and ends alone. As long as no worker is idle
//! beside another, lanes are workers.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{History, Key, TaskInfo, What, Who, WorkerId};

/// A lane of its own in a picture; in the order in which pictures have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// A worker of a pool, by the numbers of both.
    Worker(usize, usize),
    /// A bare process, in the order of their making.
    Process(usize),
    /// The threads of the parent that run callbacks.
    Callbacks,
}

/// Where each body is drawn.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: BTreeMap<Key, String>,
    rows: BTreeMap<Key, Lane>,
    /// Lanes in the words that cases use, by worker: for lines that name their worker.
    workers: BTreeMap<Key, (WorkerId, String)>,
}

impl Lanes {
    pub(crate) fn of(history: &History) -> Lanes {
        let several = history.pools.len() > 1;
        let mut taken: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        let mut places: BTreeMap<Key, (&str, usize)> = BTreeMap::new();
        let mut lanes = Lanes::default();
        for event in &history.events {
            let Who::Puppet(key) = event.who else {
                continue;
            };
            let Some(task) = super::facts::task(history, key) else {
                continue;
            };
            match (&event.what, &task.pool) {
                (What::Begin { .. }, pool)
                    if lanes.lanes.contains_key(&key)
                        && (pool.is_none() || task.callback || places.contains_key(&key)) => {}
                (What::Begin { .. }, _) if task.callback => {
                    lanes.rows.insert(key, Lane::Callbacks);
                    lanes.lanes.insert(key, "parent".to_owned());
                }
                (What::Begin { worker }, None) => {
                    let number = bare(history, task);
                    let name = format!("q{number}");
                    lanes.rows.insert(key, Lane::Process(number));
                    lanes.workers.insert(key, (*worker, name.clone()));
                    lanes.lanes.insert(key, name);
                }
                (What::Begin { worker }, Some(pool)) => {
                    let busy = taken.entry(pool).or_default();
                    let lane = (0..).find(|lane| !busy.contains(lane)).unwrap_or(0);
                    busy.insert(lane);
                    places.insert(key, (pool, lane));
                    let number = history.pools.iter().position(|p| p.name == *pool);
                    let number = number.unwrap_or_default();
                    lanes.rows.insert(key, Lane::Worker(number, lane));
                    let sized = history.pools.get(number).is_some_and(|p| p.size.is_some());
                    let name = if sized {
                        format!("w{lane}")
                    } else {
                        "worker".to_owned()
                    };
                    lanes.workers.insert(key, (*worker, name.clone()));
                    let name = if several {
                        format!("{pool}/{name}")
                    } else {
                        name
                    };
                    lanes.lanes.insert(key, name);
                }
                (What::End { .. }, _) => {
                    if let Some((pool, lane)) = places.remove(&key) {
                        taken.entry(pool).or_default().remove(&lane);
                    }
                }
                _ => {}
            }
        }
        lanes
    }

    /// The lane of a body that began.
    pub(crate) fn row(&self, key: Key) -> Option<Lane> {
        self.rows.get(&key).copied()
    }

    /// Where this body is drawn.
    pub(crate) fn get(&self, key: Key) -> &str {
        self.lanes.get(&key).map_or("?", String::as_str)
    }

    /// A line that a body printed, with its lane where it names its worker.
    pub(crate) fn line(&self, key: Key, text: &str) -> String {
        match self.workers.get(&key) {
            Some((worker, lane)) => replace_word(text, &format!("w{worker}"), lane),
            None => text.to_owned(),
        }
    }
}

/// Bare processes have no pool; they are counted in the order of their making.
fn bare(history: &History, task: &TaskInfo) -> usize {
    let before = history
        .tasks
        .iter()
        .filter(|t| t.pool.is_none() && t.key < task.key);
    before.count()
}

/// Replaces `word` wherever it is not part of a longer word.
pub(super) fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find(word) {
        let left = rest[..at].chars().next_back().or(before);
        let right = rest[at + word.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        out.push_str(&rest[..at]);
        out.push_str(if inside(left) || inside(right) {
            word
        } else {
            by
        });
        rest = &rest[at + word.len()..];
        before = word.chars().next_back();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::replace_word;

    #[test]
    fn only_whole_words_are_replaced() {
        assert_eq!(replace_word("w1 w10 aw1 w1", "w1", "w0"), "w0 w10 aw1 w0");
        assert_eq!(replace_word("是: w1", "w1", "w0"), "是: w0");
    }
}
