//! `run --ties all`: which orders of same-instant events lead to something else, as the model finds them.

use spec_harness::case::ast::Kind;
use spec_harness::model::{MOST_ORDERS, Ordered, Orders, orders};
use spec_harness::target::Column;

use super::output::Output;
use super::select::Chosen;

/// The orders of each case on each kind of worker.
#[derive(Debug, Default)]
pub(super) struct Explored(Vec<(usize, Kind, Orders)>);

impl Explored {
    /// Plays every case on the model by all orders, up to the bound.
    pub(super) fn explore(cases: &[Chosen], columns: &[Column]) -> Explored {
        let mut kinds: Vec<Kind> = columns.iter().map(|column| column.target.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let each = cases.iter().enumerate();
        let each = each.flat_map(|case| kinds.iter().map(move |kind| (case, *kind)));
        let explored = each.map(|((number, chosen), kind)| {
            let mut orders = orders(&chosen.case, kind);
            // Whose turn it is in a pool of default size depends on the machine.
            let sized = |run: &Ordered| run.history.pools.iter().all(|pool| pool.size.is_some());
            orders.runs.retain(sized);
            (number, kind, orders)
        });
        Explored(explored.collect())
    }

    /// The orders of a case that lead to something else than the rule.
    pub(super) fn others(&self, case: usize, kind: Kind) -> &[Ordered] {
        let mut found = self.0.iter();
        let found = found.find(|(number, on, _)| (*number, *on) == (case, kind));
        found.map_or(&[], |(_, _, orders)| {
            orders.runs.get(1..).unwrap_or_default()
        })
    }

    /// How far was looked, and where it was not far enough.
    pub(super) fn tell(&self, cases: &[Chosen], out: &mut Output) {
        let tried: usize = self.0.iter().map(|(_, _, orders)| orders.tried).sum();
        let depend = self.0.iter().filter(|(_, _, orders)| orders.runs.len() > 1);
        out.line(format_args!(
            "ties: {tried} orders of same-instant events played on the model; the result depends on them in {} of {}",
            depend.count(),
            self.0.len()
        ));
        let open = self.0.iter().filter(|(_, _, orders)| !orders.complete);
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
