//! What an `imap` gives, in which order, and how far it reads ahead.

use std::collections::BTreeMap;

use super::{Breach, breach};
use crate::case::ast::Fate;
use crate::history::{Key, Who};
use crate::judge::facts::{Called, Facts, Moment, stream};
use crate::protocol::{Call, Stream};

/// What one taken result tells: of which item it should be, and the call that took it.
struct Taken<'f, 'h> {
    call: &'f Called<'h>,
    returned: Moment,
    place: usize,
}

/// The calls of `next` that took a result of this iterator, in the order of their returns; one that found nothing
/// in time took none, nor did one whose caller is a task that was cancelled meanwhile.
fn taken<'f, 'h>(facts: &'f Facts<'h>, stream: &Stream<'_>) -> Vec<Taken<'f, 'h>> {
    let mut calls: Vec<(Moment, &Called<'_>)> = facts
        .calls
        .iter()
        .filter(|call| matches!(call.command, Call::Next { iterator, .. } if iterator == stream.iterator))
        .filter_map(|call| {
            let (returned, result) = call.returned?;
            let stopped = matches!(call.who, Who::Puppet(key) if facts.is_limited(*key));
            let none = |kind| kind == "TimedOut" || (stopped && kind == "Cancelled");
            let took = !matches!(result, Err(raised) if none(raised.kind.as_str()));
            took.then_some((returned, call))
        })
        .collect();
    calls.sort_by_key(|(returned, _)| *returned);
    let numbered = calls.into_iter().enumerate();
    numbered
        .map(|(place, (returned, call))| Taken {
            call,
            returned,
            place,
        })
        .collect()
}

/// Results come in the order of the input, or of completion: the value of an item that returned, the error of one
/// that failed, and the end after the last.
pub(super) fn gives_each_at_its_place(facts: &Facts<'_>) -> Result<(), Breach> {
    for stream in streams(facts) {
        let stopped = |moment: Moment| facts.stops(stream.pool) < moment;
        let order = order(facts, &stream);
        for taken in taken(facts, &stream) {
            let Taken {
                call,
                returned,
                place,
            } = taken;
            let Some((_, result)) = call.returned else {
                continue;
            };
            let ending = matches!(result, Err(raised) if raised.kind == "StopIteration" || raised.kind == "Terminated");
            if ending {
                if place < stream.keys.len() && !stopped(returned) {
                    let (text, left) = (call.text, stream.keys.len() - place);
                    return breach(
                        returned,
                        format!("`{text}` found the end, and {left} results had not been taken"),
                    );
                }
                break;
            }
            let ended = order.get(place).filter(|key| {
                // A worker's death ends the items of its chunk that have not begun as well.
                let died =
                    || chunk_end(facts, &stream, **key).filter(|_| chunk_failed(facts, **key));
                facts.ended_by(**key, returned) || died().is_some_and(|end| end < returned)
            });
            let lost = matches!(result, Err(raised) if raised.kind == "WorkerLost");
            if ended.is_none() && lost && facts.start_failed(stream.pool, returned) {
                // Given up by a pool whose workers do not start.
                continue;
            }
            let Some(key) = ended else {
                let text = format!(
                    "`{}` gave a result, and {place} at most could be there",
                    call.text
                );
                return breach(returned, text);
            };
            let (task, name) = (facts.task(*key), facts.name(*key));
            let wrong = match result {
                Ok(seen) => match task.and_then(|task| task.value.as_ref()) {
                    Some(value) if value == seen => None,
                    Some(value) => Some(format!(
                        "{}, the next is {name}: {}",
                        seen.repr(),
                        value.repr()
                    )),
                    None => Some(format!("{}, the next is {name}, which failed", seen.repr())),
                },
                Err(raised) => (!chunk_failed(facts, *key))
                    .then(|| format!("{raised}, the next is {name}, which returned")),
            };
            if let Some(wrong) = wrong {
                return breach(returned, format!("`{}` gave {wrong}", call.text));
            }
        }
    }
    Ok(())
}

/// Nobody waits for a result that is there: `next` returns in the instant at which its chunk has ended.
pub(super) fn gives_as_soon_as_it_is_there(facts: &Facts<'_>) -> Result<(), Breach> {
    for stream in streams(facts) {
        let order = order(facts, &stream);
        for taken in taken(facts, &stream) {
            let Some(key) = order.get(taken.place) else {
                break;
            };
            let Some(there) = chunk_end(facts, &stream, *key) else {
                continue;
            };
            let (at, due) = (
                facts.at(taken.returned),
                facts.at(there).max(facts.at(taken.call.at)),
            );
            // A callback goes on when those that run inside of it have ended.
            let nests = matches!(taken.call.who, Who::Puppet(key) if facts.task(*key).is_some_and(|task| task.callback));
            if at > due && !nests {
                let (text, name) = (taken.call.text, facts.name(*key));
                return breach(
                    taken.returned,
                    format!("`{text}` returned at {at}, {name} was there at {due}"),
                );
            }
        }
    }
    Ok(())
}

/// So many chunks at most have begun beyond those of which a result was taken, as long as nobody joins the pool.
pub(super) fn reads_no_further_than_told(facts: &Facts<'_>) -> Result<(), Breach> {
    for stream in streams(facts) {
        let Some(bound) = stream.read_ahead else {
            continue;
        };
        let taken = taken(facts, &stream);
        let joined = facts
            .calls
            .iter()
            .find(|call| matches!(call.command, Call::Join { pool, .. } if pool == stream.pool));
        for key in stream.keys {
            let (Some(life), Some((_, (_, chunk)))) = (facts.lives.get(key), facts.unit(*key))
            else {
                continue;
            };
            if joined.is_some_and(|call| call.at < life.began) {
                continue;
            }
            let items = taken
                .iter()
                .take_while(|taken| taken.returned < life.began)
                .count() as u64;
            let chunks = items.div_ceil(stream.chunksize.unwrap_or(1).max(1));
            if chunk >= bound.saturating_add(chunks) {
                let text = format!(
                    "{} began when {items} results had been taken: more than {bound} chunks ahead",
                    facts.name(*key)
                );
                return breach(life.began, text);
            }
        }
    }
    Ok(())
}

/// The imaps that take all of their results.
fn streams<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = Stream<'f>> {
    let streams = facts.calls.iter().filter_map(stream);
    streams.filter(|stream| !stream.keys.iter().any(|key| facts.is_limited(*key)))
}

/// The items in the order in which their results are to come.
fn order(facts: &Facts<'_>, stream: &Stream<'_>) -> Vec<Key> {
    if !stream.unordered {
        return stream.keys.to_vec();
    }
    let mut chunks: BTreeMap<u64, Vec<Key>> = BTreeMap::new();
    for key in stream.keys {
        if let Some((_, (_, chunk))) = facts.unit(*key) {
            chunks.entry(chunk).or_default().push(*key);
        }
    }
    let end = |chunk: &Vec<Key>| chunk_end(facts, stream, chunk[0]);
    let mut chunks: Vec<(Moment, Vec<Key>)> = chunks
        .into_values()
        .filter_map(|chunk| Some((end(&chunk)?, chunk)))
        .collect();
    chunks.sort();
    chunks.into_iter().flat_map(|(_, chunk)| chunk).collect()
}

/// When the chunk of an item had ended.
fn chunk_end(facts: &Facts<'_>, stream: &Stream<'_>, key: Key) -> Option<Moment> {
    let unit = facts.unit(key);
    let items = stream.keys.iter().filter(|item| facts.unit(**item) == unit);
    // A worker's death ends the chunk before its last items have begun.
    items.filter_map(|item| facts.lives.get(item)?.ended).max()
}

/// Whether an item failed, or died with another of its chunk.
fn chunk_failed(facts: &Facts<'_>, key: Key) -> bool {
    let fate = |key| facts.task(key).map(|task| task.fate);
    let lost = |key| matches!(fate(key), Some(Fate::Lost | Fate::Killed));
    let unit = facts.unit(key);
    let died_with = |other: &Key| facts.unit(*other) == unit && lost(*other);
    fate(key) == Some(Fate::Raised) || lost(key) || facts.lives.keys().any(died_with)
}

#[cfg(test)]
mod tests {
    use super::super::verdict;
    use super::*;
    use crate::case::expr::Value;
    use crate::judge::sample::Sample;

    #[test]
    fn results_come_in_the_order_of_the_input() {
        let run = |first: i64| {
            let mut run = Sample::pool(2);
            run.imap(2, None, false)
                .begin(0, 0)
                .begin(1, 1)
                .end(1)
                .end(0);
            run.next(Ok(Value::Int(first)));
            verdict(gives_each_at_its_place, &run)
        };
        assert_eq!(run(0), None);
        assert_eq!(
            run(1).as_deref(),
            Some("`next i` gave 1, the next is f(0): 0")
        );
    }

    #[test]
    fn unordered_results_come_in_the_order_of_completion() {
        let run = |first: i64| {
            let mut run = Sample::pool(2);
            run.imap(2, None, true)
                .begin(0, 0)
                .begin(1, 1)
                .end(1)
                .end(0);
            run.next(Ok(Value::Int(first)));
            verdict(gives_each_at_its_place, &run)
        };
        assert_eq!(run(1), None);
        assert!(run(0).is_some());
    }

    #[test]
    fn a_failed_item_is_an_error_at_its_place_and_the_others_come() {
        let run = |second: Result<Value, &str>| {
            let mut run = Sample::pool(1);
            run.imap(2, None, false).begin(0, 0).ends(0, Fate::Raised);
            run.begin(1, 0).end(1).next(Err("ValueError")).next(second);
            verdict(gives_each_at_its_place, &run)
        };
        assert_eq!(run(Ok(Value::Int(1))), None);
        assert_eq!(
            run(Err("StopIteration")).as_deref(),
            Some("`next i` found the end, and 1 results had not been taken")
        );
    }

    #[test]
    fn a_time_out_takes_nothing() {
        let mut run = Sample::pool(1);
        run.imap(1, None, false)
            .begin(0, 0)
            .next(Err("TimedOut"))
            .end(0);
        run.next(Ok(Value::Int(0))).next(Err("StopIteration"));
        assert_eq!(verdict(gives_each_at_its_place, &run), None);
    }

    #[test]
    fn a_result_that_is_there_is_given_at_once() {
        let run = |late: u64| {
            let mut run = Sample::pool(1);
            run.imap(1, None, false)
                .begin(0, 0)
                .asks_next()
                .clock(1)
                .end(0)
                .clock(late);
            run.returns(Value::Int(0));
            verdict(gives_as_soon_as_it_is_there, &run)
        };
        assert_eq!(run(1), None);
        assert_eq!(
            run(2).as_deref(),
            Some("`next i` returned at 2, f(0) was there at 1")
        );
    }

    #[test]
    fn no_more_is_read_than_was_told() {
        let run = |taken: bool| {
            let mut run = Sample::pool(1);
            run.imap(3, Some(1), false).begin(0, 0).end(0);
            if taken {
                run.next(Ok(Value::Int(0)));
            }
            run.begin(1, 0);
            verdict(reads_no_further_than_told, &run)
        };
        assert_eq!(run(true), None);
        assert!(run(false).is_some_and(|text| text.contains("more than 1 chunks ahead")));
    }
}
