//! Where the system refuses shared memory, or limits what it takes, tasks travel by sockets, or the error says what is refused.

mod common;

use common::{Outcome, apart_with, loss, raise, refuse_call};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pool_process::{Pool, ProcessPool};

const MIB: usize = 1 << 20;

/// Small and large tasks, a context, and a worker that dies.
fn works(pool: &ProcessPool) {
    works_with(pool, MIB);
}

/// As [`works`], with large tasks of so many bytes.
fn works_with(pool: &ProcessPool, length: usize) {
    let values = pool.map(|x: u32| x + 1, 0..100).expect("workers");
    assert_eq!(values, (1..101).collect::<Vec<_>>());
    let large: Vec<u8> = (0..length).map(|at| at as u8).collect();
    let back = pool.apply(|bytes: Vec<u8>| bytes, large.clone());
    assert!(back.expect("it runs") == large);
    let table = pool.with(large.clone());
    let picked = table.apply(|table, at: usize| table[at], 77);
    assert_eq!(picked.expect("it runs"), 77);
    let lost = loss(pool.apply(raise, 9));
    assert!(lost.begun);
    let made = pool.apply(|length: usize| vec![3_u64; length], length / 8);
    assert_eq!(made.expect("another worker"), vec![3; length / 8]);
    pool.close();
    pool.join().expect("it was closed");
    assert_eq!(pool.stats().lost, 1);
}

/// Which call is refused, for which argument of it, how, and whether workers have shared memory all the same.
type Refused = (libc::c_long, Option<(u32, u32)>, i32, bool);

#[test]
fn where_calls_that_make_shared_memory_are_refused_tasks_travel_by_sockets() -> Outcome {
    let check = |(call, argument, errno, shares): Refused| {
        refuse_call(call, argument, errno);
        let pool = ProcessPool::new(1).expect("a pool");
        assert_eq!(pool.apply(|x: u32| x, 7), Ok(7));
        assert_eq!(pool.stats().shared_memory, usize::from(shares));
        works(&pool);
    };
    let calls: [Refused; 8] = [
        (libc::SYS_memfd_create, None, libc::ENOSYS, false),
        (libc::SYS_memfd_create, None, libc::EPERM, false),
        (libc::SYS_ftruncate, None, libc::EPERM, false),
        (libc::SYS_fallocate, None, libc::ENOSPC, false),
        (libc::SYS_madvise, None, libc::EPERM, false),
        // The seals are refused, or cannot be asked for.
        (
            libc::SYS_fcntl,
            Some((1, libc::F_ADD_SEALS as u32)),
            libc::EPERM,
            false,
        ),
        (
            libc::SYS_fcntl,
            Some((1, libc::F_GET_SEALS as u32)),
            libc::EINVAL,
            false,
        ),
        // A ring does not need it; what is too long for a ring goes by the socket.
        (libc::SYS_pwrite64, None, libc::EPERM, true),
    ];
    for call in calls {
        apart_with(check, call)?;
    }
    Ok(())
}

#[test]
fn a_limit_of_the_size_of_files_ends_nobody() -> Outcome {
    let check = |limit: u64| {
        let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).expect("a limit");
        setrlimit(Resource::RLIMIT_FSIZE, limit, hard).expect("lower is allowed");
        let pool = ProcessPool::new(1).expect("a pool");
        assert_eq!(pool.apply(|x: u32| x, 7), Ok(7));
        assert_eq!(pool.stats().shared_memory, usize::from(limit > 200_000));
        works(&pool);
    };
    for limit in [0, 4_096, 500_000, 1 << 30] {
        apart_with(check, limit)?;
    }
    Ok(())
}

#[test]
fn a_limit_of_the_size_of_files_that_comes_later_ends_nobody() -> Outcome {
    let check = |()| {
        let pool = ProcessPool::new(1).expect("a pool");
        assert_eq!(pool.apply(|x: u32| x, 7), Ok(7));
        let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).expect("a limit");
        setrlimit(Resource::RLIMIT_FSIZE, 4_096, hard).expect("lower is allowed");
        works(&pool);
    };
    apart_with(check, ())
}

#[test]
fn a_limit_of_locked_memory_is_no_limit_of_shared_memory() -> Outcome {
    let check = |()| {
        setrlimit(Resource::RLIMIT_MEMLOCK, 0, 0).expect("lower is allowed");
        let pool = ProcessPool::new(1).expect("a pool");
        assert_eq!(pool.apply(|x: u32| x, 7), Ok(7));
        assert_eq!(pool.stats().shared_memory, 1);
        works(&pool);
    };
    apart_with(check, ())
}

/// How much of the address space this process uses, in bytes.
fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc");
    let pages = statm
        .split(' ')
        .next()
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("a number") * 4_096
}

#[test]
fn a_limit_of_the_address_space_leaves_a_pool_that_works_or_an_error() -> Outcome {
    let check = |more: u64| {
        let (_, hard) = getrlimit(Resource::RLIMIT_AS).expect("a limit");
        let limit = address_space() + (more << 20);
        setrlimit(Resource::RLIMIT_AS, limit, hard).expect("lower is allowed");
        match ProcessPool::new(1) {
            // Where memory is short, the program's own values have little room.
            Ok(pool) => works_with(&pool, 64 << 10),
            // The stack of one of the pool's threads has no room.
            Err(error) => assert!(
                more <= 24 && error.to_string().contains("thread"),
                "{error}"
            ),
        }
    };
    for more in [4, 12, 24, 48, 100, 400] {
        apart_with(check, more)?;
    }
    Ok(())
}
