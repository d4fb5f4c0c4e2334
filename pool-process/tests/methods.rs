//! Every method, and contexts: encoded once, at each worker once, in each replacement again, and gone when their job is.

mod common;
#[path = "../../pool-core/tests/programs/methods.rs"]
mod methods;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Outcome, each_way, loss};
use pool_process::{Pool, ProcessPool, TaskError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

static ENCODED: AtomicUsize = AtomicUsize::new(0);
static DECODED: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// A context that counts what happens to it, and says no where it is told to.
#[derive(Debug)]
struct Counted(String);

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            "shared" => {
                ENCODED.fetch_add(1, Ordering::Relaxed);
                self.0.serialize(serializer)
            }
            "encode" => Err(serde::ser::Error::custom("not today")),
            "encode panic" => panic!("not even asked"),
            text => text.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, Ordering::Relaxed);
        match &*String::deserialize(deserializer)? {
            "decode" => Err(serde::de::Error::custom("not here")),
            "decode panic" => panic!("not even looked"),
            "decode abort" => std::process::abort(),
            text => Ok(Counted(text.to_owned())),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// This worker, and how often it decoded and dropped contexts.
fn here(_: ()) -> (u32, usize, usize) {
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    (std::process::id(), count(&DECODED), count(&DROPPED))
}

fn look(context: &Counted, item: u32) -> (u32, usize, String) {
    let (pid, decoded, _) = here(());
    (pid, decoded, format!("{} {item}", context.0))
}

#[test]
fn a_context_is_encoded_once_decoded_once_in_each_worker_and_dropped_there_after_its_job() -> Outcome
{
    each_way(2, |pool| {
        let encoded = ENCODED.load(Ordering::Relaxed);
        let seen = pool
            .with(Counted("shared".to_owned()))
            .each(look, 0..50)
            .chunksize(1)
            .submit()?
            .get()?;
        assert_eq!(ENCODED.load(Ordering::Relaxed) - encoded, 1);
        for (index, (_, decoded, text)) in seen.iter().enumerate() {
            assert_eq!((*decoded, text.as_str()), (1, &*format!("shared {index}")));
        }
        // The job has gone, its handle too. With the next task every worker's place forgets what it ran last;
        // after that a task finds out before it begins.
        pool.apply(here, ())?;
        let mut workers: BTreeMap<u32, usize> = BTreeMap::new();
        for (pid, decoded, dropped) in pool.map(here, [(); 20])? {
            assert!(decoded <= 1);
            assert_eq!(dropped, decoded, "what was decoded was dropped");
            workers.insert(pid, decoded);
        }
        assert!(workers.values().any(|decoded| *decoded == 1));
        Ok(())
    })
}

#[test]
fn a_replaced_worker_gets_the_context_again() -> Outcome {
    fn fragile(limits: &[u32; 2], item: u32) -> (u32, u32) {
        if item == limits[0] {
            std::process::abort();
        }
        (std::process::id(), limits[1] + item)
    }
    each_way(1, |pool| {
        let ends: Vec<_> = pool.with([3, 100]).imap(fragile, 0..6)?.collect();
        let pids: Vec<u32> = ends.iter().flatten().map(|(pid, _)| *pid).collect();
        let sums: Vec<u32> = ends.iter().flatten().map(|(_, sum)| *sum).collect();
        assert_eq!(sums, [100, 101, 102, 104, 105]);
        assert_ne!(pids[2], pids[3]);
        loss(ends.into_iter().nth(3).ok_or("six results")?);
        Ok(())
    })
}

#[test]
fn a_context_that_cannot_travel_is_its_jobs_error_and_names_its_type() -> Outcome {
    each_way(2, |pool| {
        let with = |text: &str| {
            pool.with(Counted(text.to_owned()))
                .map(look, 0..4)
                .map(|_| ())
        };
        for (text, reason) in [("encode", "not today"), ("encode panic", "not even asked")] {
            match with(text) {
                Err(TaskError::Encode(error)) => {
                    assert!(error.type_name.ends_with("Counted"), "{error}");
                    assert!(error.reason.contains(reason), "{error}");
                }
                other => panic!("not refused: {other:?}"),
            }
        }
        for (text, reason) in [("decode", "not here"), ("decode panic", "not even looked")] {
            match with(text) {
                Err(TaskError::Decode(error)) => {
                    assert!(error.type_name.ends_with("Counted"), "{error}");
                    assert!(error.reason.contains(reason), "{error}");
                }
                other => panic!("not refused: {other:?}"),
            }
        }
        // Decoding that kills is the death of the task that needs it.
        loss(pool.with(Counted("decode abort".to_owned())).apply(look, 1));
        assert_eq!(pool.with(5).apply(|by: &i32, x: i32| x * by, 4)?, 20);
        Ok(())
    })
}

#[test]
fn a_context_that_is_too_long_is_refused() -> Outcome {
    let pool = ProcessPool::builder().size(1).max_message(1_000).build()?;
    let refused = pool
        .with("x".repeat(1_000))
        .apply(|text: &String, ()| text.len(), ());
    assert!(
        matches!(&refused, Err(TaskError::Encode(error)) if error.type_name == "the job's context"),
        "{refused:?}"
    );
    assert_eq!(
        pool.with("x".repeat(900))
            .apply(|text: &String, ()| text.len(), ())?,
        900
    );
    Ok(())
}

#[test]
fn more_contexts_at_once_than_a_worker_keeps_all_reach_their_tasks() -> Outcome {
    let pool = ProcessPool::new(1)?;
    let streams: Result<Vec<_>, _> = (0..20_u64)
        .map(|number| {
            pool.with(number)
                .imap(|number: &u64, x: u64| number * 100 + x, 0..)
        })
        .collect();
    let mut streams = streams?;
    for round in 0..10 {
        for (number, stream) in streams.iter_mut().enumerate() {
            assert_eq!(stream.next(), Some(Ok(number as u64 * 100 + round)));
        }
    }
    Ok(())
}

#[test]
fn every_method_of_the_trait_does_what_its_page_says() -> Outcome {
    methods::every_method(|| ProcessPool::new(2))
}

#[test]
fn a_view_that_is_kept_sends_its_context_once_for_all_its_calls() -> Outcome {
    each_way(2, |pool| {
        let encoded = ENCODED.load(Ordering::Relaxed);
        let view = pool.with(Counted("shared".to_owned()));
        for item in 0..20 {
            let (_, decoded, text) = view.apply(look, item)?;
            assert_eq!((decoded, text), (1, format!("shared {item}")));
        }
        assert_eq!(view.clone().map(look, 0..20)?.len(), 20);
        assert_eq!(ENCODED.load(Ordering::Relaxed) - encoded, 1);
        Ok(())
    })
}
