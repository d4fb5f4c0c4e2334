//! What makes no sense is refused, at once, by an error that names it.

use std::time::Duration;

use pool_thread::{Pool, PoolError, StartError, TaskError, ThreadPool, TrySubmitError};

fn refusal(builder: pool_thread::Builder) -> StartError {
    builder.build().expect_err("refused")
}

#[test]
fn sizes_that_cannot_be() {
    for (size, says) in [
        (0, "number of workers must be at least 1".to_owned()),
        (
            usize::MAX,
            format!(
                "number of workers must be at most 1048576, not {}",
                usize::MAX
            ),
        ),
    ] {
        assert_eq!(refusal(ThreadPool::builder().size(size)).to_string(), says);
    }
    let refused = refusal(ThreadPool::builder().size(1).queue(0));
    assert_eq!(refused.to_string(), "bound of the queue must be at least 1");
}

#[test]
fn chunks_and_read_ahead_of_nothing() {
    let pool = ThreadPool::new(1).expect("a pool");
    let chunks = pool.each(|x: u32| x, 0..3).chunksize(0);
    assert_eq!(chunks.submit().err(), Some(PoolError::ZeroChunksize));
    let chunks = pool.each(|x: u32| x, [7]).chunksize(0);
    let back = chunks.try_submit().expect_err("refused");
    assert_eq!(
        back,
        TrySubmitError::Refused(PoolError::ZeroChunksize, vec![7])
    );
    assert_eq!(back.to_string(), "chunk size must be at least 1");
    let chunks = pool.each(|x: u32| x, 0..3).chunksize(0);
    assert_eq!(chunks.imap().err(), Some(PoolError::ZeroChunksize));
    let ahead = pool.each(|x: u32| x, 0..3).read_ahead(0);
    let refused = ahead.imap_unordered().expect_err("refused");
    assert_eq!(refused, PoolError::ZeroReadAhead);
    assert_eq!(refused.to_string(), "read-ahead must be at least 1");
    // The pool is unharmed.
    assert_eq!(pool.apply(|x: u32| x, 1), Ok(1));
}

#[test]
fn a_pool_that_takes_no_more_refuses_every_form_of_submission() {
    for end in [ThreadPool::close, ThreadPool::terminate] {
        let pool = ThreadPool::new(1).expect("a pool");
        assert_eq!(pool.join(), Err(PoolError::StillRunning));
        assert_eq!(
            pool.join_timeout(Duration::ZERO),
            Err(PoolError::StillRunning)
        );
        end(&pool);
        let no = Some(PoolError::NotRunning);
        let nothing = [0_u32; 0];
        assert_eq!(
            pool.apply(|x: u32| x, 1),
            Err(TaskError::Pool(PoolError::NotRunning))
        );
        assert_eq!(pool.apply_async(|x: u32| x, 1).err(), no);
        assert_eq!(
            pool.map(|x: u32| x, nothing),
            Err(TaskError::Pool(PoolError::NotRunning))
        );
        assert_eq!(pool.map_async(|x: u32| x, nothing).err(), no);
        assert_eq!(
            pool.each(|x: u32| x, nothing).chunksize(0).submit().err(),
            no
        );
        assert_eq!(pool.imap(|x: u32| x, nothing).err(), no);
        assert_eq!(pool.imap_unordered(|x: u32| x, nothing).err(), no);
        assert_eq!(
            pool.with(1)
                .map_async(|by: &u32, x: u32| x * by, nothing)
                .err(),
            no
        );
        assert_eq!(
            pool.scope(|scope| scope.apply_async(|x: u32| x, 1).err()),
            no
        );
        assert_eq!(
            pool.call(|x: u32| x, 1).try_submit().err(),
            Some(TrySubmitError::Refused(PoolError::NotRunning, 1))
        );
        let limit = Duration::from_secs(3_600);
        assert_eq!(
            pool.call(|x: u32| x, 2).submit_timeout(limit).err(),
            Some(TrySubmitError::Refused(PoolError::NotRunning, 2))
        );
        assert!(
            pool.run_to_completion(|pool| pool.apply(|x: u32| x, 1))
                .is_err()
        );
    }
}

#[test]
fn limits_beyond_all_time() {
    let pool = ThreadPool::builder()
        .size(1)
        .queue(usize::MAX)
        .build()
        .expect("a pool");
    let submission = pool.call(|x: u32| x, 1);
    let mut handle = submission.submit_timeout(Duration::MAX).expect("a place");
    assert!(handle.wait_timeout(Duration::MAX));
    assert_eq!(handle.get_timeout(Duration::MAX), Ok(Ok(1)));
    assert_eq!(
        handle.get_timeout(Duration::MAX),
        Ok(Err(TaskError::Pool(PoolError::Taken)))
    );
    let chunks = pool.each(|x: u32| x, 0..3).chunksize(usize::MAX);
    assert_eq!(
        chunks.submit().map(|handle| handle.get()),
        Ok(Ok(vec![0, 1, 2]))
    );
    pool.close();
    assert_eq!(pool.join_timeout(Duration::MAX), Ok(true));
}
