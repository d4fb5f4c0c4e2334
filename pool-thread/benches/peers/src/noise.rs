//! What a machine may have to do beside a pool: busy loops, and a single CPU.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::contestant::Outcome;
use crate::usage;

/// The argument by which this program is a busy loop.
pub(crate) const BUSY_LOOP: &str = "--busy-loop";

/// Processes that never sleep, as long as this lives.
pub(crate) struct BusyLoops(Vec<Child>);

impl BusyLoops {
    pub(crate) fn start(number: usize) -> Outcome<Self> {
        let mut loops = BusyLoops(Vec::new());
        for _ in 0..number {
            let mut command = Command::new(std::env::current_exe()?);
            command
                .arg(BUSY_LOOP)
                .stdin(Stdio::piped())
                .stdout(Stdio::null());
            loops.0.push(command.spawn()?);
        }
        usage::leave_out(&loops.0.iter().map(Child::id).collect::<Vec<u32>>());
        Ok(loops)
    }
}

impl Drop for BusyLoops {
    fn drop(&mut self) {
        for mut child in self.0.drain(..) {
            // It ends with its input; one that has ended already cannot be waited for twice.
            drop(child.stdin.take());
            if let Err(error) = child.wait() {
                eprintln!("a busy loop is not waited for: {error}");
            }
        }
        usage::leave_out(&[]);
    }
}

/// Is busy until its input ends, as it does when the program that has started it ends.
pub(crate) fn busy_loop() -> Outcome<()> {
    std::thread::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest)?;
    Ok(())
}

/// Keeps this thread, and all that it starts, on the first CPU that it may use.
pub(crate) fn keep_to_one_cpu() -> Outcome<()> {
    let this = Pid::from_raw(0);
    let allowed = nix::sched::sched_getaffinity(this)?;
    let first = (0..CpuSet::count())
        .find(|cpu| allowed.is_set(*cpu).unwrap_or(false))
        .ok_or("there is no CPU")?;
    let mut one = CpuSet::new();
    one.set(first)?;
    sched_setaffinity(this, &one)?;
    Ok(())
}
