//! A program with a `main` of its own, which begins with `init()`: so it works with the feature `hook`, and without.

use libtest_mimic::{Arguments, Failed, Trial};
use pool_process::{Process, ProcessPool};

fn main() {
    pool_process::init();
    let arguments = Arguments::from_args();
    let trials = vec![
        Trial::test("workers_take_their_place_at_init", workers),
        Trial::test("processes_take_their_place_at_init", processes),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn workers() -> Result<(), Failed> {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(2).build()?;
        assert_eq!(pool.map(|x: u64| x * x, 0..4)?, [0, 1, 4, 9]);
        pool.close();
        pool.join()?;
    }
    Ok(())
}

fn processes() -> Result<(), Failed> {
    let process = Process::new(|code: i32| std::process::exit(code), 3);
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(3));
    Ok(())
}
