//! A program of every method of the trait `Pool`, for the tests of each backend.

use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_core::{Phase, Pool, PoolError, RunError, StartError, TaskError, TrySubmitError};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const LONG: Duration = Duration::from_secs(60);

fn add(a: u32, b: u32) -> u32 {
    a + b
}

fn half(x: u32) -> Result<u32, String> {
    match x % 2 {
        0 => Ok(x / 2),
        _ => Err(format!("{x} is odd")),
    }
}

fn divide(a: u32, b: u32) -> Result<u32, String> {
    a.checked_div(b).ok_or_else(|| "by zero".to_owned())
}

/// Each method does what its page says.
pub(crate) fn every_method<P: Pool>(start: impl Fn() -> Result<P, StartError>) -> Outcome {
    let pool = start()?;
    short_forms(&pool)?;
    buffers(&pool)?;
    long_forms(&pool)?;
    errors_name_their_item(&pool)?;
    contexts(&pool)?;
    resizing(&pool)?;
    life(pool, start)
}

/// A pool whose workers are on other machines says that it cannot, and stays as it is.
fn resizing(pool: &impl Pool) -> Outcome {
    let size = pool.size();
    match pool.resize(size + 1) {
        Ok(()) => assert_eq!((pool.size(), pool.resize(size)?), (size + 1, ())),
        Err(StartError::Impossible { .. }) => assert_eq!(pool.size(), size),
        Err(other) => return Err(other.into()),
    }
    assert_eq!(pool.map(|x: u32| x + 1, 0..3)?, [1, 2, 3]);
    Ok(())
}

#[expect(
    clippy::redundant_closure,
    reason = "`starmap` takes a closure and not the name of a function"
)]
fn short_forms(pool: &impl Pool) -> Outcome {
    assert_eq!(pool.apply(|x: u32| x + 1, 1)?, 2);
    assert_eq!(pool.apply_async(|x: u32| x + 1, 1)?.get()?, 2);
    assert_eq!(pool.try_apply(half, 4)?, 2);
    assert_eq!(pool.try_apply_async(half, 4)?.get()?, 2);
    assert_eq!(pool.map(|x: u32| x * x, 0..4)?, [0, 1, 4, 9]);
    assert_eq!(pool.map_async(|x: u32| x * x, 0..4)?.get()?, [0, 1, 4, 9]);
    assert_eq!(pool.try_map(half, [2, 4])?, [1, 2]);
    assert_eq!(pool.try_map_async(half, [2, 4])?.get()?, [1, 2]);
    assert_eq!(pool.starmap(|a, b| add(a, b), [(1, 2), (3, 4)])?, [3, 7]);
    assert_eq!(pool.starmap_async(|a, b| add(a, b), [(1, 2)])?.get()?, [3]);
    assert_eq!(pool.try_starmap(|a, b| divide(a, b), [(6, 3)])?, [2]);
    assert!(
        pool.try_starmap_async(|a, b| divide(a, b), [(6, 0)])?
            .get()
            .is_err()
    );
    let squares: Result<Vec<u32>, _> = pool.imap(|x: u32| x * x, 0..4)?.collect();
    assert_eq!(squares?, [0, 1, 4, 9]);
    assert_eq!(
        pool.imap_unordered(|x: u32| x * x, 0..4)?
            .flatten()
            .sum::<u32>(),
        14
    );
    let halves: Vec<_> = pool.try_imap(half, 2..5)?.map(Result::ok).collect();
    assert_eq!(halves, [Some(1), None, Some(2)]);
    assert_eq!(
        pool.try_imap_unordered(half, 2..5)?.flatten().sum::<u32>(),
        3
    );
    Ok(())
}

/// Results as large as their items take the places of these, others do not; what a buffer held is dropped, and a failed map leaves
/// it empty.
fn buffers(pool: &impl Pool) -> Outcome {
    let mut lengths = vec![7_usize; 3];
    pool.map_into(
        |word: String| word.len(),
        ["a".to_owned(), "bc".to_owned()],
        &mut lengths,
    )?;
    assert_eq!(lengths, [1, 2]);
    let mut shouts = vec!["old".to_owned(); 9];
    for round in 0..3 {
        let words = (0..5).map(|number| format!("{round}{number}"));
        pool.map_into(|word: String| word + "!", words, &mut shouts)?;
        assert_eq!(shouts.len(), 5);
        assert_eq!(shouts[4], format!("{round}4!"));
    }
    let fails = |word: String| if word == "3" { panic!("three") } else { word };
    let words = (0..5).map(|number| number.to_string());
    let failed = pool.map_into(fails, words, &mut shouts);
    assert_eq!(failed.map_err(|error| error.item()), Err(Some(3)));
    assert_eq!(shouts, Vec::<String>::new());
    let none: Vec<()> = pool.map(|_: ()| (), [(); 3])?;
    assert_eq!(none.len(), 3);
    Ok(())
}

/// Closures of callbacks need no annotation.
fn long_forms(pool: &impl Pool) -> Outcome {
    let (tell, told) = mpsc::channel();
    let handle = pool
        .call(|text: String| text + "!", "a".to_owned())
        .callback(move |text| tell.send(text.len()).expect("it is awaited"))
        .error_callback(|error| panic!("{error}"))
        .submit()?;
    assert_eq!(handle.get()?, "a!");
    assert_eq!(told.recv()?, 2);
    let (tell, told) = mpsc::channel();
    let failed = pool
        .try_call(half, 3)
        .error_callback(move |error| drop(tell.send(error.to_string())))
        .wait();
    assert_eq!(failed, Err(TaskError::raised("3 is odd".to_owned())));
    assert_eq!(told.recv()?, "task failed: 3 is odd");
    let (tell, told) = mpsc::channel();
    let squares = pool
        .each(|x: u32| x * x, 0..9)
        .chunksize(2)
        .callback(move |all| tell.send(all.iter().sum::<u32>()).expect("it is awaited"));
    assert_eq!(squares.wait()?.len(), 9);
    assert_eq!(told.recv()?, 204);
    let sums = pool.each(|(a, b)| add(a, b), [(1, 2), (3, 4)]).chunksize(1);
    assert_eq!(sums.submit()?.get()?, [3, 7]);
    assert_eq!(pool.try_each(half, [2]).submit_timeout(LONG)?.get()?, [1]);
    assert_eq!(pool.try_each(half, [2]).try_submit()?.get()?, [1]);
    assert_eq!(pool.call(|x: u32| x, 1).submit_timeout(LONG)?.get()?, 1);
    let halves = pool
        .try_each(half, 0..6)
        .chunksize(2)
        .read_ahead(1)
        .imap_unordered()?;
    assert_eq!(halves.filter(Result::is_ok).count(), 3);
    let input = [Ok(2), Ok(4), Err("torn".to_owned()), Ok(6)];
    let ends: Vec<_> = pool.try_each_ok(half, input).imap()?.collect();
    assert_eq!(
        ends,
        [Ok(1), Ok(2), Err(TaskError::raised("torn".to_owned()))]
    );
    let refused = pool.each(|x: u32| x, 0..3).callback(|_| ()).imap();
    assert_eq!(refused.err(), Some(PoolError::CallbackOfImap));
    assert_eq!(
        awaited(pool.call(|x: u32| x + 1, 1).submit_async())?.get()?,
        2
    );
    assert_eq!(
        awaited(pool.each(|x: u32| x, 0..3).submit_async())?.get()?,
        [0, 1, 2]
    );
    retries(pool)
}

/// Each form is tried again after an error that is picked, and tells its attempts; other errors come at once.
fn retries(pool: &impl Pool) -> Outcome {
    let is_odd = |error: &String| error.contains("odd");
    let failed = pool.try_call(half, 3).retries(2).retry_if(is_odd).wait();
    let error = failed.expect_err("3 is odd");
    assert_eq!((error.attempts(), error.item()), (3, None));
    assert_eq!(error.to_string(), "task failed in 3 attempts: 3 is odd");
    let failed = pool.try_call(half, 3).retries(2).retry_if(|_| false);
    assert_eq!(failed.wait().expect_err("3 is odd").attempts(), 1);
    let failed = pool.try_call(half, 3).retry_if(is_odd).wait();
    assert_eq!(failed.expect_err("3 is odd").attempts(), 1);
    let panics = |_: &String| panic!("in pick");
    let failed = pool.try_call(half, 3).retries(2).retry_if(panics).wait();
    assert_eq!(failed.expect_err("3 is odd").attempts(), 1);
    let failed = pool.try_each(half, 2..6).retries(1).retry_if(is_odd).wait();
    let error = failed.expect_err("3 is odd");
    assert_eq!(error.attempts(), 2);
    let map = pool.try_each(half, [2, 4]).retries(1).retry_if(is_odd);
    assert_eq!(awaited(map.submit_async())?.get()?, [1, 2]);
    let halves = pool.try_each(half, 2..6).retries(2).retry_if(is_odd);
    let ends: Vec<_> = halves
        .imap()?
        .map(|end| end.map_err(|error| error.attempts()))
        .collect();
    assert_eq!(ends, [Ok(1), Err(3), Ok(2), Err(3)]);
    let input = [Ok(2), Ok(3), Err("torn".to_owned())];
    let halves = pool.try_each_ok(half, input).retries(1).retry_if(is_odd);
    let ends = halves.imap_unordered()?.filter_map(Result::err);
    let mut attempts: Vec<_> = ends.map(|error| error.attempts()).collect();
    attempts.sort();
    assert_eq!(attempts, [1, 2]);
    let chunks = pool
        .try_each(half, 2..6)
        .retries(1)
        .chunksize(2)
        .retry_if(is_odd);
    assert_eq!(chunks.wait(), Err(PoolError::RetriesOfChunks.into()));
    let quotients = pool.try_each(|(a, b)| divide(a, b), [(6, 3), (1, 0)]);
    let quotients = quotients.retries(1).retry_if(|_| true).wait();
    assert_eq!(quotients.expect_err("by zero").attempts(), 2);
    Ok(())
}

/// A future that is ready at once.
fn awaited<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is pending"),
    }
}

fn errors_name_their_item(pool: &impl Pool) -> Outcome {
    let items = || [0, 2, 4, 6, 7, 8];
    for chunksize in [1, 3, 6] {
        let error = pool
            .try_each(half, items())
            .chunksize(chunksize)
            .wait()
            .expect_err("7 is odd");
        assert_eq!(
            (error.item(), error.to_string()),
            (Some(4), "task failed at item 4: 7 is odd".to_owned())
        );
        let panics = |x: u32| assert!(x != 7, "seven");
        let error = pool
            .each(panics, items())
            .chunksize(chunksize)
            .wait()
            .expect_err("it panics");
        assert_eq!(error.item(), Some(4), "{error}");
        let ends = pool
            .try_each(half, items())
            .chunksize(chunksize)
            .imap_unordered()?;
        let failed: Vec<_> = ends
            .filter_map(Result::err)
            .map(|error| error.item())
            .collect();
        assert_eq!(failed, [Some(4)]);
        let ends = pool
            .each(panics, items())
            .chunksize(chunksize)
            .imap_unordered()?;
        let failed: Vec<_> = ends
            .filter_map(Result::err)
            .map(|error| error.item())
            .collect();
        assert_eq!(failed, [Some(4)]);
    }
    assert_eq!(pool.try_apply(half, 7).expect_err("7 is odd").item(), None);
    Ok(())
}

fn contexts(pool: &impl Pool) -> Outcome {
    let add = |base: &u32, x: u32| base + x;
    let below = |most: &u32, x: u32| if x < *most { Ok(x) } else { Err(x) };
    let ten = pool.with(10);
    assert_eq!(*ten.context(), 10);
    assert_eq!(ten.apply(add, 2)?, 12);
    assert_eq!(ten.apply_async(add, 2)?.get()?, 12);
    assert_eq!(ten.call(add, 2).submit()?.get()?, 12);
    assert_eq!(ten.map(add, 0..3)?, [10, 11, 12]);
    assert_eq!(ten.map_async(add, 0..3)?.get()?, [10, 11, 12]);
    assert_eq!(ten.each(add, 0..3).chunksize(1).wait()?, [10, 11, 12]);
    assert_eq!(
        ten.starmap(|base: &u32, a: u32, b: u32| base + a * b, [(1, 2), (3, 4)])?,
        [12, 22]
    );
    assert_eq!(
        ten.clone().imap(add, 0..3)?.flatten().collect::<Vec<_>>(),
        [10, 11, 12]
    );
    assert_eq!(ten.imap_unordered(add, 0..3)?.flatten().sum::<u32>(), 33);
    assert_eq!(ten.try_apply(below, 9), Ok(9));
    assert_eq!(
        ten.try_apply_async(below, 10)?.get(),
        Err(TaskError::raised(10))
    );
    assert_eq!(ten.try_call(below, 4).wait(), Ok(4));
    let failed = ten
        .try_call(below, 12)
        .retries(1)
        .retry_if(|x| *x == 12)
        .wait();
    assert_eq!(failed.expect_err("too much").attempts(), 2);
    assert_eq!(ten.try_map(below, [0, 1]), Ok(vec![0, 1]));
    assert!(ten.try_map_async(below, [0, 10])?.get().is_err());
    let ends: Vec<_> = ten.try_each(below, 9..11).chunksize(2).imap()?.collect();
    assert_eq!(ends, [Ok(9), Err(TaskError::raised(10).at_item(1))]);
    assert_eq!(ten.try_imap(below, 9..11)?.flatten().count(), 1);
    assert_eq!(ten.try_imap_unordered(below, 9..11)?.flatten().count(), 1);
    let input = [Ok(1), Err(7)];
    assert_eq!(ten.try_each_ok(below, input).imap()?.flatten().count(), 1);
    Ok(())
}

fn life<P: Pool>(pool: P, start: impl Fn() -> Result<P, StartError>) -> Outcome {
    assert_eq!((pool.size(), pool.phase()), (2, Phase::Running));
    assert_eq!(pool.join(), Err(PoolError::StillRunning));
    pool.close();
    let refused = pool.call(|x: u32| x, 7).try_submit().expect_err("closed");
    assert_eq!(refused, TrySubmitError::Refused(PoolError::NotRunning, 7));
    let refused = awaited(pool.call(|x: u32| x, 7).submit_async());
    assert_eq!(refused.err(), Some(PoolError::NotRunning));
    assert!(pool.join_timeout(LONG)?);
    pool.join()?;
    let tasks = pool.task_stats();
    assert_eq!(tasks.submitted, tasks.ended);
    let pool = start()?;
    pool.terminate();
    pool.join()?;
    assert_eq!(pool.phase(), Phase::Joined);
    let handle = {
        let pool = start()?;
        let handle = pool.apply_async(|x: u32| x, 1)?;
        pool.detach();
        handle
    };
    assert_eq!(handle.get()?, 1);
    let done = start()?.run_to_completion(|pool| pool.map(|x: u32| x, 0..3))?;
    assert_eq!(done, [0, 1, 2]);
    let lost = start()?.run_to_completion(|pool| pool.try_apply_async(half, 3).map(drop));
    assert!(matches!(lost, Err(RunError::Unhandled(_))), "{lost:?}");
    Ok(())
}
