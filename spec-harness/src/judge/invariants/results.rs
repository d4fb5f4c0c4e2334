//! What calls and handles give back.

use super::callbacks::due;
use super::values::waited_for;
use super::{Breach, breach};
use crate::case::ast::Fate;
use crate::case::expr::Value;
use crate::history::Key;
use crate::judge::facts::Facts;
use crate::protocol::Call;

/// A value that a call gives is what its task returned; of many tasks, the list in the order of the input.
pub(super) fn are_those_of_the_tasks(facts: &Facts<'_>) -> Result<(), Breach> {
    for call in &facts.calls {
        let (Some((moment, result)), Some((keys, many))) = (call.returned, waited_for(facts, call))
        else {
            continue;
        };
        let Ok(seen) = result else { continue };
        let returned = |key: &Key| facts.ended_by(*key, moment) && !failed(facts, *key);
        if let Some(key) = keys.iter().find(|key| !returned(key)) {
            let (text, name) = (call.text, facts.name(*key));
            let text = format!(
                "`{text}` returned {}, but {name} had not returned",
                seen.repr()
            );
            return breach(moment, text);
        }
        let values: Option<Vec<Value>> = keys
            .iter()
            .map(|key| facts.task(*key)?.value.clone())
            .collect();
        let Some(mut values) = values else { continue };
        let expected = if many {
            Value::List(values)
        } else {
            values.pop().unwrap_or(Value::None)
        };
        if expected != *seen {
            let text = format!(
                "`{}` returned {}, its tasks {}",
                call.text,
                seen.repr(),
                expected.repr()
            );
            return breach(moment, text);
        }
    }
    Ok(())
}

fn failed(facts: &Facts<'_>, key: Key) -> bool {
    let fate = facts.task(key).map(|task| task.fate);
    matches!(fate, Some(Fate::Raised | Fate::Killed | Fate::Lost))
}

/// `ready` says whether the job's tasks and its callback have ended.
pub(super) fn ready_when_done(facts: &Facts<'_>) -> Result<(), Breach> {
    for call in &facts.calls {
        let (Call::Ready { handle }, Some((moment, Ok(Value::Bool(ready))))) =
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
        // A stopped pool resolves its handles.
        if facts.stops(job.pool) < call.at {
            continue;
        }
        // So does one whose workers do not start.
        if facts.start_failed(job.pool, call.at) {
            continue;
        }
        let unfinished =
            |key: &Key| facts.began_by(*key, call.at) && !facts.ended_by(*key, call.at);
        let waits = |key: &&Key| {
            unfinished(key)
                || (!facts.began_by(**key, call.at) && !skipped(facts, &job, **key, call.at))
        };
        // A callback may be due and wait for its turn behind another.
        let unfinished = |key: &Key| !facts.ended_by(*key, call.at);
        let open = job.keys.iter().find(waits).copied();
        let open = open.or_else(|| due(facts, &job).filter(unfinished));
        match (*ready, open) {
            (true, Some(key)) => {
                let text = format!("ready, but {} had not ended", facts.name(key));
                return breach(moment, text);
            }
            (false, None) => {
                return breach(moment, "not ready, but the job and its callback had ended");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an item will never begin because one before it in its chunk has failed.
fn skipped(facts: &Facts<'_>, job: &crate::judge::facts::Job<'_>, key: Key, moment: usize) -> bool {
    let unit = facts.unit(key);
    job.keys
        .iter()
        .take_while(|other| **other != key)
        .any(|other| {
            // Where only the pool knows its chunks, any earlier item may be of the same.
            (unit.is_none() || facts.unit(*other) == unit)
                && failed(facts, *other)
                && facts.ended_by(*other, moment)
        })
}

#[cfg(test)]
mod tests {
    use super::super::verdict;
    use super::*;
    use crate::judge::sample::{PARENT, Sample};

    fn list(items: &[i64]) -> Value {
        Value::List(items.iter().map(|n| Value::Int(*n)).collect())
    }

    #[test]
    fn a_map_gives_its_values_in_the_order_of_its_input() {
        let run = |values: &[i64]| {
            let mut run = Sample::pool(2);
            run.map(2, 1)
                .begin(0, 0)
                .begin(1, 1)
                .clock(1)
                .end(1)
                .clock(2)
                .end(0)
                .returns(list(values));
            verdict(are_those_of_the_tasks, &run)
        };
        assert_eq!(run(&[0, 1]), None);
        let text = "`map f over 2 items` returned [1, 0], its tasks [0, 1]";
        assert_eq!(run(&[1, 0]).as_deref(), Some(text));
    }

    #[test]
    fn a_handle_gives_the_value_of_its_own_task() {
        let run = |value: i64| {
            let mut run = Sample::pool(2);
            run.apply_async(0)
                .begin(0, 0)
                .apply_async(1)
                .begin(1, 1)
                .end(0)
                .end(1);
            run.get(0, Value::Int(value));
            verdict(are_those_of_the_tasks, &run)
        };
        assert_eq!(run(0), None);
        assert_eq!(run(1).as_deref(), Some("`get h` returned 1, its tasks 0"));
    }

    #[test]
    fn a_task_that_raised_has_no_value() {
        let mut run = Sample::pool(1);
        run.apply_async(0)
            .begin(0, 0)
            .ends(0, Fate::Raised)
            .get(0, Value::None);
        let text = "`get h` returned None, but f(0) had not returned";
        assert_eq!(verdict(are_those_of_the_tasks, &run).as_deref(), Some(text));
    }

    #[test]
    fn ready_means_finished() {
        let run = |ended: bool, ready: bool| {
            let mut run = Sample::pool(1);
            run.apply_async(0).begin(0, 0);
            if ended {
                run.end(0);
            }
            run.ready(0, ready);
            verdict(ready_when_done, &run)
        };
        assert_eq!(run(true, true), None);
        assert_eq!(run(false, false), None);
        assert_eq!(
            run(false, true).as_deref(),
            Some("ready, but f(0) had not ended")
        );
        assert!(run(true, false).is_some());
    }

    #[test]
    fn a_handle_is_not_ready_while_its_callback_runs() {
        let run = |ready: bool| {
            let mut run = Sample::pool(1);
            run.apply_async_with_callback(0)
                .begin(0, 0)
                .end(0)
                .begin(1, PARENT)
                .ready(0, ready);
            verdict(ready_when_done, &run)
        };
        assert_eq!(run(false), None);
        assert_eq!(
            run(true).as_deref(),
            Some("ready, but seen(0) had not ended")
        );
    }
}
