//! From a history to a picture: one pass over the events.

use std::collections::{BTreeMap, BTreeSet};

use super::said::{grouped, one_line};
use super::{Bar, Ink, Instant, Lane, LaneKind, Mark, Picture, Place, Said};
use crate::history::{Ending, History, Key, What, Who};
use crate::judge::facts::{label, task};
use crate::judge::lanes::{self, Lanes};
use crate::judge::transcript::outcome;
use crate::protocol::Call;

/// Where a lane stands in the picture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Main,
    Thread(String),
    Body(lanes::Lane),
    Never,
}

/// A call that has not returned.
struct Open<'h> {
    from: Place,
    text: &'h str,
    /// Its entry among the calls, and its mark on the lane.
    said: usize,
    mark: usize,
    submits: Vec<Key>,
}

/// A picture in the making.
struct Builder<'h> {
    history: &'h History,
    lanes: Lanes,
    instants: Vec<Instant>,
    rows: BTreeMap<Row, Lane>,
    calls: Vec<Said>,
    output: Vec<Said>,
    open_calls: BTreeMap<&'h Who, Open<'h>>,
    open_bodies: BTreeMap<Key, usize>,
    /// Tasks that were handed in and have not begun: since when.
    queued: BTreeMap<Key, Place>,
    /// Pools that were told to stop, and where.
    stopped: BTreeMap<&'h str, Place>,
}

impl Picture {
    /// The picture of a run, real or predicted. Runs with the same transcript have the same picture, unless a pool
    /// has the machine's size.
    ///
    /// # Examples
    /// ```
    /// use spec_harness::case::ast::{Case, Kind};
    /// use spec_harness::model::{Prediction, predict};
    /// use spec_harness::picture::text::{Look, plain};
    /// use spec_harness::picture::{Picture, svg};
    ///
    /// let text = "\
    /// spec: 1
    /// title: two tasks
    /// tasks:
    ///   f(i):
    ///     - sleep: i
    /// main:
    ///   - pool: 2
    ///   - map: f
    ///     over: [1, 2]
    ///   - close
    ///   - join
    /// ";
    /// let case = Case::parse("two", text).expect("it is in order");
    /// if let Prediction::Ran(history) = predict(&case, Kind::Thread) {
    ///     let picture = Picture::of(&history);
    ///     assert!(plain(&picture, Look::default()).contains("w1      █f(2)█"));
    ///     assert!(svg::standalone(&picture, &case.title, "threads").starts_with("<svg "));
    /// }
    /// ```
    pub fn of(history: &History) -> Picture {
        let mut builder = Builder {
            history,
            lanes: Lanes::of(history),
            instants: Vec::new(),
            rows: BTreeMap::new(),
            calls: Vec::new(),
            output: Vec::new(),
            open_calls: BTreeMap::new(),
            open_bodies: BTreeMap::new(),
            queued: BTreeMap::new(),
            stopped: BTreeMap::new(),
        };
        builder.lane(&Row::Main);
        for event in &history.events {
            if builder
                .instants
                .last()
                .is_none_or(|last| last.at != event.at)
            {
                builder.instants.push(Instant {
                    at: event.at,
                    slots: 0,
                });
            }
            builder.event(&event.who, &event.what);
        }
        builder.finish()
    }
}

impl<'h> Builder<'h> {
    /// Here and now: what begins now comes after all that has begun and ended in this instant.
    fn here(&self) -> Place {
        Place {
            instant: self.instants.len().saturating_sub(1),
            slot: self.instants.last().map_or(0, |last| last.slots),
        }
    }

    fn lane(&mut self, row: &Row) -> &mut Lane {
        let history = self.history;
        self.rows.entry(row.clone()).or_insert_with(|| {
            let (name, kind) = match row {
                Row::Main => ("main".to_owned(), LaneKind::Program),
                Row::Thread(name) => (name.clone(), LaneKind::Program),
                Row::Body(lanes::Lane::Worker(pool, lane)) => {
                    let name = match history.pools.get(*pool) {
                        Some(pool) if history.pools.len() > 1 => format!("{}/w{lane}", pool.name),
                        _ => format!("w{lane}"),
                    };
                    (name, LaneKind::Worker)
                }
                Row::Body(lanes::Lane::Process(number)) => (format!("q{number}"), LaneKind::Worker),
                Row::Body(lanes::Lane::Callbacks) => ("callbacks".to_owned(), LaneKind::Callbacks),
                Row::Never => ("never ran".to_owned(), LaneKind::Never),
            };
            Lane {
                name,
                kind,
                depth: 1,
                bars: Vec::new(),
                marks: Vec::new(),
            }
        })
    }

    fn row(&self, who: &Who) -> Row {
        match who {
            Who::Main => Row::Main,
            Who::Thread(name) => Row::Thread(name.clone()),
            // A body that acts has begun.
            Who::Puppet(key) => self.lanes.row(*key).map_or(Row::Main, Row::Body),
        }
    }

    fn name(&self, who: &Who) -> String {
        match who {
            Who::Main => "main".to_owned(),
            Who::Thread(name) => name.clone(),
            Who::Puppet(key) => {
                task(self.history, *key).map_or_else(|| format!("body {key}"), label)
            }
        }
    }

    fn event(&mut self, who: &'h Who, what: &'h What) {
        let here = self.here();
        let row = self.row(who);
        match what {
            What::Print(line) => {
                let text = match who {
                    Who::Puppet(key) => self.lanes.line(*key, line),
                    _ => line.clone(),
                };
                let who = self.name(who);
                self.output.push(Said {
                    at: here,
                    who,
                    text: one_line(&text),
                    bad: false,
                });
            }
            What::Call { text, command, .. } => self.called(who, &row, text, command),
            What::Submit { key } => {
                self.queued.insert(*key, here);
                if let Some(open) = self.open_calls.get_mut(who) {
                    open.submits.push(*key);
                }
            }
            What::Return { result, .. } => {
                let raised = result.as_ref().err().map(|_| outcome(result));
                if let (Err(error), Some(open)) = (result, self.open_calls.get(who))
                    && matches!(
                        error.kind.as_str(),
                        "NotRunning" | "InvalidChunksize" | "QueueFull"
                    )
                {
                    // What was refused never waited for its turn.
                    for key in &open.submits {
                        self.queued.remove(key);
                    }
                }
                self.returned(who, &row, raised, Ink::Waits);
            }
            What::Blocked { .. } => self.returned(who, &row, None, Ink::Stuck),
            What::Unmet { text, .. } => {
                let text = format!("! {text}");
                self.mark(&row, &text, true);
                let who = self.name(who);
                self.calls.push(Said {
                    at: here,
                    who,
                    text: one_line(&text),
                    bad: true,
                });
            }
            What::Begin { .. } => self.began(who, &row),
            What::End { fate } => self.ended(who, &row, Ink::of(*fate)),
            What::KillsWorker { of } => {
                let task = task(self.history, *of).map(label).unwrap_or_default();
                let text = format!("kills the worker of {task}");
                self.mark(&row, &text, false);
                let who = self.name(who);
                self.calls.push(Said {
                    at: here,
                    who,
                    text,
                    bad: false,
                });
            }
            What::Left(worker) => {
                let text = format!("! {worker} is left");
                self.mark(&Row::Main, &text, true);
            }
            What::Exit { code: 0 } => {}
            What::Exit { code } => {
                let text = format!("the program ends with code {code}");
                self.mark(&Row::Main, &text, true);
            }
        }
    }

    fn mark(&mut self, row: &Row, text: &str, bad: bool) -> usize {
        let (at, text) = (self.here(), one_line(text));
        let marks = &mut self.lane(row).marks;
        marks.push(Mark { at, bad, text });
        marks.len() - 1
    }

    fn called(&mut self, who: &'h Who, row: &Row, text: &'h str, command: &'h Call) {
        let from = self.here();
        let mark = self.mark(row, text, false);
        self.calls.push(Said {
            at: from,
            who: self.name(who),
            text: text.to_owned(),
            bad: false,
        });
        if let Call::Terminate { pool } | Call::Drop { pool } = command {
            self.stopped.entry(pool).or_insert(from);
        }
        let open = Open {
            from,
            text,
            said: self.calls.len() - 1,
            mark,
            submits: Vec::new(),
        };
        self.open_calls.insert(who, open);
    }

    fn returned(&mut self, who: &'h Who, row: &Row, raised: Option<String>, ink: Ink) {
        let Some(open) = self.open_calls.remove(who) else {
            return;
        };
        let to = self.here();
        if open.from.instant == to.instant && ink != Ink::Stuck {
            if let Some(raised) = raised {
                let text = one_line(&format!("{}:{raised}", open.text));
                let mark = &mut self.lane(row).marks[open.mark];
                (mark.bad, mark.text) = (true, text.clone());
                let said = &mut self.calls[open.said];
                (said.bad, said.text) = (true, text);
            }
            return;
        }
        self.bar(row, open.from, to, open.text.to_owned(), ink);
        if let Some(raised) = raised {
            let text = one_line(&format!("{}:{raised}", open.text));
            self.mark(row, &text, true);
            let who = self.name(who);
            self.calls.push(Said {
                at: to,
                who,
                text,
                bad: true,
            });
        }
    }

    fn began(&mut self, who: &Who, row: &Row) {
        let Who::Puppet(key) = who else { return };
        self.queued.remove(key);
        if self.open_bodies.contains_key(key) {
            return;
        }
        let (here, label) = (self.here(), self.name(who));
        let index = self.bar(row, here, here, label, Ink::Open);
        self.open_bodies.insert(*key, index);
    }

    fn ended(&mut self, who: &Who, row: &Row, ink: Ink) {
        let Who::Puppet(key) = who else { return };
        let Some(index) = self.open_bodies.remove(key) else {
            return;
        };
        let mut to = self.here();
        let from = self.lane(row).bars[index].from;
        if from.instant == to.instant {
            to.slot = from.slot + 1;
            if let Some(last) = self.instants.last_mut() {
                last.slots = last.slots.max(to.slot);
            }
        }
        let bar = &mut self.lane(row).bars[index];
        (bar.to, bar.ink) = (to, ink);
    }

    /// Adds a bar in the first row of its lane that is free there.
    fn bar(&mut self, row: &Row, from: Place, to: Place, label: String, ink: Ink) -> usize {
        let running = |bar: &Bar| bar.ink == Ink::Open;
        let waits = matches!(ink, Ink::Waits | Ink::Stuck);
        let lane = self.lane(row);
        // A body's own wait lies on the body's bar.
        let below = if waits && lane.kind != LaneKind::Program {
            let bars = lane.bars.iter();
            bars.filter(|bar| running(bar))
                .map(|bar| bar.row)
                .max()
                .unwrap_or(0)
        } else {
            let taken: BTreeSet<usize> = lane
                .bars
                .iter()
                .filter(|bar| running(bar) && ink == Ink::Open)
                .map(|bar| bar.row)
                .collect();
            (0..).find(|row| !taken.contains(row)).unwrap_or(0)
        };
        lane.depth = lane.depth.max(below + 1);
        lane.bars.push(Bar {
            from,
            to,
            row: below,
            label,
            ink,
        });
        lane.bars.len() - 1
    }

    fn finish(mut self) -> Picture {
        let stuck: Vec<&Who> = self.open_calls.keys().copied().collect();
        let mut end = self.here();
        // Room for what goes on for ever.
        if let Some(last) = self.instants.last_mut()
            && !(stuck.is_empty() && self.open_bodies.is_empty())
        {
            last.slots += 1;
            end.slot += 1;
        }
        for who in stuck {
            let row = self.row(who);
            self.returned(who, &row, None, Ink::Stuck);
        }
        for lane in self.rows.values_mut() {
            for bar in lane.bars.iter_mut() {
                if matches!(bar.ink, Ink::Open | Ink::Stuck) {
                    bar.to = end;
                }
            }
        }
        self.never(end);
        let ending = match &self.history.ending {
            Ending::Finished => None,
            Ending::Deadlock(why) => Some(format!("deadlock: {why}")),
            Ending::Broken(why) => Some(format!("broken: {why}")),
            Ending::Leaked(why) => Some(format!("left behind: {why}")),
            Ending::Unknown(why) => Some(format!("unknown: {why}")),
        };
        let mut lanes: Vec<Lane> = self.rows.into_values().collect();
        for lane in &mut lanes {
            lane.bars
                .sort_by_key(|bar| (bar.from, matches!(bar.ink, Ink::Waits | Ink::Stuck)));
        }
        Picture {
            instants: self.instants,
            lanes,
            calls: grouped(self.calls),
            output: self.output,
            ending: ending.map(|text| one_line(&text)),
        }
    }

    /// What was handed in and never began, from when to when it waited.
    fn never(&mut self, end: Place) {
        let mut groups: BTreeMap<(Place, Place), Vec<String>> = BTreeMap::new();
        for (key, since) in std::mem::take(&mut self.queued) {
            let Some(task) = task(self.history, key).filter(|task| !task.callback) else {
                continue;
            };
            let pool = task.pool.as_deref();
            let until = pool.and_then(|pool| self.stopped.get(pool)).copied();
            let until = until.filter(|until| *until >= since).unwrap_or(end);
            let since = Place { slot: 0, ..since };
            let until = self.apart(since, until);
            groups.entry((since, until)).or_default().push(label(task));
        }
        let mut rows: Vec<Place> = Vec::new();
        for ((from, to), names) in groups {
            let text = match names.as_slice() {
                [first, .., last] if names.len() > 3 => {
                    format!("{first} … {last}, {} tasks", names.len())
                }
                names => names.join(", "),
            };
            let row = rows.iter().position(|until| *until <= from);
            let row = row.unwrap_or(rows.len());
            rows.resize(rows.len().max(row + 1), to);
            rows[row] = to;
            let lane = self.lane(&Row::Never);
            lane.depth = lane.depth.max(row + 1);
            lane.bars.push(Bar {
                from,
                to,
                row,
                label: text,
                ink: Ink::Never,
            });
        }
    }
}

impl Builder<'_> {
    /// The end of a bar that is to be seen although no time passes.
    fn apart(&mut self, from: Place, to: Place) -> Place {
        if to.instant > from.instant {
            return to;
        }
        let slot = to.slot.max(from.slot + 1);
        if let Some(instant) = self.instants.get_mut(to.instant) {
            instant.slots = instant.slots.max(slot);
        }
        Place { slot, ..to }
    }
}
