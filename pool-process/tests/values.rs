//! Values that cannot travel: the error is that of their task alone, and names type and reason.

mod common;

use common::{Outcome, each_way, loss, pid};
use pool_process::{CodecError, Pool, ProcessPool, TaskError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that says no at one of its four borders, or panics there.
#[derive(Debug, Clone, PartialEq)]
struct Stubborn(String);

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            "encode" => Err(serde::ser::Error::custom("not today")),
            "panic" => panic!("not even asked"),
            text => text.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match &*text {
            "decode" => Err(serde::de::Error::custom("not here")),
            "decode panic" => panic!("not even looked"),
            "decode abort" => std::process::abort(),
            _ => Ok(Stubborn(text)),
        }
    }
}

fn stubborn(text: &str) -> Stubborn {
    Stubborn(text.to_owned())
}

/// Type and reason of an error that must be the one of encoding, or of decoding.
fn refused<T: std::fmt::Debug>(result: Result<T, TaskError>) -> (&'static str, CodecError) {
    match result {
        Err(TaskError::Encode(error)) => ("encode", *error),
        Err(TaskError::Decode(error)) => ("decode", *error),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn each_border_names_type_and_reason_and_harms_nobody() -> Outcome {
    each_way(1, |pool| {
        let worker = pool.apply(pid, ())?;
        let accept = |value: Stubborn| value.0;
        let make = |text: String| Stubborn(text);
        let check = |side: &str, reason: &str, seen: (&str, CodecError)| {
            assert_eq!(seen.0, side);
            assert!(seen.1.type_name.ends_with("Stubborn"), "{}", seen.1);
            assert!(seen.1.reason.contains(reason), "{}", seen.1);
        };
        check(
            "encode",
            "not today",
            refused(pool.apply(accept, stubborn("encode"))),
        );
        check(
            "encode",
            "not even asked",
            refused(pool.apply(accept, stubborn("panic"))),
        );
        check(
            "decode",
            "not here",
            refused(pool.apply(accept, stubborn("decode"))),
        );
        check(
            "encode",
            "not today",
            refused(pool.apply(make, "encode".to_owned())),
        );
        check(
            "decode",
            "not here",
            refused(pool.apply(make, "decode".to_owned())),
        );
        check(
            "decode",
            "not even looked",
            refused(pool.apply(make, "decode panic".to_owned())),
        );
        assert!(matches!(
            pool.apply(make, "panic".to_owned()),
            Err(TaskError::Panicked(_))
        ));
        assert!(matches!(
            pool.apply(accept, stubborn("decode panic")),
            Err(TaskError::Panicked(_))
        ));
        assert_eq!(pool.apply(accept, stubborn("fine"))?, "fine");
        assert_eq!(
            pool.apply(pid, ())?,
            worker,
            "the worker went through all of it"
        );
        // An argument whose decoding kills is its task's death, not an endless loop.
        loss(pool.apply(accept, stubborn("decode abort")));
        Ok(())
    })
}

#[test]
fn of_a_map_the_chunk_that_cannot_travel_fails() -> Outcome {
    let pool = ProcessPool::new(2)?;
    let result = pool.map(
        |value: Stubborn| value.0,
        ["a", "encode", "b"].map(stubborn),
    );
    let (side, error) = refused(result);
    assert_eq!((side, error.item), ("encode", Some(1)), "{error}");
    let result = pool
        .each(Stubborn, ["a", "decode", "b"].map(str::to_owned))
        .chunksize(3)
        .submit()?
        .get();
    let (side, error) = refused(result);
    assert_eq!(
        (side, error.type_name.contains("Stubborn"), error.item),
        ("decode", true, Some(1)),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_message_that_is_too_long_is_refused_on_either_side() -> Outcome {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(1).max_message(10_000).build()?;
        let worker = pool.apply(pid, ())?;
        let (side, error) = refused(pool.apply(|text: String| text.len(), "x".repeat(10_000)));
        assert_eq!((side, &*error.type_name), ("encode", "the task's argument"));
        let (side, error) = refused(pool.apply(|length: usize| "x".repeat(length), 10_000));
        assert_eq!((side, &*error.type_name), ("encode", "the task's result"));
        assert!(
            error.reason.contains("10001 bytes are more than the 10000"),
            "{error}"
        );
        assert_eq!(
            pool.apply(|length: usize| "x".repeat(length).len(), 1 << 20)?,
            1 << 20
        );
        assert_eq!(pool.apply(pid, ())?, worker);
    }
    Ok(())
}

#[test]
fn generic_functions_and_closures_without_captures_travel() -> Outcome {
    fn twice<T: Clone>(value: T) -> (T, T) {
        (value.clone(), value)
    }
    each_way(2, |pool| {
        assert_eq!(pool.apply(twice::<u8>, 1)?, (1, 1));
        assert_eq!(
            pool.apply(twice::<String>, "x".to_owned())?,
            ("x".to_owned(), "x".to_owned())
        );
        assert_eq!(pool.apply(|x| -x, 1.5)?, -1.5);
        Ok(())
    })
}

/// A value that nests as deep as one likes.
#[derive(Debug, Serialize, Deserialize)]
enum Nest {
    End,
    Inner(Box<Nest>),
}

fn nest(levels: u32) -> Nest {
    (0..levels).fold(Nest::End, |inner, _| Nest::Inner(Box::new(inner)))
}

fn levels(mut of: Nest) -> u32 {
    let mut levels = 0;
    while let Nest::Inner(inner) = of {
        of = *inner;
        levels += 1;
    }
    levels
}

#[test]
fn a_value_that_nests_too_deep_is_its_tasks_error_in_both_directions() -> Outcome {
    each_way(1, |pool| {
        let worker = pool.apply(pid, ())?;
        assert_eq!(levels(pool.apply(nest, 1_000)?), 1_000);
        assert_eq!(pool.apply(levels, nest(1_000))?, 1_000);
        for seen in [
            refused(pool.apply(nest, 5_000).map(levels)),
            refused(pool.apply(levels, nest(5_000))),
            refused(pool.map(levels, [nest(1), nest(5_000)]).map(drop)),
            refused(pool.with(nest(5_000)).apply(|_: &Nest, (): ()| (), ())),
        ] {
            assert_eq!(seen.0, "encode");
            assert!(seen.1.reason.contains("nests deeper"), "{}", seen.1);
        }
        assert_eq!(
            pool.apply(pid, ())?,
            worker,
            "the worker went through all of it"
        );
        Ok(())
    })
}

#[test]
fn a_task_whose_result_is_an_option_of_nothing_has_succeeded() -> Outcome {
    let pool = ProcessPool::builder()
        .size(1)
        .initializer(|(): ()| Vec::<u8>::new(), ())
        .build()?;
    let push = |x: u8| pool_process::worker_state(|seen: &mut Vec<u8>| seen.push(x));
    assert_eq!(pool.map(push, 0..3)?, [Some(()); 3]);
    let none = |()| pool_process::worker_state(|_: &mut String| ());
    assert_eq!(pool.apply(none, ())?, None);
    Ok(())
}
