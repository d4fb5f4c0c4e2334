//! `imap` on processes: order, errors at their place, lost workers, infinite input.

use pool_process::{Pool, ProcessPool, TaskError};

fn pool() -> ProcessPool {
    ProcessPool::builder()
        .size(2)
        .warn_on_drop(false)
        .build()
        .expect("a pool")
}

#[test]
fn imap_yields_in_input_order_from_an_infinite_input() {
    let pool = pool();
    let squares = pool.imap(|x: u64| x * x, 1..).expect("a running pool");
    assert_eq!(
        squares.take(5).collect::<Result<Vec<_>, _>>(),
        Ok(vec![1, 4, 9, 16, 25])
    );
}

#[test]
fn imap_unordered_yields_everything_once() {
    let pool = pool();
    let results = pool
        .imap_unordered(|x: u32| x, 0..50)
        .expect("a running pool");
    let mut seen = results.collect::<Result<Vec<_>, _>>().expect("values");
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_failing_item_and_a_lost_worker_are_errors_at_their_place_and_later_items_still_come() {
    fn func(x: i32) -> Result<i32, String> {
        match x {
            1 => Err("one".to_owned()),
            2 => panic!("two"),
            3 => std::process::exit(7),
            x => Ok(x),
        }
    }
    let pool = pool();
    let results = pool.try_each(func, 0..6).imap().expect("a running pool");
    let seen: Vec<String> = results
        .map(|end| match end {
            Ok(value) => value.to_string(),
            Err(TaskError::Raised { error, .. }) => error,
            Err(TaskError::Panicked(panic)) => panic.message,
            Err(TaskError::WorkerLost(lost)) => lost.cause.to_string(),
            Err(other) => format!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, ["0", "one", "two", "exited with code 7", "4", "5"]);
}

#[test]
fn errors_from_imap_unordered_say_which_item_it_was() {
    /// Encodes unless it is 4.
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Fussy(u32);

    impl serde::Serialize for Fussy {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                4 => Err(serde::ser::Error::custom("four does not travel")),
                other => to.serialize_newtype_struct("Fussy", &other),
            }
        }
    }

    fn func(x: u32) -> Result<Fussy, String> {
        match x {
            1 => Err("one".to_owned()),
            2 => panic!("two"),
            3 => std::process::exit(7),
            x => Ok(Fussy(x)),
        }
    }
    let pool = pool();
    let results = pool
        .try_each(func, 0..7)
        .imap_unordered()
        .expect("a running pool");
    let (values, errors): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    assert_eq!(values.len(), 3);
    let mut seen: Vec<_> = errors
        .iter()
        .filter_map(|end| end.as_ref().err())
        .map(|error| {
            let kind = match error {
                TaskError::Raised { .. } => "raised",
                TaskError::Panicked(_) => "panicked",
                TaskError::WorkerLost(_) => "lost",
                TaskError::Encode(_) => "not encoded",
                _ => "another",
            };
            (error.item(), kind)
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            (Some(1), "raised"),
            (Some(2), "panicked"),
            (Some(3), "lost"),
            (Some(4), "not encoded")
        ]
    );
}

#[test]
fn join_reads_the_rest_of_a_half_consumed_imap() {
    let pool = pool();
    let mut results = pool
        .each(|x: u32| x, 0..40)
        .read_ahead(2)
        .imap()
        .expect("a running pool");
    assert_eq!(results.next(), Some(Ok(0)));
    pool.close();
    pool.join().expect("closed");
    assert_eq!(
        results.collect::<Result<Vec<_>, _>>(),
        Ok((1..40).collect())
    );
}
