//! The fork server dies, is stopped, or hangs: its pools go on, and say what has become of it.

mod common;

use std::hint::black_box;

use common::{
    Gate, Outcome, Watch, is_kept, kernel, kill, linger, loss, parent, pid, raise, stop, wait_at,
};
use nix::sys::signal::Signal;
use pool_process::{Pool, ProcessPool, StartMethod};

/// A pool with a fork server of its own, which is what a preload of its own gives it.
fn own_server(preload: fn()) -> Result<(ProcessPool, u32), Box<dyn std::error::Error>> {
    let pool = ProcessPool::builder().size(2).preload(preload).build()?;
    let server = parent(pool.apply(pid, ())?);
    assert_ne!(server, std::process::id());
    Ok((pool, server))
}

#[test]
fn a_killed_server_costs_no_task_and_is_replaced() -> Outcome {
    let (pool, server) = own_server(|| {
        black_box("killed");
    })?;
    let handles: Result<Vec<_>, _> = (0..1_000)
        .map(|x: u64| pool.apply_async(|x| x, x))
        .collect();
    kill(server, Signal::SIGKILL);
    for (x, handle) in (0..1_000).zip(handles?) {
        assert_eq!(handle.get()?, x);
    }
    // Its workers went on; one that dies now is replaced by a new server.
    loss(pool.apply(raise, 9));
    loss(pool.apply(raise, 9));
    assert_eq!(pool.map(|x: u64| x, 0..10)?, (0..10).collect::<Vec<_>>());
    let stats = pool.stats();
    assert_eq!(stats.start_method, StartMethod::ForkServer);
    assert_eq!(stats.start_reason, "a fork server before this one has died");
    pool.close();
    pool.join()?;
    Ok(())
}

#[test]
fn the_end_of_a_worker_whose_server_has_gone_is_told_by_the_kernel() -> Outcome {
    use pool_process::Cause;
    fn exit(code: i32) {
        std::process::exit(code);
    }
    let killed = Cause::Signal {
        signal: 9,
        name: "SIGKILL".to_owned(),
        core_dumped: false,
    };
    for _ in 0..10 {
        let (pool, server) = own_server(|| {
            black_box("orphans");
        })?;
        let watch = Watch::over(server);
        kill(server, Signal::SIGKILL);
        watch.ends();
        // The first is an orphan; the second is another, or came from the server's successor.
        is_kept(&loss(pool.apply(raise, 9)), &killed);
        is_kept(&loss(pool.apply(exit, 7)), &Cause::Exit(7));
    }
    Ok(())
}

#[test]
fn grandchildren_end_with_a_worker_whose_server_has_gone() -> Outcome {
    // Before, the kernel cannot be asked for it: they end with the program.
    if kernel() < (6, 9) {
        return Ok(());
    }
    let builder = ProcessPool::builder().size(1).preload(|| {
        black_box("grandchildren");
    });
    let pool = builder.build()?;
    let server = parent(pool.apply(pid, ())?);
    let watch = Watch::over(server);
    kill(server, Signal::SIGKILL);
    watch.ends();
    let grandchild = Watch::over(pool.apply(linger, ())?);
    loss(pool.apply(raise, 9));
    grandchild.ends();
    Ok(())
}

fn stopped() {
    black_box("stopped");
}

#[test]
fn a_stopped_server_holds_up_nobody() -> Outcome {
    let (pool, server) = own_server(stopped)?;
    stop(server);
    // Neither a death and its replacement,
    assert_eq!(common::signal_of(&loss(pool.apply(raise, 9))), "SIGKILL");
    assert_eq!(pool.map(|x: u64| x, 0..10)?, (0..10).collect::<Vec<_>>());
    assert_eq!(
        parent(pool.apply(pid, ())?),
        server,
        "the same one has answered"
    );
    // nor a pool that begins,
    stop(server);
    let other = ProcessPool::builder().size(1).preload(stopped).build()?;
    assert_eq!(other.apply(|x: u8| x, 1)?, 1);
    // nor one that ends.
    stop(server);
    pool.terminate();
    pool.join()?;
    stop(server);
    let watch = Watch::over(server);
    drop(other);
    drop(pool);
    watch.ends();
    Ok(())
}

#[test]
fn a_server_that_is_stopped_while_it_prepares_is_continued() -> Outcome {
    let (pool, _) = own_server(|| raise(Signal::SIGSTOP as i32))?;
    assert_eq!(pool.map(|x: u64| x, 0..10)?, (0..10).collect::<Vec<_>>());
    assert_eq!(pool.stats().start_method, StartMethod::ForkServer);
    Ok(())
}

extern "C" fn hang(_: i32) {
    loop {
        // SAFETY: it has no preconditions.
        unsafe { nix::libc::pause() };
    }
}

#[test]
fn a_server_that_hangs_is_given_up_and_replaced_and_the_pool_says_why() -> Outcome {
    use nix::sys::signal::{SigHandler, signal};
    // SAFETY: the handler only makes a system call.
    let (pool, server) = own_server(|| unsafe {
        signal(Signal::SIGUSR1, SigHandler::Handler(hang)).expect("it can be set");
    })?;
    let watch = Watch::over(server);
    kill(server, Signal::SIGUSR1);
    // How the worker ended cannot be told now, but that it did.
    loss(pool.apply(raise, 9));
    assert_eq!(pool.map(|x: u64| x, 0..10)?, (0..10).collect::<Vec<_>>());
    watch.ends();
    // Two tasks that run at once: the second worker is there again.
    let gate = Gate::new();
    let both = pool.map_async(wait_at, [gate.name(), gate.name()])?;
    drop(gate.guests(2));
    both.get()?;
    let stats = pool.stats();
    assert_eq!(stats.start_method, StartMethod::ForkServer);
    assert_eq!(
        stats.start_reason,
        "a fork server before this one did not answer for 5 s"
    );
    pool.close();
    pool.join()?;
    Ok(())
}

#[test]
fn a_preload_that_takes_its_time_holds_up_no_other_pool() -> Outcome {
    static GATE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    // The server is this program started again: what it has to know comes by the environment.
    const NAME: &str = "POOL_TEST_PRELOAD_GATE";
    let gate = Gate::new();
    // SAFETY: no other test of this program reads or writes the environment by itself, and what does so for it
    // goes through the lock of the standard library.
    unsafe { std::env::set_var(NAME, gate.name()) };
    let slow = std::thread::spawn(|| {
        let preload = || {
            let gate = GATE.get_or_init(|| std::env::var(NAME).expect("it is set"));
            wait_at(gate.clone());
        };
        let pool = ProcessPool::builder().size(1).preload(preload).build();
        pool.expect("a pool").apply(|x: u8| x, 1)
    });
    let guests = gate.guests(1);
    let other = ProcessPool::new(1)?;
    assert_eq!(other.apply(|x: u8| x, 2)?, 2);
    drop(guests);
    assert_eq!(slow.join().expect("no panic")?, 1);
    Ok(())
}
