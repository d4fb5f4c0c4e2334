//! Every interleaving of the two looks, and of a search for threads, with a model of two threads on one kernel.

use super::*;

/// A thread as the scheduler has it.
#[derive(Debug, Clone, Copy)]
struct Thread {
    runs: u64,
    on_cpu: bool,
    queued: bool,
    asleep: bool,
    /// It can be seen.
    there: bool,
}

impl Thread {
    const SLEEPING: Thread = Thread {
        runs: 5,
        on_cpu: false,
        queued: false,
        asleep: true,
        there: true,
    };
    const RUNNING: Thread = Thread {
        runs: 5,
        on_cpu: true,
        queued: true,
        asleep: false,
        there: true,
    };
    /// It is being started by the other one.
    const UNBORN: Thread = Thread {
        there: false,
        ..Thread::SLEEPING
    };
}

/// What the kernel does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// This thread becomes runnable.
    Wake(usize),
    /// It can be seen from now on, and is runnable.
    Appear(usize),
    /// It ends and cannot be seen any more.
    Vanish(usize),
    /// It gets a CPU.
    Run(usize),
    /// It says that it will sleep, still on the CPU.
    Announce(usize),
    /// It leaves the CPU: asleep if it said so.
    Leave(usize),
    /// It is taken from the CPU after its announcement, and remains runnable although it says asleep.
    Preempt(usize),
}

fn apply(threads: &mut [Thread; 2], step: Step) {
    match step {
        Step::Wake(t) => (threads[t].queued, threads[t].asleep) = (true, false),
        Step::Appear(t) => {
            threads[t].there = true;
            apply(threads, Step::Wake(t));
        }
        Step::Vanish(t) => threads[t] = Thread::UNBORN,
        Step::Run(t) => (threads[t].on_cpu, threads[t].runs) = (true, threads[t].runs + 1),
        Step::Announce(t) => threads[t].asleep = true,
        Step::Leave(t) => (threads[t].on_cpu, threads[t].queued) = (false, false),
        Step::Preempt(t) => threads[t].on_cpu = false,
    }
}

impl Evidence for Thread {
    fn runs(&mut self) -> Option<u64> {
        Some(self.runs)
    }
    fn wait(&mut self) -> Option<Wait> {
        Some(if self.queued || self.on_cpu {
            Wait::Running
        } else {
            Wait::Untimed
        })
    }
    fn state(&mut self) -> Option<State> {
        Some(if self.asleep {
            State::Asleep
        } else {
            State::Awake
        })
    }
}

/// One reading of a look.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Read {
    Runs,
    Wait,
    State,
    /// Whether it can be seen: there is no rest where it can and was not known.
    There,
}

const FIRST: &[Read] = &[Read::Runs, Read::Wait, Read::State];
const SECOND: &[Read] = &[Read::State, Read::Runs];

/// A judge, as a list of readings: each thread by the first list, then each by the second.
struct Judge {
    reads: Vec<(usize, Read)>,
}

impl Judge {
    fn new(first: &[Read], second: &[Read]) -> Judge {
        let looks = |list: &[Read]| -> Vec<(usize, Read)> {
            (0..2)
                .flat_map(|t| list.iter().map(move |r| (t, *r)))
                .collect()
        };
        let mut reads = looks(first);
        reads.extend(looks(second));
        Judge { reads }
    }

    /// The two looks, with a search for the second thread before the reading with this number.
    fn searching(at: usize) -> Judge {
        let mut judge = Judge::new(FIRST, SECOND);
        judge.reads.insert(at, (1, Read::There));
        judge
    }

    /// Plays every interleaving of the readings with `steps`; says whether some interleaving is called quiet
    /// although there was no instant, from the first reading to the last, at which both slept.
    fn is_wrong(&self, start: [Thread; 2], steps: &[Step]) -> bool {
        let known = start.map(|thread| thread.there);
        self.explore(start, steps, 0, (known, [None; 2]), false)
    }

    fn explore(
        &self,
        threads: [Thread; 2],
        steps: &[Step],
        at: usize,
        (known, seen): ([bool; 2], [Option<u64>; 2]),
        rest: bool,
    ) -> bool {
        let rest = rest || threads.iter().all(|t| !t.queued && !t.on_cpu);
        if at == self.reads.len() {
            return !rest;
        }
        if let Some((step, later)) = steps.split_first() {
            let mut next = threads;
            apply(&mut next, *step);
            // An instant between two readings counts only once the reading has begun.
            if self.explore(next, later, at, (known, seen), rest && at > 0) {
                return true;
            }
        }
        let (t, read) = self.reads[at];
        let mut thread = threads[t];
        let mut seen = seen;
        let goes_on = match read {
            Read::There => known[t] || !thread.there,
            _ if !known[t] => true,
            Read::Runs => *seen[t].get_or_insert(thread.runs) == thread.runs,
            Read::Wait => thread.wait() == Some(Wait::Untimed),
            Read::State => thread.state() == Some(State::Asleep),
        };
        goes_on && self.explore(threads, steps, at + 1, (known, seen), rest)
    }
}

/// Traces in which there is always somebody awake.
fn restless() -> Vec<([Thread; 2], Vec<Step>)> {
    use Step::*;
    let ping_pong = |a: usize, b: usize| vec![Wake(b), Announce(a), Leave(a), Run(b)];
    let start = [Thread::RUNNING, Thread::SLEEPING];
    let mut both = ping_pong(0, 1);
    both.extend(ping_pong(1, 0));
    both.extend(ping_pong(0, 1));
    let mut other_way = ping_pong(1, 0);
    other_way.extend(ping_pong(0, 1));
    other_way.extend(ping_pong(1, 0));
    vec![
        (start, both),
        ([Thread::SLEEPING, Thread::RUNNING], other_way),
        // The woken one waits for a CPU for the whole trace.
        (start, vec![Wake(1), Announce(0), Leave(0)]),
        // It announces a sleep, is preempted, goes on without having slept.
        (
            start,
            vec![
                Announce(0),
                Preempt(0),
                Run(0),
                Wake(1),
                Run(1),
                Announce(0),
                Leave(0),
            ],
        ),
        // The woken one waits long, then runs and announces a sleep while being read.
        (
            start,
            vec![
                Wake(1),
                Announce(0),
                Leave(0),
                Run(1),
                Announce(1),
                Wake(0),
                Run(0),
            ],
        ),
    ]
}

#[test]
fn two_looks_are_never_wrong() {
    let judge = Judge::new(FIRST, SECOND);
    for (start, steps) in restless() {
        assert!(!judge.is_wrong(start, &steps), "{steps:?}");
    }
}

#[test]
fn who_is_being_started_is_found_between_the_looks_and_only_there() {
    use Step::*;
    let trace = [Appear(1), Announce(0), Leave(0), Run(1), Wake(0)];
    let mut ends = trace.to_vec();
    ends.push(Vanish(1));
    let mut goes_on = trace.to_vec();
    goes_on.extend([Announce(1), Leave(1), Run(0)]);
    let traces = [ends, goes_on];
    let is_wrong = |at: usize| {
        let judge = Judge::searching(at);
        let start = [Thread::RUNNING, Thread::UNBORN];
        traces.iter().any(|steps| judge.is_wrong(start, steps))
    };
    let (first, both) = (2 * FIRST.len(), 2 * (FIRST.len() + SECOND.len()));
    assert!(is_wrong(0), "before the looks");
    assert!(!is_wrong(first), "between them");
    assert!(is_wrong(both), "after them");
}

#[test]
fn each_shortcut_is_wrong_somewhere() {
    use Read::*;
    let shortcuts: [(&str, &[Read], &[Read]); 5] = [
        ("one look", FIRST, &[]),
        ("without the run count", &[Wait, State], &[Wait, State]),
        ("without the wait", &[Runs, State], SECOND),
        ("a second look at the count alone", FIRST, &[Runs]),
        ("the second look in the other order", FIRST, &[Runs, State]),
    ];
    for (name, first, second) in shortcuts {
        let judge = Judge::new(first, second);
        let wrong = restless()
            .iter()
            .any(|(start, steps)| judge.is_wrong(*start, steps));
        assert!(wrong, "{name} was never wrong");
    }
}

#[test]
fn threads_at_rest_are_found_at_rest() {
    let mut thread = Thread::SLEEPING;
    let First::Asleep(runs, None) = first_look(&mut thread) else {
        panic!("not asleep");
    };
    assert!(second_look(&mut thread, runs));
}

#[test]
fn a_thread_that_ran_or_was_woken_between_the_looks_is_not_at_rest() {
    let mut thread = Thread::SLEEPING;
    thread.runs += 1;
    assert!(!second_look(&mut thread, 5));
    let mut woken = Thread::SLEEPING;
    (woken.queued, woken.asleep) = (true, false);
    assert!(!second_look(&mut woken, 5));
}
