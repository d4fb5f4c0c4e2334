//! What depends on who goes first in an instant: a case is played by other orders, and what comes of it is compared.
//!
//! The rule of the order is one of many that a clock allows, each of which is a schedule. An order is told by its deviations from the rule:
//! at which turns somebody else goes first, and who. All orders with one deviation are tried before those with
//! two, up to a bound. A turn that could be swapped with all that it overtakes makes no other order: a body that
//! only prints or falls asleep meets nobody.

use std::collections::BTreeSet;

use super::{Choices, not_applicable, play};
use crate::case::ast::{Action, Case, Kind, Spanned, Step, Time, Written};
use crate::case::call::Visit;
use crate::history::{History, Key, What, Who};
use crate::interp::{Deviations, Move, Taken, Turn};
use crate::judge::{self, moments};
use crate::protocol::{self, Call};

/// Most orders that are tried for one case on one kind of worker.
pub const MOST_ORDERS: usize = 200;

/// What may be spent on one case: pairs of turns compared, and turns played.
const MOST_WORK: usize = 2_000_000;

/// What a turn costs to play, in comparisons.
const TURN: usize = 20;

/// What orders of same-instant events lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Orders {
    /// One run for each outcome, the rule's own first. Outcomes differ where something happens at another
    /// instant or not at all and, where the case says how its lines come, in their order.
    pub runs: Vec<Ordered>,
    /// How many orders were tried.
    pub tried: usize,
    /// Whether no other can matter.
    pub complete: bool,
}

/// A run by one of the orders.
#[derive(Debug, Clone, PartialEq)]
pub struct Ordered {
    /// The order.
    pub order: Deviations,
    /// What happens.
    pub history: History,
}

/// Plays a case by the orders of its same-instant events, or by as many of them as the bound allows.
pub fn orders(case: &Case, kind: Kind) -> Orders {
    let mut search = Search {
        case,
        kind,
        calls_back: any_step(&case.main, &calls_back),
        unordered: any_step(&case.main, &is_unordered),
        lines_matter: judge::expected(case, kind).0.output.is_some(),
        known: BTreeSet::new(),
        work: 0,
        orders: Orders {
            runs: Vec::new(),
            tried: 0,
            complete: true,
        },
    };
    let mut level = match not_applicable(case, kind) {
        None => vec![Deviations::default()],
        Some(_) => Vec::new(),
    };
    while !level.is_empty() {
        let room = MOST_ORDERS - search.orders.tried;
        search.orders.complete &= level.len() <= room;
        // Where there are too many, those that are tried lie evenly among them.
        let step = level.len().div_ceil(room.max(1));
        let tried: Vec<Deviations> = level.into_iter().step_by(step).take(room).collect();
        level = Vec::new();
        for order in tried {
            if search.work >= MOST_WORK {
                search.orders.complete = false;
                return search.orders;
            }
            level.extend(search.follow(&order));
        }
    }
    search.orders
}

/// Plays a case by one order.
///
/// # Errors
/// The case is not for this kind of worker, or has no such order: one of its turns never comes, or fewer are ready then.
pub fn by_order(case: &Case, kind: Kind, order: &Deviations) -> Result<Ordered, String> {
    if let Some(why) = not_applicable(case, kind) {
        return Err(why);
    }
    let mut ready = Vec::new();
    let history = play(case, kind, Choices::default(), order, &mut |taken, _| {
        ready.extend(taken[ready.len()..].iter().map(|turn| turn.ready.len()));
    });
    if !order.fits(&ready) {
        return Err(format!("the case has no order {order}"));
    }
    Ok(Ordered {
        order: order.clone(),
        history,
    })
}

/// A turn of a run, and what is known of it afterwards.
#[derive(Debug)]
struct Turned {
    taken: Taken,
    did: Did,
    /// It may have printed: whoever's it was did in that instant.
    printed: bool,
    /// The job whose end it may have been: a callback ends none.
    job: Option<u64>,
}

/// What came of a turn, as far as it matters who was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Did {
    /// Nothing that a pool sees.
    Nothing,
    /// A body returned.
    Return,
    /// A body failed.
    Fail,
    /// A call that comes to the same whether a body ends before it or after it: it waits, or it asks for nothing.
    Patient,
    /// Something that can end others: terminate, drop, kill, the program's end.
    Kill,
    /// Anything else.
    Something,
}

struct Search<'c> {
    case: &'c Case,
    kind: Kind,
    /// Some job has a callback: in which order jobs end is seen then.
    calls_back: bool,
    /// Some iterator gives its results as they come: in which order tasks end is seen then.
    unordered: bool,
    /// The case says in which order its lines come.
    lines_matter: bool,
    known: BTreeSet<Outcome>,
    /// What was spent so far.
    work: usize,
    orders: Orders,
}

/// What happened when, and the lines in their order.
type Outcome = (Vec<(Time, String)>, Vec<String>);

impl Search<'_> {
    /// Plays an order, and gives those that deviate once more and later: so each is reached once.
    fn follow(&mut self, order: &Deviations) -> Vec<Deviations> {
        let turns = self.run(order);
        let mut more = Vec::new();
        for (here, turn) in turns.iter().enumerate().skip(order.end()) {
            for (first, who) in turn.taken.ready.iter().enumerate().skip(1) {
                if self.work >= MOST_WORK {
                    self.orders.complete = false;
                    return more;
                }
                if self.matters(&turns[here..], *who) {
                    more.push(order.and(here, first));
                }
            }
        }
        more
    }

    fn run(&mut self, order: &Deviations) -> Vec<Turned> {
        let mut turns: Vec<Turned> = Vec::new();
        let history = play(
            self.case,
            self.kind,
            Choices::default(),
            order,
            &mut |taken, made| {
                // Only the last turn made a move: those before it met nobody.
                turns.extend(taken[turns.len()..].iter().map(Turned::of));
                if let Some(last) = turns.last_mut() {
                    last.did = did(made);
                }
            },
        );
        let printed = lines(&history)
            .map(|(at, who, _)| (at, body_of(who)))
            .collect();
        for turn in &mut turns {
            turn.know(&history, &printed);
        }
        self.work += turns.len() * TURN;
        self.orders.tried += 1;
        let lines = if self.lines_matter {
            lines(&history)
                .map(|(_, _, line)| line.to_owned())
                .collect()
        } else {
            Vec::new()
        };
        if self.known.insert((instants(&history), lines)) {
            let order = order.clone();
            self.orders.runs.push(Ordered { order, history });
        }
        turns
    }

    /// Whether it can matter that somebody who is ready at the first of these turns takes it.
    fn matters(&mut self, turns: &[Turned], who: Turn) -> bool {
        let at = turns.first().map(|turn| turn.taken.at);
        let together = turns.iter().take_while(|turn| Some(turn.taken.at) == at);
        let together = &turns[..together.count()];
        self.work += together.len();
        let mut own = together.iter().skip_while(|turn| turn.taken.whose != who);
        let Some(turn) = own.next() else {
            // Somebody ended it before its turn came.
            return true;
        };
        // Who sleeps for no time at all has another turn in the instant, and it would come earlier as well.
        let again = turn.did == Did::Nothing && own.any(|turn| turn.taken.whose == who);
        let mut overtaken = together.iter().take_while(|turn| turn.taken.whose != who);
        again || overtaken.any(|other| !self.can_swap(other, turn))
    }

    /// Whether two turns of one instant lead to the same in both orders.
    fn can_swap(&self, a: &Turned, b: &Turned) -> bool {
        let actors = |turn: &Turned| matches!(turn.taken.whose, Turn::Actor(_));
        match (a.did, b.did) {
            _ if self.lines_matter && a.printed && b.printed => false,
            // Main and its threads share variables.
            _ if actors(a) && actors(b) => false,
            (Did::Nothing, other) | (other, Did::Nothing) => other != Did::Kill,
            (Did::Return | Did::Fail, Did::Patient) | (Did::Patient, Did::Return | Did::Fail) => {
                true
            }
            // The first of two errors counts.
            (Did::Fail, Did::Fail) => false,
            _ if self.unordered => false,
            // Callbacks come in the order in which jobs end.
            (Did::Return | Did::Fail, Did::Return | Did::Fail) => {
                !self.calls_back || a.job.is_none() || b.job.is_none() || a.job == b.job
            }
            _ => false,
        }
    }
}

impl Turned {
    fn of(taken: &Taken) -> Turned {
        Turned {
            taken: taken.clone(),
            did: Did::Nothing,
            printed: false,
            job: None,
        }
    }

    /// Takes over from the whole run what a turn alone does not show.
    fn know(&mut self, history: &History, printed: &BTreeSet<(Time, Option<Key>)>) {
        let body = match self.taken.whose {
            Turn::Body(key) => Some(key),
            Turn::Actor(_) | Turn::Timer(_) | Turn::Deadline(_) => None,
        };
        self.printed = printed.contains(&(self.taken.at, body));
        let number = body.and_then(|key| usize::try_from(key).ok());
        let task = number.and_then(|number| history.tasks.get(number));
        self.job = task.filter(|task| !task.callback).map(|task| task.job);
    }
}

/// The body that somebody is; main and its threads are none.
fn body_of(who: &Who) -> Option<Key> {
    match who {
        Who::Puppet(key) => Some(*key),
        Who::Main | Who::Thread(_) => None,
    }
}

fn did(made: &Move) -> Did {
    match made {
        Move::Stuck => Did::Nothing,
        Move::Exit | Move::Kill(_) => Did::Kill,
        Move::Order {
            order, last: true, ..
        } => match order {
            protocol::Order::Return(_) => Did::Return,
            _ => Did::Fail,
        },
        Move::Call { command, .. } => match command {
            Call::Terminate { .. }
            | Call::Drop { .. }
            | Call::Kill { .. }
            | Call::TerminateProcess { .. } => Did::Kill,
            Call::Ready { .. }
            | Call::Successful { .. }
            | Call::IsAlive { .. }
            | Call::Exitcode { .. } => Did::Something,
            _ if command.limit() == Some(Time(0)) => Did::Something,
            _ => Did::Patient,
        },
        Move::Order { .. } | Move::Fire(_) | Move::Late(_) => Did::Something,
    }
}

fn any_step(steps: &[Step], is: &dyn Fn(&Action) -> bool) -> bool {
    steps.iter().any(|step| match &step.action {
        Action::For { body, .. } => any_step(body, is),
        Action::If(_, then, otherwise) => any_step(then, is) || any_step(otherwise, is),
        action => is(action),
    })
}

fn calls_back(action: &Action) -> bool {
    let mut found = Found(false);
    if let Action::Call(call) = action {
        call.visit(&mut found);
    }
    found.0
}

/// Whether a call has a callback.
struct Found(bool);

impl Visit<Written> for Found {
    fn callback(&mut self, _: &'static str, task: &Option<Spanned<String>>) {
        self.0 |= task.is_some();
    }
}

fn is_unordered(action: &Action) -> bool {
    matches!(action, Action::Call(Call::ImapUnordered(_)))
}

/// The lines, in their order.
fn lines(history: &History) -> impl Iterator<Item = (Time, &Who, &str)> {
    history.events.iter().filter_map(|event| match &event.what {
        What::Print(line) => Some((event.at, &event.who, line.as_str())),
        _ => None,
    })
}

/// What happened when; the order inside an instant is nobody's promise.
pub(super) fn instants(history: &History) -> Vec<(Time, String)> {
    moments::of(history)
        .into_iter()
        .map(|moment| (moment.at, moment.text))
        .collect()
}
