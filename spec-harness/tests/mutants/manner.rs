//! How the small pool takes its time: what is hard to judge without being wrong.

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The period of one that polls.
const PERIOD: Duration = Duration::from_millis(5);

/// How a pool waits and how long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It waits for events and does what it does at once.
    Prompt,
    /// Between any two things that it does there is real work, on several threads one after the other.
    Slow,
    /// It looks again and again, and says so.
    Polls,
    /// It looks again and again, and does not say so.
    PollsInSecret,
}

impl Manner {
    pub(crate) const ALL: [Manner; 4] = [
        Manner::Prompt,
        Manner::Slow,
        Manner::Polls,
        Manner::PollsInSecret,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn named(name: &str) -> Option<Manner> {
        Manner::ALL.into_iter().find(|manner| manner.name() == name)
    }

    /// How long it looks away, where it polls.
    pub(crate) fn period(self) -> Option<Duration> {
        matches!(self, Manner::Polls | Manner::PollsInSecret).then_some(PERIOD)
    }

    /// What it says of that.
    pub(crate) fn says(self) -> Option<String> {
        (self == Manner::Polls).then(|| format!("{}ms", PERIOD.as_millis()))
    }

    /// Takes its time, if it does.
    pub(crate) fn dawdle(self) {
        if self != Manner::Slow {
            return;
        }
        for _ in 0..3 {
            let (sender, done) = mpsc::channel();
            thread::spawn(move || {
                let work = (0..40_000_u64).fold(0, |sum, n| black_box(sum ^ n));
                sender.send(work).unwrap_or(());
            });
            // A thread that cannot be made does no work.
            let _ = done.recv();
        }
    }
}
