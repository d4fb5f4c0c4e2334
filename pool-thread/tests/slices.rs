//! Maps over slices, and maps in many short chunks: workers take these in ranges.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pool_thread::prelude::*;

/// Counts those that are there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn quiet(reach: usize) -> Result<ThreadPool, Box<dyn Error>> {
    let builder = ThreadPool::builder().size(2).reach(reach).panic_hook(false);
    Ok(builder.build()?)
}

#[test]
fn a_slice_is_read_where_it_is() -> Result<(), Box<dyn Error>> {
    let pool = quiet(1)?;
    let words: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    let places = pool.map_slice(|word| std::ptr::from_ref(word).addr(), &words)?;
    let expected: Vec<usize> = words
        .iter()
        .map(|word| std::ptr::from_ref(word).addr())
        .collect();
    assert_eq!(places, expected);
    assert_eq!(pool.map_slice(|word: &String| word.len(), &[])?, []);
    Ok(())
}

#[test]
fn a_buffer_keeps_its_memory_and_is_empty_after_an_error() -> Result<(), Box<dyn Error>> {
    let pool = quiet(1)?;
    let items: Vec<u64> = (0..100).collect();
    let mut results: Vec<u64> = Vec::with_capacity(100);
    let memory = results.as_ptr();
    for times in 1..4 {
        pool.map_slice_into(|item| item * times, &items, &mut results)?;
        assert_eq!((results[99], results.as_ptr()), (99 * times, memory));
    }
    let failed = pool.map_slice_into(|item| 100 / (42 - item), &items[..43], &mut results);
    assert_eq!(failed.map_err(|error| error.item()), Err(Some(42)));
    assert_eq!(results, []);
    Ok(())
}

#[test]
fn an_item_that_panics_is_named_and_all_that_is_there_is_dropped() -> Result<(), Box<dyn Error>> {
    let (results, items) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let nothing_is_left = |pool: ThreadPool| {
        pool.close();
        pool.join().map(|()| {
            assert_eq!(items.load(Ordering::Relaxed), 0);
            assert_eq!(results.load(Ordering::Relaxed), 0);
        })
    };
    for (reach, chunk) in [(1, 1), (64, 1), (2, 3), (64, 100)] {
        let pool = quiet(reach)?;
        let input: Vec<_> = (0..100)
            .map(|index| (index, Counted::new(&items)))
            .collect();
        let made = results.clone();
        let call = move |(index, _item): (usize, Counted)| {
            assert!(index != 50, "the fiftieth");
            Counted::new(&made)
        };
        let failed = pool.each(call, input).chunksize(chunk).wait();
        let failed = failed.map(|all| all.len());
        assert_eq!(failed.map_err(|error| error.item()), Err(Some(50)));
        nothing_is_left(pool)?;
        let pool = quiet(reach)?;
        let made = pool.map_slice(|()| Counted::new(&results), &[(); 10])?;
        assert_eq!(results.load(Ordering::Relaxed), 10);
        drop(made);
        nothing_is_left(pool)?;
    }
    Ok(())
}

/// Miri is slow.
const CHUNKS: usize = if cfg!(miri) { 150 } else { 5_000 };

#[test]
fn each_chunk_of_one_runs_once_and_those_that_fail_end_no_other() -> Result<(), Box<dyn Error>> {
    for reach in [1, 2, 64] {
        let pool = quiet(reach)?;
        let runs: Arc<Vec<AtomicUsize>> =
            Arc::new((0..CHUNKS).map(|_| AtomicUsize::new(0)).collect());
        let counted = runs.clone();
        let call = move |index: usize| {
            counted[index].fetch_add(1, Ordering::Relaxed);
            if index % 7 == 6 {
                Err(index)
            } else {
                Ok(index)
            }
        };
        let failed = pool.try_each(call, 0..CHUNKS).chunksize(1).wait();
        let item = failed.as_ref().err().and_then(TaskError::item);
        assert!(item.is_some_and(|item| item % 7 == 6), "{failed:?}");
        assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
    }
    Ok(())
}
