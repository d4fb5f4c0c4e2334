//! Whether the implementation has come to rest, and how long it may take until it does.

use std::time::Duration;
use std::time::Instant;

use super::Run;
use crate::history::Ending;
use crate::replay::Fault;
use crate::replay::session::broken;
use crate::replay::tree::Rest;

impl Run<'_> {
    /// Whether nothing of the implementation can move by itself.
    pub(super) fn at_rest(&mut self) -> Result<bool, Fault> {
        if self.session.is_writing() || self.stage.awaits_real_timeout() {
            return Ok(false);
        }
        let (who, counts) = match self.session.tree.look() {
            Rest::Awake(_) => {
                // Whoever polls may be awake for a moment: with a settle time, that alone does not matter.
                return Ok(false);
            }
            Rest::Quiet if self.settle.is_zero() => {
                self.troubled = None;
                return Ok(true);
            }
            Rest::Quiet => (None, Vec::new()),
            Rest::Timed { who, others } => (Some(who), others),
        };
        if self.settle.is_zero() {
            let since = *self.troubled.get_or_insert_with(Instant::now);
            if since.elapsed() > self.limits.polling {
                if self.is_over() {
                    return Err(Fault::Ends(self.leaked()));
                }
                let who = who.unwrap_or_default();
                return Err(Fault::Ends(Ending::Unknown(format!(
                    "{who}, and the adapter does not declare that it polls: whether it has come to rest cannot be known"
                ))));
            }
            return Ok(false);
        }
        match &self.settling {
            Some((since, before)) if *before == counts => Ok(since.elapsed() >= self.settle),
            _ => {
                self.settling = Some((Instant::now(), counts));
                Ok(false)
            }
        }
    }

    /// Gives up when nothing has moved for too long.
    pub(super) fn watch(&mut self) -> Result<(), Fault> {
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
        let who = match self.session.tree.look() {
            Rest::Awake(who) | Rest::Timed { who, .. } => who,
            Rest::Quiet => "nobody was found awake".to_owned(),
        };
        if self.is_over() {
            return Err(Fault::Ends(self.leaked()));
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
