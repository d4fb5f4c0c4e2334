//! The reference model: a Pool as a small program of discrete events, which predicts any case without any pool.
//!
//! It has no threads, no clock of its own and no I/O: the case's program is performed by the same state machines
//! that the replay drives ([`crate::interp`]), and what a pool would do is a function of what has happened.
//!
//! ```text
//! Stage (whose turn, virtual clock)
//!   │ Move                       ▲ what is seen
//!   ▼                            │
//! World  (calls and who waits; processes; the program's end)
//!   └── Pool (the contract, row by row)
//! ```
//!
//! The model is the contract's second text: where a pool and the model differ, one of them is wrong. It predicts
//! the transcripts that pools are compared with ([`predict`]), and it reads cases: one that expects what cannot be,
//! or what depends on who is first in an instant, is refused ([`review`]).

mod command;
mod pool;
mod process;
mod review;
mod schedules;
#[cfg(test)]
mod tests;
mod work;
mod workers;
mod world;

use crate::case::ast::{Case, Kind};
use crate::history::{Ending, History, Raised};
use crate::interp::{Deviations, Move, Options, Stage, Taken};
use crate::protocol::WorkerKind;
use crate::replay::{concerns, needs};
use world::{Over, World};

pub use review::review;
#[cfg(feature = "random")]
pub(crate) use review::shows_its_size;
pub use schedules::{MOST_ORDERS, Ordered, Orders, by_order, orders};

/// What the model says of a case on one kind of worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Prediction {
    /// This happens.
    Ran(Box<History>),
    /// The case is not for this kind: why.
    NotApplicable(String),
}

impl Prediction {
    /// What happens, where the case is for this kind.
    pub fn ran(self) -> Option<History> {
        match self {
            Prediction::Ran(history) => Some(*history),
            Prediction::NotApplicable(_) => None,
        }
    }
}

/// Predicts what happens when a case runs on workers of this kind.
///
/// # Examples
/// ```
/// use spec_harness::case::ast::{Case, Kind};
/// use spec_harness::history::Ending;
/// use spec_harness::model::predict;
///
/// let text = "spec: 1\ntitle: nobody closes\nmain:\n  - pool: 1\n  - join:\n    raises: StillRunning\n";
/// let case = Case::parse("early", text).expect("it is in order");
/// let history = predict(&case, Kind::Process).ran().expect("it is for processes too");
/// assert_eq!(history.ending, Ending::Finished);
/// ```
pub fn predict(case: &Case, kind: Kind) -> Prediction {
    match not_applicable(case, kind) {
        Some(why) => Prediction::NotApplicable(why),
        None => Prediction::Ran(Box::new(by_the_rule(case, kind, Choices::default()))),
    }
}

/// What a model has to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Choices {
    /// C1: workers of a pool that is given no size.
    default_size: usize,
    /// Whether a task goes to a worker that has not worked yet rather than to one that rests.
    spread: bool,
}

impl Default for Choices {
    fn default() -> Choices {
        Choices {
            default_size: 4,
            spread: false,
        }
    }
}

/// Performs a case by the rule of the order.
fn by_the_rule(case: &Case, kind: Kind, choices: Choices) -> History {
    play(case, kind, choices, &Deviations::default(), &mut |_, _| {})
}

/// What no worker of a kind has.
fn not_applicable(case: &Case, kind: Kind) -> Option<String> {
    if let Err(why) = concerns(case, kind) {
        return Some(why);
    }
    // P4: threads have no signals, nor an end of their own.
    let (other, bare): (_, &[&str]) = match kind {
        Kind::Thread => (WorkerKind::Process, &["kill", "pid", "terminate_process"]),
        Kind::Process => (WorkerKind::Thread, &[]),
    };
    let lacks = [bare, other.alone_can()].concat();
    let mut needs = needs(case).into_iter();
    let lacking = needs.find(|need| lacks.contains(&need.as_str()));
    lacking.map(|need| format!("no pool of {kind} workers can `{need}`"))
}

/// Performs a case by an order of its turns. `watch` sees each move with all turns up to the one that made it.
fn play(
    case: &Case,
    kind: Kind,
    choices: Choices,
    deviations: &Deviations,
    watch: &mut dyn FnMut(&[Taken], &Move),
) -> History {
    let mut stage = Stage::new(
        case,
        Options {
            timers: true,
            deviations: deviations.clone(),
            ..Options::default()
        },
    );
    let mut world = World::new(kind, choices);
    loop {
        let made = stage.next_move();
        watch(stage.turns(), &made);
        match made {
            Move::Call { caller, command } => world.call(caller, &command),
            Move::Order {
                key,
                order,
                last: true,
            } => world.obey(key, &order),
            Move::Order {
                key,
                order,
                last: false,
            } => world.detour(key, &order),
            Move::Kill(key) => world.kill_worker(key),
            Move::Fire(timer) => world.fire(timer),
            Move::Exit => world.exit(),
            Move::Stuck | Move::Late(_) => {
                let ending = stage.stuck("");
                return stage.finish(ending);
            }
        }
        let seen = world.run_until_idle(stage.next_key());
        let told: Result<(), String> = seen.into_iter().try_for_each(|seen| stage.observe(seen));
        let over = told.map_or_else(|why| Some(Over::Nonsense(why)), |()| world.over());
        let ending = match over {
            None => continue,
            Some(Over::Ended) => stage.over(0),
            Some(Over::Nonsense(why)) => Ending::Broken(why),
        };
        return stage.finish(ending);
    }
}

/// An error by its portable name.
fn raised(kind: &str, text: impl Into<String>) -> Raised {
    Raised {
        kind: kind.to_owned(),
        text: text.into(),
    }
}

/// A number of a program's; what is too large is as large as can be.
fn saturating(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
