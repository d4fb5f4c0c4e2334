//! A run as a picture: who did what, from when to when, on one axis for everybody.
//!
//! [`Picture::of`] is the only layout; it says in which lane a bar lies, between which places of the axis, and what
//! became of it. [`text`] draws it on a terminal and [`svg`] for a page, and neither decides anything but sizes.
//!
//! ```text
//! main       ┼──────────────────────┼─────────┼
//! w0         █func(0)██████████████▌▒func(2)▒✗
//! never ran  ┄func(4) … func(9), 6 tasks┄┄┄┄┄┄
//!            0                      1         1.5
//! ```
//!
//! The axis has *instants*, and time between them. Virtual time stands still in an instant, yet things happen one
//! after the other: an instant has as many *slots* as the longest chain of bodies that begin and end in it.

mod axis;
mod build;
mod said;
pub mod svg;
pub mod text;
mod waits;

pub use waits::{Waits, waits};

use crate::case::ast::{Fate, Time};

/// What happened in one run, laid out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Picture {
    /// Every instant in which something happened, in order.
    pub instants: Vec<Instant>,
    /// Main first, then its threads, workers, bare processes, callbacks, and what never ran.
    pub lanes: Vec<Lane>,
    /// The calls of main, its threads and bodies; what follows at once and is of one kind is one entry.
    pub calls: Vec<Said>,
    /// What was printed.
    pub output: Vec<Said>,
    /// What was wrong with the run's end, if something was.
    pub ending: Option<String>,
}

/// A moment of virtual time in which something happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instant {
    /// When.
    pub at: Time,
    /// How many bodies began and ended in it one after the other, at most.
    pub slots: usize,
}

/// A place on the axis: before this slot of this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The instant, by its number.
    pub instant: usize,
    /// The slot.
    pub slot: usize,
}

/// One line of the picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lane {
    /// `main`, `w0`, `callbacks`.
    pub name: String,
    /// What it is of.
    pub kind: LaneKind,
    /// How many bars lie over each other at most: a callback that waits may have others run inside of it.
    pub depth: usize,
    /// What lies on it, by its beginning.
    pub bars: Vec<Bar>,
    /// Where a call was made, or something was wrong.
    pub marks: Vec<Mark>,
}

/// What a lane is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneKind {
    /// The main program, or another thread of it.
    Program,
    /// A worker, or a bare process.
    Worker,
    /// The parent's threads that run callbacks.
    Callbacks,
    /// Tasks that were handed in and never began.
    Never,
}

/// Something that lasted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bar {
    /// Where it begins.
    pub from: Place,
    /// Where it ends.
    pub to: Place,
    /// Which of the lane's rows it lies in.
    pub row: usize,
    /// What it is: `func(3)`, `join p`.
    pub label: String,
    /// What became of it.
    pub ink: Ink,
}

/// What a bar is and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ink {
    /// A task or callback that returned.
    Done,
    /// One that raised.
    Raised,
    /// One that was stopped from outside.
    Killed,
    /// One whose worker died under it.
    Lost,
    /// One that had not ended when the run was over.
    Open,
    /// Tasks that never began.
    Never,
    /// A call that blocked and returned.
    Waits,
    /// A call that never returned.
    Stuck,
}

impl Ink {
    /// Every ink, in the order of a legend.
    pub const ALL: [Ink; 8] = [
        Ink::Done,
        Ink::Raised,
        Ink::Killed,
        Ink::Lost,
        Ink::Open,
        Ink::Never,
        Ink::Waits,
        Ink::Stuck,
    ];

    /// In a legend's words.
    pub fn says(self) -> &'static str {
        match self {
            Ink::Done => "done",
            Ink::Raised => "raised",
            Ink::Killed => "killed",
            Ink::Lost => "lost with its worker",
            Ink::Open => "not ended",
            Ink::Never => "never ran",
            Ink::Waits => "waits",
            Ink::Stuck => "never returns",
        }
    }

    fn of(fate: Fate) -> Ink {
        match fate {
            Fate::Done => Ink::Done,
            Fate::Raised => Ink::Raised,
            Fate::Killed => Ink::Killed,
            Fate::Lost => Ink::Lost,
            Fate::Never => Ink::Never,
        }
    }
}

/// A point on a lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// Where.
    pub at: Place,
    /// Whether something was refused, raised or not as expected there.
    pub bad: bool,
    /// What happened.
    pub text: String,
}

/// Words that stand under an instant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Said {
    /// Where.
    pub at: Place,
    /// Who says it: the name of a lane, or a body's.
    pub who: String,
    /// What.
    pub text: String,
    /// Whether something was refused, raised or not as expected there.
    pub bad: bool,
}

impl Picture {
    /// The end of the axis.
    fn end(&self) -> Place {
        let instant = self.instants.len().saturating_sub(1);
        let slot = self.instants.last().map_or(0, |last| last.slots);
        Place { instant, slot }
    }

    /// The inks that are in it, in the legend's order.
    pub fn inks(&self) -> Vec<Ink> {
        let used = |ink: &Ink| {
            let mut bars = self.lanes.iter().flat_map(|lane| &lane.bars);
            bars.any(|bar| bar.ink == *ink)
        };
        Ink::ALL.into_iter().filter(used).collect()
    }

    /// The picture in a sentence, for those who do not see it.
    pub fn described(&self) -> String {
        let count = |ink: Ink| {
            let bodies = self
                .lanes
                .iter()
                .filter(|lane| lane.kind != LaneKind::Program);
            let bars = bodies.flat_map(|lane| &lane.bars);
            bars.filter(|bar| bar.ink == ink).count()
        };
        let workers = self.lanes.iter();
        let workers = workers.filter(|lane| lane.kind == LaneKind::Worker).count();
        let until = self.instants.last().map_or(Time(0), |last| last.at);
        let mut text = format!("From 0 to {until}, {}", plural(workers, "worker lane"));
        for ink in [Ink::Done, Ink::Raised, Ink::Killed, Ink::Lost, Ink::Open] {
            match count(ink) {
                0 => {}
                n => text += &format!(", {n} {}", ink.says()),
            }
        }
        let never = self
            .lanes
            .iter()
            .filter(|lane| lane.kind == LaneKind::Never);
        for bar in never.flat_map(|lane| &lane.bars) {
            text += &format!(", never ran: {}", bar.label);
        }
        text.push('.');
        for lane in self
            .lanes
            .iter()
            .filter(|lane| lane.kind == LaneKind::Program)
        {
            for bar in &lane.bars {
                let (from, to) = (
                    self.instants[bar.from.instant].at,
                    self.instants[bar.to.instant].at,
                );
                text += &match bar.ink {
                    Ink::Stuck => format!(
                        " {} waits in {} from {from} for ever.",
                        lane.name, bar.label
                    ),
                    _ => format!(" {} waits in {} from {from} to {to}.", lane.name, bar.label),
                };
            }
        }
        text
    }
}

fn plural(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    }
}
