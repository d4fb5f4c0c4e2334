//! Tasks that harm their own process: each fails alone, and its handle gets the error.

mod common;

use common::{
    Gate, Outcome, Watch, each_way, linger, lives, loss, never_end, raise, wait_at, wait_with,
};
use pool_process::{Cause, Pool, ProcessPool, TaskError};

/// Closes what is somebody else's, which is the point.
fn close_all() {
    for fd in 0..100 {
        let _ = nix::unistd::close(fd);
    }
}

#[test]
fn a_task_that_closes_all_descriptors_fails_alone() -> Outcome {
    each_way(1, |pool| {
        let close = |()| {
            close_all();
            never_end(());
        };
        let lost = loss(pool.apply(close, ()));
        assert_eq!(
            lost.cause,
            Cause::Protocol("it closed its connection".to_owned())
        );
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

#[test]
fn a_task_that_closes_all_descriptors_and_returns_fails_alone() -> Outcome {
    each_way(1, |pool| {
        let result = pool.apply(|()| close_all(), ());
        assert!(
            matches!(result, Err(TaskError::WorkerLost(_))),
            "{result:?}"
        );
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

#[test]
fn a_task_that_writes_garbage_fails_alone() -> Outcome {
    each_way(1, |pool| {
        let scribble = |()| {
            for fd in 3..100 {
                let path = format!("/proc/self/fd/{fd}");
                let target = std::fs::read_link(path).unwrap_or_default();
                if target.to_string_lossy().starts_with("socket") {
                    let garbage = [7_u8; 100];
                    let _ =
                        nix::sys::socket::send(fd, &garbage, nix::sys::socket::MsgFlags::empty());
                }
            }
            // It is to be noticed before there is an answer.
            never_end(());
        };
        let lost = loss(pool.apply(scribble, ()));
        assert!(
            matches!(&lost.cause, Cause::Protocol(what) if what.contains("0x07070707")),
            "{lost}"
        );
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

/// Writes this all over the memory that the worker shares with its pool.
fn scribble_over_the_ring(word: u64) {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc");
    for line in maps.lines().filter(|line| line.contains("pool-ring")) {
        let range = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'));
        let (start, end) = range.expect("a range");
        let number = |text| usize::from_str_radix(text, 16).expect("a number");
        for at in (number(start)..number(end)).step_by(8) {
            // SAFETY: mapped, and made of numbers that may have any value.
            unsafe { std::ptr::with_exposed_provenance_mut::<u64>(at).write_volatile(word) };
        }
    }
}

#[test]
fn a_task_that_writes_all_over_its_ring_fails_alone() -> Outcome {
    // The last is a slot that says that its task is done, at whatever position.
    for word in [0, u64::MAX, 0x0707_0707_0707_0707, 1 << 60 | 3] {
        let pool = ProcessPool::new(2)?;
        let gate = Gate::new();
        let other = pool.apply_async(wait_at, gate.name())?;
        let guest = gate.guests(1);
        let lost = loss(pool.apply(scribble_over_the_ring, word));
        assert!(
            matches!(&lost.cause, Cause::Protocol(what) if what.contains("ring")),
            "{lost}"
        );
        drop(guest);
        other.get()?;
        assert_eq!(pool.map(|x: u8| x, 0..20)?, (0..20).collect::<Vec<_>>());
        assert_eq!(pool.stats().lost, 1);
    }
    Ok(())
}

/// Tries to join another group than the worker's own, and to have a session of its own; what came of it.
fn leave_the_group(_: ()) -> [i32; 2] {
    let company = nix::unistd::Pid::from_raw(fork_and_return(()));
    let own = nix::unistd::Pid::from_raw(0);
    let joined =
        nix::unistd::setpgid(company, company).and_then(|()| nix::unistd::setpgid(own, company));
    let led = nix::unistd::setsid().map(drop);
    // In a group of its own it would not end with the worker.
    nix::sys::signal::kill(company, nix::sys::signal::Signal::SIGKILL).expect("it is ours");
    [joined, led].map(|refused| refused.map_or_else(|errno| errno as i32, |()| 0))
}

#[test]
fn a_task_cannot_put_its_worker_into_another_group_than_that_which_is_killed() -> Outcome {
    // SAFETY: the tasks of this test need nothing that another thread may hold.
    let raw = unsafe { ProcessPool::builder().raw_fork() };
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec(), raw] {
        let pool = builder.size(1).build()?;
        let refused = nix::errno::Errno::EPERM as i32;
        assert_eq!(pool.apply(leave_the_group, ())?, [refused; 2]);
    }
    Ok(())
}

/// Fills every pipe of its worker, its lifeline among them; how many there were.
fn fill_pipes(_: ()) -> usize {
    let is_pipe = |fd: &i32| {
        std::fs::read_link(format!("/proc/self/fd/{fd}"))
            .is_ok_and(|what| what.to_string_lossy().starts_with("pipe"))
    };
    let pipes = (3..100).filter(is_pipe);
    pipes
        .filter(|fd| {
            // SAFETY: it is open, and nobody closes it meanwhile.
            let pipe = unsafe { std::os::fd::BorrowedFd::borrow_raw(*fd) };
            let mut written = false;
            while nix::unistd::write(pipe, &[7; 4096]).is_ok() {
                written = true;
            }
            written
        })
        .count()
}

#[test]
fn a_lifeline_into_which_a_task_writes_ends_nobody() -> Outcome {
    each_way(1, |pool| {
        assert_eq!(pool.apply(fill_pipes, ())?, 1);
        assert_eq!(pool.apply(fill_pipes, ())?, 0, "it is full");
        assert_eq!(pool.stats().lost, 0);
        Ok(())
    })
}

#[test]
fn grandchildren_end_with_their_worker() -> Outcome {
    each_way(1, |pool| {
        let grandchild = Watch::over(pool.apply(linger, ())?);
        loss(pool.apply(raise, 9));
        grandchild.ends();
        let grandchild = Watch::over(pool.apply(linger, ())?);
        pool.close();
        pool.join()?;
        grandchild.ends();
        Ok(())
    })
}

/// Forks: the child has everything open that the worker has, the socket to the pool among it. Its process id.
fn fork_and_return(_: ()) -> i32 {
    // SAFETY: the worker has one thread.
    match unsafe { nix::unistd::fork() }.expect("a child") {
        nix::unistd::ForkResult::Child => loop {
            nix::unistd::pause();
        },
        nix::unistd::ForkResult::Parent { child } => child.as_raw(),
    }
}

/// Starts what writes into the worker's sockets from a session of its own for as long as somebody reads: so the worker breaks the
/// protocol. The writer waits at the gate before it begins.
fn flood(gate: String) {
    let flooded = || {
        (3..100).for_each(|fd| {
            // It fails where this is no socket, or has no other end.
            while nix::sys::socket::send(fd, &[7; 4096], nix::sys::socket::MsgFlags::MSG_NOSIGNAL)
                .is_ok()
            {}
        });
    };
    // SAFETY: the worker has one thread.
    if let nix::unistd::ForkResult::Child = unsafe { nix::unistd::fork() }.expect("a child") {
        nix::unistd::setsid().expect("it leads no group");
        wait_with(&gate, "");
        flooded();
        // SAFETY: no precondition.
        unsafe { nix::libc::_exit(0) };
    }
    never_end(());
}

#[test]
fn what_floods_the_socket_of_a_worker_that_broke_the_protocol_is_not_read_on() -> Outcome {
    each_way(1, |pool| {
        let gate = Gate::new();
        let task = pool.apply_async(flood, gate.name())?;
        let guests = gate.guests(1);
        let writer = Watch::over(guests[0].pid);
        drop(guests);
        let lost = loss(task.get());
        assert!(matches!(lost.cause, Cause::Protocol(_)), "{lost}");
        // Nobody has the other end any more.
        writer.ends();
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

#[test]
fn a_fork_that_lingers_hides_no_death_and_holds_up_no_end() -> Outcome {
    each_way(1, |pool| {
        let fork = || pool.apply(fork_and_return, ()).map(i32::unsigned_abs);
        // Its socket is still open in the child: the death must be seen all the same.
        let child = Watch::over(fork()?);
        assert_eq!(common::signal_of(&loss(pool.apply(raise, 9))), "SIGKILL");
        child.ends();
        let child = Watch::over(fork()?);
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1, "the worker itself goes on");
        pool.close();
        pool.join()?;
        child.ends();
        Ok(())
    })
}

/// Ends the thread that runs tasks, while another one goes on.
fn end_first_thread(gate: String) {
    std::thread::spawn(move || wait_with(&gate, ""));
    // SAFETY: nothing on this thread's stack is used again.
    unsafe { nix::libc::syscall(nix::libc::SYS_exit, 0) };
}

#[test]
fn a_task_that_ends_its_workers_first_thread_fails_alone() -> Outcome {
    each_way(2, |pool| {
        let gate = Gate::new();
        let handle = pool.apply_async(end_first_thread, gate.name())?;
        let guests = gate.guests(1);
        let worker = Watch::over(guests[0].pid);
        assert_eq!(pool.map(|x: u8| x, 0..9)?, (0..9).collect::<Vec<_>>());
        let lost = loss(handle.get());
        assert_eq!(lost.pid, guests[0].pid);
        assert!(
            lost.to_string()
                .contains("its first thread has ended, and others go on"),
            "{lost}"
        );
        worker.ends();
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        pool.close();
        pool.join()?;
        assert_eq!(pool.stats().lost, 1);
        Ok(())
    })
}

#[test]
fn a_task_that_unwinds_its_workers_first_thread_fails_alone() -> Outcome {
    each_way(1, |pool| {
        let end = |()| {
            std::thread::spawn(|| never_end(()));
            // SAFETY: nothing on this thread's stack is used again.
            unsafe { nix::libc::pthread_exit(std::ptr::null_mut()) }
        };
        let lost = loss(pool.apply(end, ()).map(|never: ()| never));
        assert!(!lives(lost.pid));
        assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
        Ok(())
    })
}

#[test]
fn a_task_that_leaves_threads_behind_harms_nobody() -> Outcome {
    each_way(1, |pool| {
        let spawn = |()| drop(std::thread::spawn(|| never_end(())));
        for _ in 0..3 {
            pool.apply(spawn, ())?;
        }
        let worker = Watch::over(pool.apply(common::pid, ())?);
        pool.close();
        pool.join()?;
        worker.ends();
        Ok(())
    })
}

#[test]
fn an_initializer_that_ends_the_first_thread_is_a_failed_start() -> Outcome {
    let initializer = |first: String| {
        // Only once: the mark is left by whoever comes first.
        if std::fs::File::create_new(&first).is_ok() {
            std::thread::spawn(|| never_end(()));
            // SAFETY: nothing on this thread's stack is used again.
            unsafe { nix::libc::syscall(nix::libc::SYS_exit, 0) };
        }
    };
    let folder = tempfile::tempdir()?;
    let mark = folder.path().join("mark");
    let pool = ProcessPool::builder()
        .size(1)
        .initializer(initializer, mark.to_string_lossy().into_owned())
        .build()?;
    assert_eq!(pool.apply(|x: u8| x, 1)?, 1);
    assert_eq!(pool.stats().lost, 1);
    Ok(())
}
