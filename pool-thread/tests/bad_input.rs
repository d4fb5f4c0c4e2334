//! What makes no sense is refused, at once, by an error that names it.

use std::time::Duration;

use pool_thread::{Failure, Misuse, StartError, ThreadPool, TrySubmitError, drain, with_pool};

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
        let refused = with_pool(size, |_| Ok::<_, Misuse>(()));
        assert_eq!(refused.expect_err("refused").to_string(), says);
    }
    let refused = refusal(ThreadPool::builder().size(1).queue(0));
    assert_eq!(refused.to_string(), "bound of the queue must be at least 1");
}

#[test]
fn chunks_and_read_ahead_of_nothing() {
    let pool = ThreadPool::new(1).expect("a pool");
    let chunks = pool.map_task(|x: u32| x, 0..3).chunksize(0);
    assert_eq!(chunks.submit().err(), Some(Misuse::ZeroChunksize));
    let chunks = pool.map_task(|x: u32| x, [7]).chunksize(0);
    let back = chunks.try_submit().expect_err("refused");
    assert_eq!(back, TrySubmitError::Misuse(Misuse::ZeroChunksize, vec![7]));
    assert_eq!(back.to_string(), "chunk size must be at least 1");
    let chunks = pool.imap_task(|x: u32| x, 0..3).chunksize(0);
    assert_eq!(chunks.ordered().err(), Some(Misuse::ZeroChunksize));
    let ahead = pool.imap_task(|x: u32| x, 0..3).read_ahead(0);
    let refused = ahead.unordered().expect_err("refused");
    assert_eq!(refused, Misuse::ZeroReadAhead);
    assert_eq!(refused.to_string(), "read-ahead must be at least 1");
    // The pool is unharmed.
    assert_eq!(pool.apply(|x: u32| x, 1), Ok(1));
}

#[test]
fn a_pool_that_takes_no_more_refuses_every_form_of_submission() {
    for end in [ThreadPool::close, ThreadPool::terminate] {
        let pool = ThreadPool::new(1).expect("a pool");
        assert_eq!(pool.join(), Err(Misuse::StillRunning));
        assert_eq!(pool.join_timeout(Duration::ZERO), Err(Misuse::StillRunning));
        end(&pool);
        let no = Some(Misuse::NotRunning);
        let nothing = [0_u32; 0];
        assert_eq!(
            pool.apply(|x: u32| x, 1),
            Err(Failure::Misuse(Misuse::NotRunning))
        );
        assert_eq!(pool.apply_async(|x: u32| x, 1).err(), no);
        assert_eq!(
            pool.map(|x: u32| x, nothing),
            Err(Failure::Misuse(Misuse::NotRunning))
        );
        assert_eq!(pool.map_async(|x: u32| x, nothing).err(), no);
        assert_eq!(
            pool.map_task(|x: u32| x, nothing)
                .chunksize(0)
                .submit()
                .err(),
            no
        );
        assert_eq!(pool.imap(|x: u32| x, nothing).err(), no);
        assert_eq!(pool.imap_unordered(|x: u32| x, nothing).err(), no);
        assert_eq!(
            pool.map_async_with(1, |by: &u32, x: u32| x * by, nothing)
                .err(),
            no
        );
        assert_eq!(
            pool.scope(|scope| scope.apply_async(|x: u32| x, 1).err()),
            no
        );
        assert_eq!(
            pool.task(|x: u32| x, 1).try_submit().err(),
            Some(TrySubmitError::NotRunning(1))
        );
        let limit = Duration::from_secs(3_600);
        assert_eq!(
            pool.task(|x: u32| x, 2).submit_timeout(limit).err(),
            Some(TrySubmitError::NotRunning(2))
        );
        assert!(drain(pool, |pool| pool.apply(|x: u32| x, 1)).is_err());
    }
}

#[test]
fn limits_beyond_all_time() {
    let pool = ThreadPool::builder()
        .size(1)
        .queue(usize::MAX)
        .build()
        .expect("a pool");
    let submission = pool.task(|x: u32| x, 1);
    let mut handle = submission.submit_timeout(Duration::MAX).expect("a place");
    assert!(handle.wait_timeout(Duration::MAX));
    assert_eq!(handle.get_timeout(Duration::MAX), Ok(1));
    assert_eq!(
        handle.get_timeout(Duration::MAX),
        Err(Failure::Misuse(Misuse::Taken))
    );
    let chunks = pool.map_task(|x: u32| x, 0..3).chunksize(usize::MAX);
    assert_eq!(
        chunks.submit().map(|handle| handle.get()),
        Ok(Ok(vec![0, 1, 2]))
    );
    pool.close();
    assert_eq!(pool.join_timeout(Duration::MAX), Ok(true));
}
