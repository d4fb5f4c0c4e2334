//! What depends on who goes first in an instant: a case is played by other orders, and what comes of it is compared.
//!
//! The rule of the order is one of many that a clock allows. An order is told by its deviations from the rule:
//! at which choices somebody else goes first, and who. All orders with one deviation are tried before those with
//! two, up to a bound, and with them the rule's very opposite.

use std::collections::BTreeSet;

use super::{Choices, play};
use crate::case::ast::{Case, Kind, Time};
use crate::history::{History, What};
use crate::judge::{self, moments};

/// Most orders that are tried for one case on one kind of worker.
pub const MOST_ORDERS: usize = 200;

/// What orders of same-instant events lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Orders {
    /// One run for each outcome, the rule's own first. Outcomes differ where something happens at another
    /// instant or not at all, or where lines are printed in another order.
    pub runs: Vec<History>,
    /// How many orders were tried.
    pub tried: usize,
    /// Whether these are all that there are.
    pub complete: bool,
}

/// Plays a case by the orders of its same-instant events, or by as many of them as the bound allows.
pub fn orders(case: &Case, kind: Kind) -> Orders {
    let mut search = Search {
        case,
        kind,
        lines_matter: says_how_lines_come(case, kind),
        known: BTreeSet::new(),
        orders: Orders {
            runs: Vec::new(),
            tried: 0,
            complete: true,
        },
    };
    let mut level = search.children(&Vec::new());
    search.run(&mut |ready| ready - 1);
    while !level.is_empty() {
        let room = MOST_ORDERS - search.orders.tried;
        if level.len() < room {
            level = level
                .iter()
                .flat_map(|deviations| search.children(deviations))
                .collect();
            continue;
        }
        // Too many: those that are tried lie evenly among them.
        search.orders.complete = false;
        for deviations in level.iter().step_by(level.len().div_ceil(room)) {
            search.follow(deviations);
        }
        break;
    }
    search.orders
}

/// What an order does otherwise than the rule: at which choice, and which of those that are ready goes first.
type Deviations = Vec<(usize, usize)>;

struct Search<'c> {
    case: &'c Case,
    kind: Kind,
    /// The case says in which order its lines come.
    lines_matter: bool,
    known: BTreeSet<Outcome>,
    orders: Orders,
}

/// What happened when, and the lines in their order.
type Outcome = (Vec<(Time, String)>, Vec<String>);

impl Search<'_> {
    /// Plays an order, and gives those that deviate once more and later: so each is reached once.
    fn children(&mut self, deviations: &Deviations) -> Vec<Deviations> {
        let choices = self.follow(deviations);
        let from = deviations.last().map_or(0, |(choice, _)| choice + 1);
        let later = choices.into_iter().enumerate().skip(from);
        let others = later.flat_map(|(choice, ready)| (1..ready).map(move |first| (choice, first)));
        others
            .map(|other| [deviations.as_slice(), &[other]].concat())
            .collect()
    }

    /// Plays an order, and gives the choices that there were: how many were ready.
    fn follow(&mut self, deviations: &Deviations) -> Vec<usize> {
        let mut choices = Vec::new();
        self.run(&mut |ready| {
            let here = deviations
                .iter()
                .find(|(choice, _)| *choice == choices.len());
            choices.push(ready);
            here.map_or(0, |(_, first)| (*first).min(ready - 1))
        });
        choices
    }

    fn run(&mut self, first: &mut dyn FnMut(usize) -> usize) {
        let history = play(self.case, self.kind, Choices::default(), first);
        self.orders.tried += 1;
        let lines = if self.lines_matter {
            printed(&history)
        } else {
            Vec::new()
        };
        if self.known.insert((instants(&history), lines)) {
            self.orders.runs.push(history);
        }
    }
}

fn says_how_lines_come(case: &Case, kind: Kind) -> bool {
    judge::expected(case, kind).0.output.is_some()
}

fn printed(history: &History) -> Vec<String> {
    let lines = history.events.iter().filter_map(|event| match &event.what {
        What::Print(line) => Some(line.clone()),
        _ => None,
    });
    lines.collect()
}

/// What happened when; the order inside an instant is nobody's promise.
pub(super) fn instants(history: &History) -> Vec<(Time, String)> {
    moments::of(history)
        .into_iter()
        .map(|moment| (moment.at, moment.text))
        .collect()
}
