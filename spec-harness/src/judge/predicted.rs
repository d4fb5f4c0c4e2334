//! A run held against what a model predicts of it.

use super::{Reason, Verdict, transcript};
use crate::history::{Ending, History};

/// Whether a run is what was predicted: the same transcript, and an end of the same kind.
///
/// Where a model says that nothing can be known from some moment on ([`Ending::Unknown`]), the run must come to the
/// same, and have gone the same way as far as both went.
pub fn held_against(predicted: &History, seen: &History) -> Verdict {
    let lines = |history: &History| -> Vec<String> {
        transcript::of(history).lines().map(str::to_owned).collect()
    };
    let (mut predicted_lines, mut seen_lines) = (lines(predicted), lines(seen));
    let same = match (&predicted.ending, &seen.ending) {
        // Who spins is proven to be at work, or was only ever found at it.
        (Ending::Unknown(_), Ending::Unknown(_) | Ending::Broken(_)) => {
            one_way(&predicted_lines, &seen_lines)
        }
        (_, Ending::Unknown(why)) => return Verdict::Unknown(why.clone()),
        (Ending::Finished, Ending::Finished)
        | (Ending::Deadlock(_), Ending::Deadlock(_))
        | (Ending::Broken(_), Ending::Broken(_))
        | (Ending::Leaked(_), Ending::Leaked(_)) => predicted_lines == seen_lines,
        _ => false,
    };
    if same {
        return Verdict::Pass;
    }
    if predicted_lines == seen_lines {
        predicted_lines.push(ending(&predicted.ending));
        seen_lines.push(ending(&seen.ending));
    }
    Verdict::Fail(vec![Reason::Prediction {
        predicted: predicted_lines,
        seen: seen_lines,
    }])
}

/// Whether one is the other's beginning; the last line of the shorter may tell less of its call.
fn one_way(one: &[String], other: &[String]) -> bool {
    let (short, long) = if one.len() <= other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let Some((last, before)) = short.split_last() else {
        return true;
    };
    let there = &long[before.len()];
    long.starts_with(before) && (there.starts_with(last) || last.starts_with(there))
}

fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Finished => "the program has ended".to_owned(),
        Ending::Deadlock(why) => format!("deadlock: {why}"),
        Ending::Broken(why) | Ending::Leaked(why) => why.clone(),
        Ending::Unknown(why) => format!("unknown: {why}"),
    }
}
