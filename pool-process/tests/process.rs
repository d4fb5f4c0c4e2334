//! `Process`: one function in a process of its own.

mod common;

use std::time::Duration;

use common::{Outcome, never_end};
use pool_process::{Process, ProcessError, active_children, current_process};

#[test]
fn a_process_ends_as_its_function_does() -> Outcome {
    let exitcode = |process: Process| -> Result<Option<i32>, ProcessError> {
        process.start()?;
        process.join()?;
        process.exitcode()
    };
    assert_eq!(exitcode(Process::new(|()| 7, ()))?, Some(0));
    assert_eq!(
        exitcode(Process::new(|()| panic!("meant to"), ()))?,
        Some(1)
    );
    assert_eq!(
        exitcode(Process::new(|code: i32| std::process::exit(code), 3))?,
        Some(3)
    );
    Ok(())
}

#[test]
fn a_running_process_is_alive_until_it_is_stopped() -> Outcome {
    let process = Process::new(never_end, ());
    assert!(!process.is_alive()?);
    process.start()?;
    assert!(process.is_alive()?);
    assert_eq!(process.exitcode()?, None);
    assert!(!process.join_timeout(Duration::from_millis(1))?);
    assert!(
        active_children()
            .iter()
            .any(|child| Ok(Some(child.pid)) == process.pid().map_err(|_| ()))
    );
    assert!(matches!(process.close(), Err(ProcessError::StillRunning)));
    process.terminate()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(-15));
    assert!(!process.is_alive()?);
    process.close()?;
    assert!(matches!(process.exitcode(), Err(ProcessError::Closed)));
    Ok(())
}

#[test]
fn misuse_is_refused() -> Outcome {
    let process = Process::new(|()| (), ());
    assert!(matches!(process.join(), Err(ProcessError::NotStarted)));
    assert!(matches!(process.kill(), Err(ProcessError::NotStarted)));
    process.start()?;
    assert!(matches!(process.start(), Err(ProcessError::AlreadyStarted)));
    process.join()?;
    assert!(matches!(process.start(), Err(ProcessError::AlreadyStarted)));
    Ok(())
}

#[test]
fn a_process_knows_its_name() -> Outcome {
    assert_eq!(current_process().name, "MainProcess");
    let check = |name: String| assert_eq!(current_process().name, name);
    let process = Process::new(check, "worker bee".to_owned()).named("worker bee");
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(0));
    assert!(Process::new(|()| (), ()).name().starts_with("Process-"));
    Ok(())
}

#[test]
fn an_argument_larger_than_a_socket_arrives() -> Outcome {
    let process = Process::new(
        |text: String| assert_eq!(text.len(), 3 << 20),
        "x".repeat(3 << 20),
    );
    process.start()?;
    process.join()?;
    assert_eq!(process.exitcode()?, Some(0));
    Ok(())
}
