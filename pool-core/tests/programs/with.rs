//! A program of every method with a context, for the tests of each backend.

use pool_core::{Failure, Pool};

/// Each does what the one without a context does.
pub(crate) fn of_contexts(pool: &impl Pool) -> Result<(), Box<dyn std::error::Error>> {
    let add = |base: &u32, x: u32| base + x;
    let checked = |most: &u32, x: u32| {
        if x > *most {
            Err(format!("{x} > {most}"))
        } else {
            Ok(x)
        }
    };
    assert_eq!(pool.apply_with(1, add, 2)?, 3);
    assert_eq!(pool.apply_async_with(1, add, 2)?.get()?, 3);
    assert_eq!(pool.task_with(1, add, 2).submit()?.get()?, 3);
    assert_eq!(pool.map_with(10, add, 0..3)?, [10, 11, 12]);
    assert_eq!(pool.map_async_with(10, add, 0..3)?.get()?, [10, 11, 12]);
    assert_eq!(
        pool.starmap_with(
            10,
            |base: &u32, a: u32, b: u32| base + a * b,
            [(1, 2), (3, 4)]
        )?,
        [12, 22]
    );
    let all: Result<Vec<u32>, _> = pool.imap_with(10, add, 0..3)?.collect();
    assert_eq!(all?, [10, 11, 12]);
    let mut all = pool
        .imap_unordered_with(10, add, 0..3)?
        .collect::<Result<Vec<u32>, _>>()?;
    all.sort_unstable();
    assert_eq!(all, [10, 11, 12]);
    assert_eq!(pool.try_apply_with(5, checked, 5), Ok(5));
    assert_eq!(
        pool.try_apply_with(5, checked, 6),
        Err(Failure::Raised("6 > 5".to_owned()))
    );
    assert_eq!(pool.try_task_with(5, checked, 4).submit()?.get(), Ok(4));
    assert_eq!(pool.try_map_with(1, checked, [0, 1]), Ok(vec![0, 1]));
    assert!(
        pool.try_map_task_with(1, checked, [0, 9])
            .chunksize(1)
            .submit()?
            .get()
            .is_err()
    );
    let ends: Vec<_> = pool
        .try_imap_task_with(1, checked, 0..3)
        .chunksize(3)
        .ordered()?
        .collect();
    assert_eq!(
        ends,
        [Ok(0), Ok(1), Err(Failure::Raised("2 > 1".to_owned()))]
    );
    Ok(())
}
