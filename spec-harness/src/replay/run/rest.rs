//! Whether the implementation has come to rest, and how long it may take until it does.

use std::time::Duration;
use std::time::Instant;

use super::{Resting, Run};
use crate::history::Ending;
use crate::replay::session::broken;
use crate::replay::tree::Rest;
use crate::replay::{Fault, sys};

/// So often the last look is repeated where others have disturbed it.
const LOOKS: u32 = 100;
/// So many times as long as a pool may be silent, the harness waits for a look that others do not disturb.
const DISTURBED: u32 = 5;

impl Run<'_, '_> {
    /// Whether nothing of the implementation can move by itself.
    pub(super) fn at_rest(&mut self) -> Result<bool, Fault> {
        if self.session.is_writing() || self.stage.awaits_real_timeout() {
            return Ok(false);
        }
        let Rest::Asleep {
            timed,
            counts,
            timers,
        } = self.session.tree.look()
        else {
            // Whoever polls may be awake for a moment: that alone does not end a rest that has to last.
            return Ok(false);
        };
        if !self.rest_for.is_zero() {
            let lasts = |resting: &&Resting| resting.counts == counts;
            let Some(resting) = self.resting.as_ref().filter(lasts) else {
                self.resting = Some(Resting {
                    since: Instant::now(),
                    counts,
                    timers,
                });
                return Ok(false);
            };
            if resting.since.elapsed() < self.rest_for {
                return Ok(false);
            }
            let before = resting.timers.clone();
            let slept = |timer| before.contains(timer);
            let id = |timer: &((i32, i32), u64)| timer.0;
            self.note_long_sleepers(timers.iter().filter(|timer| slept(timer)).map(id).collect());
            return Ok(true);
        }
        let Some(who) = timed else {
            self.troubled = None;
            return Ok(true);
        };
        if self.troubled.get_or_insert_with(Instant::now).elapsed() <= self.limits.polling {
            return Ok(false);
        }
        Err(Fault::Ends(if self.is_over() {
            self.over()
        } else {
            polls(&who)
        }))
    }

    /// These have slept with a time limit for three times as long as hello says that anybody does.
    fn note_long_sleepers(&mut self, slept: Vec<(i32, i32)>) {
        for who in slept {
            let name = || self.session.tree.name(who).unwrap_or_default();
            self.oversleep.entry(who).or_insert_with(name);
        }
    }

    /// That hello says too little of how long the pool's threads sleep. Of a runtime's own threads that says nothing; one that runs tasks
    /// or makes main's calls is the pool's, and where no task ever ran, each may be.
    pub(super) fn oversleeps(&self) -> Option<String> {
        let main = (self.adapter, self.adapter);
        let of_the_pool =
            |id: &(i32, i32)| *id == main || self.ran_on.is_empty() || self.ran_on.contains(id);
        let (_, name) = self.oversleep.iter().find(|(id, _)| of_the_pool(id))?;
        Some(format!(
            "thread {name} sleeps with a time limit for more than three times the {:?} that `polls` says: what it does then comes too late \
             to be seen in its place",
            self.rest_for / 3
        ))
    }

    /// Gives up when nothing has moved for too long.
    pub(super) fn watch(&mut self) -> Result<(), Fault> {
        if sys::interrupted() {
            let ending = Ending::Unknown("interrupted by a signal".to_owned());
            return Err(Fault::Ends(ending));
        }
        let silent = self.progress.elapsed();
        if silent < self.limits.busy.min(self.limits.silence) / 8 {
            return Ok(());
        }
        let cpu = self.session.tree.cpu_time();
        let worked = Duration::from_nanos(cpu.saturating_sub(*self.sample.get_or_insert(cpu)));
        let spins = worked > self.limits.busy;
        if !spins && silent < self.limits.silence {
            return Ok(());
        }
        let mut look = self.session.tree.look();
        // Others who start processes must not be what the run is said to have failed by.
        for _ in 0..LOOKS {
            if !matches!(look, Rest::Disturbed) {
                break;
            }
            look = self.session.tree.look();
        }
        let who = match look {
            Rest::Disturbed if silent < DISTURBED * self.limits.silence => return Ok(()),
            Rest::Disturbed => "other programs start processes without end, so that no rest can be seen".to_owned(),
            Rest::Asleep {
                timed: Some(who), ..
            } if self.rest_for.is_zero() && !spins && !self.is_over() => {
                return Err(Fault::Ends(polls(&who)));
            }
            Rest::Awake(who)
            | Rest::Asleep {
                timed: Some(who), ..
            } => who,
            Rest::Asleep { timed: None, .. } if self.noisy => "it writes to stderr".to_owned(),
            Rest::Asleep { timed: None, .. } if self.stage.awaits_real_timeout() => {
                "a call was given a time limit, and everything sleeps without one: is its `timeout` kept?".to_owned()
            }
            Rest::Asleep { timed: None, .. } => "nobody was found awake".to_owned(),
        };
        if self.is_over() {
            return Err(Fault::Ends(self.over()));
        }
        Err(if spins {
            broken(format!(
                "the adapter does not come to rest and says nothing: {who}"
            ))
        } else {
            Fault::Ends(Ending::Unknown(format!(
                "no rest and no message for {silent:.1?}: {who}"
            )))
        })
    }
}

/// Somebody waits with a time limit, and nobody said so.
fn polls(who: &str) -> Ending {
    Ending::Unknown(format!(
        "{who}, and the adapter does not declare that it polls: \
         whether it has come to rest cannot be known"
    ))
}
