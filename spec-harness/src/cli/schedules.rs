//! `run --schedules all`: which orders of same-instant events lead to something else, as the model finds them.

use spec_harness::case::ast::Kind;
use spec_harness::interp::Deviations;
use spec_harness::model::{MOST_ORDERS, Ordered, Orders, by_order, orders};
use spec_harness::target::Column;

use super::Refusal;
use super::output::Output;
use super::select::Chosen;

/// The orders of each case on each kind of worker.
#[derive(Debug, Default)]
pub(super) struct Explored {
    found: Vec<(usize, Kind, Orders)>,
    /// Whether the rule's own order is left out.
    only: bool,
    /// Cases that do not have the one order, and why.
    without: Vec<(usize, Kind, String)>,
}

impl Explored {
    /// One order instead of the rule's, for every case that has it.
    ///
    /// # Errors
    /// None of them has it.
    pub(super) fn only(
        order: &Deviations,
        cases: &[Chosen],
        columns: &[Column],
    ) -> Result<Explored, Refusal> {
        let mut explored = Explored {
            only: true,
            ..Explored::default()
        };
        for (number, chosen) in cases.iter().enumerate() {
            for kind in kinds(columns) {
                match by_order(&chosen.case, kind, order) {
                    Ok(by) => {
                        let orders = Orders {
                            runs: vec![by],
                            tried: 1,
                            complete: true,
                        };
                        explored.found.push((number, kind, orders));
                    }
                    Err(why) => explored.without.push((number, kind, why)),
                }
            }
        }
        match explored.without.first() {
            Some((.., why)) if explored.found.is_empty() => Err(why.clone()),
            _ => Ok(explored),
        }
    }

    /// Why the case does not have the one order.
    pub(super) fn without(&self, case: usize, kind: Kind) -> Option<&str> {
        let mut without = self.without.iter();
        let without = without.find(|(number, on, _)| (*number, *on) == (case, kind));
        without.map(|(.., why)| why.as_str())
    }

    /// Whether the rule's own order is left out.
    pub(super) fn is_only(&self) -> bool {
        self.only
    }

    /// Plays every case on the model by all orders, up to the bound.
    pub(super) fn explore(cases: &[Chosen], columns: &[Column]) -> Explored {
        let kinds = kinds(columns);
        let each = cases.iter().enumerate();
        let each = each.flat_map(|case| kinds.iter().map(move |kind| (case, *kind)));
        let explored = each.map(|((number, chosen), kind)| {
            let mut orders = orders(&chosen.case, kind);
            // Whose turn it is in a pool of default size depends on the machine.
            let sized = |run: &Ordered| run.history.pools.iter().all(|pool| pool.size.is_some());
            orders.runs.retain(sized);
            (number, kind, orders)
        });
        Explored {
            found: explored.collect(),
            ..Explored::default()
        }
    }

    /// The orders of a case that lead to something else than the rule.
    pub(super) fn others(&self, case: usize, kind: Kind) -> &[Ordered] {
        let mut found = self.found.iter();
        let found = found.find(|(number, on, _)| (*number, *on) == (case, kind));
        found.map_or(&[], |(_, _, orders)| {
            let rule = usize::from(!self.only);
            orders.runs.get(rule..).unwrap_or_default()
        })
    }

    /// How far was looked, and where it was not far enough.
    pub(super) fn tell(&self, cases: &[Chosen], out: &mut Output) {
        let tried: usize = self.found.iter().map(|(_, _, orders)| orders.tried).sum();
        let depend = self
            .found
            .iter()
            .filter(|(_, _, orders)| orders.runs.len() > 1);
        out.line(format_args!(
            "schedules: {tried} orders of same-instant events played on the model; the result depends on them in {} of {}",
            depend.count(),
            self.found.len()
        ));
        let open = self.found.iter().filter(|(_, _, orders)| !orders.complete);
        let mut open: Vec<&str> = open
            .map(|(case, ..)| cases[*case].case.name.as_str())
            .collect();
        open.dedup();
        if !open.is_empty() {
            out.line(format_args!(
                "      not all of them, but {MOST_ORDERS}, in {}",
                open.join(", ")
            ));
        }
    }
}

fn kinds(columns: &[Column]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = columns.iter().map(|column| column.target.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
