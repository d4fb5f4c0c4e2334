//! A program that is built in unusual ways: see `.ci/programs`. It says `all is well`, or what is not.

use pool_process::{Cause, Pool, Process, ProcessPool, StartMethod, TaskError};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn die(_: ()) {
    std::process::abort();
}

fn twice<T: Clone>(value: T) -> (T, T) {
    (value.clone(), value)
}

fn signal<T: std::fmt::Debug>(result: Result<T, TaskError>) -> String {
    match result {
        Err(TaskError::WorkerLost(lost)) => match lost.cause {
            Cause::Signal { name, .. } => name,
            other => panic!("not a signal: {other}"),
        },
        other => panic!("not a lost worker: {other:?}"),
    }
}

fn check(pool: &ProcessPool, method: StartMethod) -> Outcome {
    assert_eq!(pool.map(|x: u64| x * x, 0..4)?, [0, 1, 4, 9]);
    assert_eq!(pool.apply(twice::<String>, "x".to_owned())?.1, "x");
    assert_eq!(
        pool.try_apply(|x: u8| Err::<(), u8>(x), 7),
        Err(TaskError::raised(7))
    );
    assert_eq!(signal(pool.apply(die, ())), "SIGABRT");
    let panicked = pool.apply(|x: u8| -> u8 { panic!("no {x}") }, 7);
    if cfg!(panic = "abort") {
        assert_eq!(signal(panicked), "SIGABRT");
    } else {
        let Err(TaskError::Panicked(panic)) = panicked else {
            panic!("not a panic: {panicked:?}");
        };
        assert_eq!(panic.message, "no 7");
    }
    assert_ne!(pool.apply(|()| std::process::id(), ())?, std::process::id());
    assert_eq!(pool.stats().start_method, method);
    Ok(())
}

fn main() -> Outcome {
    check(&ProcessPool::new(2)?, StartMethod::ForkServer)?;
    check(
        &ProcessPool::builder().size(2).reexec().build()?,
        StartMethod::Reexec,
    )?;
    let process = Process::new(|code: i32| std::process::exit(code), 3);
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(3));
    println!("all is well");
    Ok(())
}
