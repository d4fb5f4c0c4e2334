//! Where the places of a picture lie: instants as wide as what happens in them, and time between them.

use super::{Instant, Place};

/// Gaps longer than this many times the shortest are drawn shorter than they are.
const TRUE_TO_SCALE: f64 = 8.0;

/// Widths in the unit of whoever draws: columns or pixels.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    starts: Vec<f64>,
    slot: f64,
    /// Where it ends.
    pub(super) end: f64,
}

impl Axis {
    /// An axis of about this width: each slot is so wide, and the time after each instant at least so wide.
    pub(super) fn new(
        instants: &[Instant],
        slot: f64,
        least: impl Fn(usize) -> f64,
        wide: f64,
    ) -> Axis {
        let gaps = weights(instants);
        let slots: usize = instants.iter().map(|instant| instant.slots).sum();
        let rest = (wide - slots as f64 * slot).max(0.0);
        // An instant that is wide by itself needs no room for its name beside.
        let least = |number: usize| {
            let own = instants[number].slots as f64 * slot;
            (least(number) - own).max(slot.min(2.0))
        };
        let mut widths: Vec<f64> = (0..gaps.len()).map(least).collect();
        let (mut room, mut weight) = (rest, gaps.iter().sum::<f64>());
        // Those who get less than they need take what they need; the others share what is left.
        let mut order: Vec<usize> = (0..gaps.len()).collect();
        order.sort_by(|a, b| (gaps[*a] / widths[*a]).total_cmp(&(gaps[*b] / widths[*b])));
        for index in order {
            let share = if weight > 0.0 {
                room * gaps[index] / weight
            } else {
                0.0
            };
            weight -= gaps[index];
            widths[index] = widths[index].max(share);
            room = (room - widths[index]).max(0.0);
        }
        let mut starts = Vec::with_capacity(instants.len());
        let mut at = 0.0;
        for (index, instant) in instants.iter().enumerate() {
            starts.push(at);
            at += instant.slots as f64 * slot + widths.get(index).unwrap_or(&0.0);
        }
        Axis {
            starts,
            slot,
            end: at,
        }
    }

    /// The same, no wider than this.
    pub(super) fn within(mut self, wide: f64) -> Axis {
        if self.end > wide && self.end > 0.0 {
            let scale = wide / self.end;
            self.starts.iter_mut().for_each(|start| *start *= scale);
            self.slot *= scale;
            self.end = wide;
        }
        self
    }

    pub(super) fn at(&self, place: Place) -> f64 {
        let start = self.starts.get(place.instant).copied().unwrap_or(self.end);
        start + place.slot as f64 * self.slot
    }

    /// Where an instant begins.
    pub(super) fn start(&self, instant: usize) -> f64 {
        self.at(Place { instant, slot: 0 })
    }
}

/// How long the time after each instant but the last is to look.
fn weights(instants: &[Instant]) -> Vec<f64> {
    let pairs = instants.windows(2);
    let gaps: Vec<f64> = pairs
        .map(|pair| pair[1].at.0.saturating_sub(pair[0].at.0) as f64)
        .collect();
    let shortest = gaps.iter().copied().fold(f64::INFINITY, f64::min).max(1.0);
    let shown = |gap: f64| match gap / shortest {
        times if times <= TRUE_TO_SCALE => times,
        times => TRUE_TO_SCALE * (1.0 + (times / TRUE_TO_SCALE).log2() / 4.0),
    };
    gaps.into_iter().map(shown).collect()
}

/// Puts texts below their places, each in the first row where it has room: the row and the column of each, and how
/// many rows there are.
pub(super) fn stacked(texts: &[(f64, f64)], apart: f64, wide: f64) -> (Vec<(usize, f64)>, usize) {
    let mut ends: Vec<f64> = Vec::new();
    let mut least = 0;
    let mut before = f64::NEG_INFINITY;
    let mut placed = Vec::with_capacity(texts.len());
    for (at, width) in texts {
        let at = at.min(wide - width).max(0.0);
        // What is said in one place reads from top to bottom.
        least = if at > before { 0 } else { least };
        before = at;
        let row = (least..ends.len()).find(|row| ends[*row] <= at);
        let row = row.unwrap_or(ends.len().max(least));
        ends.resize(ends.len().max(row + 1), f64::NEG_INFINITY);
        ends[row] = at + width + apart;
        placed.push((row, at));
        least = row + 1;
    }
    (placed, ends.len())
}
