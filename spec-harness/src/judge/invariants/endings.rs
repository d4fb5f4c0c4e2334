//! What has to be over when join returns and when the program ends.

use super::callbacks::due;
use super::{Breach, breach};
use crate::case::ast::Fate;
use crate::history::{Ending, What};
use crate::judge::facts::{Facts, Job};
use crate::protocol::Call;

/// When join has returned, every task of the pool that began has ended; unless the pool was stopped, every
/// accepted task has run and every callback that is due has returned.
pub(super) fn join_is_last(facts: &Facts<'_>) -> Result<(), Breach> {
    for call in &facts.calls {
        let (Call::Join { pool, .. }, Some((moment, Ok(_)))) = (call.command, call.returned) else {
            continue;
        };
        let of_pool = |key: &u64| {
            facts
                .task(*key)
                .is_some_and(|task| task.pool.as_ref() == Some(pool))
        };
        for (key, life) in facts.lives.iter().filter(|(key, _)| of_pool(key)) {
            if !facts.ended_by(*key, moment) {
                let text = format!("join returned before {} had ended", facts.name(*key));
                return breach(moment.max(life.began), text);
            }
        }
        let stopped = facts.stopped(pool).is_some_and(|stopped| stopped < moment);
        if stopped || facts.start_failed(pool, moment) {
            continue;
        }
        for submission in facts
            .calls
            .iter()
            .filter(|submission| submission.at < moment)
        {
            if submission
                .returned
                .is_some_and(|(_, result)| result.is_err())
            {
                continue;
            }
            // A failure skips the rest of its chunk; elsewhere "never" is a task that was lost.
            let submits = || {
                let keys = submission.submits.iter();
                keys.filter(|key| of_pool(key) && !facts.is_limited(**key))
            };
            let failed = submits().any(|key| {
                facts
                    .task(*key)
                    .is_some_and(|task| matches!(task.fate, Fate::Raised | Fate::Lost))
            });
            if let (Some(key), false) =
                (submits().find(|key| !facts.began_by(**key, moment)), failed)
            {
                return breach(
                    moment,
                    format!("join returned, and {} never ran", facts.name(*key)),
                );
            }
        }
        for job in
            facts.calls.iter().filter_map(Job::of).filter(|job| {
                job.pool == pool && !job.keys.iter().any(|key| facts.is_limited(*key))
            })
        {
            // A refused job has no outcome.
            let over = job.keys.iter().any(|key| facts.ended_by(*key, moment));
            if let (true, Some(callback)) = (over, due(facts, &job))
                && !facts.ended_by(callback, moment)
            {
                let text = format!(
                    "join returned before the callback {} had",
                    facts.name(callback)
                );
                return breach(moment, text);
            }
        }
    }
    Ok(())
}

/// When join has returned, the kernel knows none of the pool's workers any more.
pub(super) fn join_leaves_no_worker(facts: &Facts<'_>) -> Result<(), Breach> {
    for (moment, event) in facts.events().iter().enumerate() {
        if let What::Left(who) = &event.what {
            return breach(moment, format!("join returned, and {who} is left"));
        }
    }
    Ok(())
}

/// No process outlives the program.
pub(super) fn everything_is_reaped(facts: &Facts<'_>) -> Result<(), Breach> {
    match &facts.history.ending {
        Ending::Leaked(what) => breach(facts.events().len().saturating_sub(1), what.clone()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict;
    use super::*;
    use crate::history::Who;
    use crate::judge::sample::{PARENT, Sample};

    #[test]
    fn join_waits_for_what_runs() {
        let mut good = Sample::pool(1);
        good.apply_async(0)
            .begin(0, 0)
            .close()
            .join()
            .end(0)
            .joined();
        assert_eq!(verdict(join_is_last, &good), None);
        let mut bad = Sample::pool(1);
        bad.apply_async(0)
            .begin(0, 0)
            .close()
            .join()
            .joined()
            .end(0);
        assert_eq!(
            verdict(join_is_last, &bad).as_deref(),
            Some("join returned before f(0) had ended")
        );
    }

    #[test]
    fn join_waits_for_what_is_queued() {
        let mut run = Sample::pool(1);
        run.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .close()
            .join()
            .end(0)
            .joined();
        assert_eq!(
            verdict(join_is_last, &run).as_deref(),
            Some("join returned, and f(1) never ran")
        );
    }

    #[test]
    fn join_of_a_stopped_pool_waits_for_nothing_that_never_began() {
        let mut run = Sample::pool(1);
        run.apply_async(0)
            .begin(0, 0)
            .apply_async(1)
            .terminate()
            .join()
            .ends(0, Fate::Killed)
            .joined();
        assert_eq!(verdict(join_is_last, &run), None);
    }

    #[test]
    fn join_waits_for_callbacks() {
        let mut run = Sample::pool(1);
        run.apply_async_with_callback(0)
            .begin(0, 0)
            .close()
            .join()
            .end(0)
            .joined()
            .begin(1, PARENT)
            .end(1);
        assert!(verdict(join_is_last, &run).is_some());
    }

    #[test]
    fn join_leaves_no_zombie() {
        let mut run = Sample::pool(1);
        run.apply_async(0)
            .begin(0, 0)
            .end(0)
            .close()
            .join()
            .joined();
        assert_eq!(verdict(join_leaves_no_worker, &run), None);
        run.log(Who::Main, What::Left("a zombie".into()));
        assert_eq!(
            verdict(join_leaves_no_worker, &run).as_deref(),
            Some("join returned, and a zombie is left")
        );
    }

    #[test]
    fn nothing_outlives_the_program() {
        let mut run = Sample::pool(1);
        run.exit();
        assert_eq!(verdict(everything_is_reaped, &run), None);
        run.history.ending = Ending::Leaked("process 4711 (sleep)".into());
        assert_eq!(
            verdict(everything_is_reaped, &run).as_deref(),
            Some("process 4711 (sleep)")
        );
    }
}
