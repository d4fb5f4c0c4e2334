//! Decides whether a set of threads is at rest: whether an instant existed in which every one of them slept
//! and none had been woken.
//!
//! # Why two looks prove it
//! Reading a thread's state takes time, and others run meanwhile: a look at each thread in turn may find
//! each of them asleep although there was always one awake. Therefore every thread is looked at twice.
//!
//! The first look at a thread reads, in this order, its *run count* (how often it was put on a CPU), its
//! *wait* (which the kernel tells only of a thread that is off the CPU and off the run queue: a thread
//! that has only announced that it will sleep is still "running" here), and its *state* (asleep or stopped;
//! not runnable, not in a disk wait). When all threads have been looked at, the second look reads the *state*
//! and then the *run count* again. With an unchanged run count the thread did not run from its first
//! reading to its last; with a sleeping state at the end it was not woken either, for one that is woken stays
//! runnable until it runs. So each thread slept from its first look to its second, and between the last first
//! look and the first second look they all did.
//!
//! The order inside the second look matters: state after count would miss a thread that was runnable, ran after
//! the count was read, and announced its next sleep before the state was read. The tests interleave both looks
//! with a model of the kernel in every possible way, and show that this and other shortcuts are wrong.
//!
//! # Who is looked at
//! A thread that is being started cannot be seen at first, and runs once it can. Whoever starts it is awake until
//! then. So threads are searched for between the two looks, while all who are known sleep: nobody is on the way then,
//! and where the search meets somebody new there is no rest yet. The kernel numbers threads before they can be seen,
//! which is why a search before the first look, with the number read beside it, would miss one for good.
//!
//! # Timed waits
//! A thread that waits with a timeout will run again by itself: being asleep proves nothing about it. Its run
//! count is not compared, and whoever uses such waits has to declare its period, so that rest can be demanded
//! for longer than that.

/// What a thread waits for, as far as the kernel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait {
    /// It is on a CPU or waits for one.
    Running,
    /// For something without a time limit.
    Untimed,
    /// With a time limit, in this system call.
    Timed(&'static str),
    /// The kernel does not tell.
    Hidden,
}

/// A thread's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Asleep or stopped.
    Asleep,
    /// Runnable, running, or in a wait that ends by itself.
    Awake,
    /// A zombie.
    Ended,
}

/// The readings of one thread. `None`: there is no such thread any more.
pub(super) trait Evidence {
    /// How often it was put on a CPU.
    fn runs(&mut self) -> Option<u64>;
    /// What it waits for.
    fn wait(&mut self) -> Option<Wait>;
    /// Its state.
    fn state(&mut self) -> Option<State>;
}

/// A thread as the first look found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum First {
    /// It may be running.
    Awake,
    /// Asleep, with this run count; in this timed wait, if it is one.
    Asleep(u64, Option<&'static str>),
    /// It does not exist any more, or is a zombie.
    Ended,
}

/// The first look at a thread.
pub(super) fn first_look(thread: &mut impl Evidence) -> First {
    let look = |thread: &mut dyn Evidence| {
        let runs = thread.runs()?;
        let wait = thread.wait()?;
        if wait == Wait::Running {
            // A zombie has left the CPU for good and is "running" for the kernel's other answer.
            return Some(match thread.state()? {
                State::Ended => First::Ended,
                _ => First::Awake,
            });
        }
        Some(match (thread.state()?, wait) {
            (State::Ended, _) => First::Ended,
            (State::Awake, _) => First::Awake,
            (State::Asleep, Wait::Timed(call)) => First::Asleep(runs, Some(call)),
            (State::Asleep, _) => First::Asleep(runs, None),
        })
    };
    look(thread).unwrap_or(First::Ended)
}

/// The second look at a thread that the first found asleep: whether it has slept ever since.
pub(super) fn second_look(thread: &mut impl Evidence, runs: u64) -> bool {
    thread.state() == Some(State::Asleep) && thread.runs() == Some(runs)
}

#[cfg(test)]
mod tests;
