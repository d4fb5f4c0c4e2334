//! The rows of the tables: what is measured, in which setting, and in which units it is told.

use crate::contestant::Order;

/// What is measured of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// W1: a no-op is submitted and waited for, over and over.
    OneAtATime,
    /// W1cold: the same, with a pause before each.
    Cold,
    /// W2: many no-ops are submitted, then all waited for.
    Burst,
    /// W3: squares of a million numbers, in the pool's own chunks.
    Map,
    /// W3c1: the same in chunks of one.
    MapOne,
    /// W4: tasks that are busy for a millisecond, on two workers.
    Efficiency,
    /// W5: bytes there and back.
    Echo {
        /// How many MiB at once.
        mib: usize,
        /// As a `String`, otherwise as `Vec<u8>`.
        text: bool,
    },
    /// W6: from nothing to the first result of a pool of four.
    Start,
    /// W6, in a program that has had no pool before.
    FirstStart,
    /// Results of no-ops, taken one by one.
    Stream(Order),
    /// Memory of a task that waits in the queue, with its handle.
    Queued,
    /// Memory of a worker process that has nothing to do.
    IdleMemory,
    /// Tasks that arrive at random, whether or not earlier ones are done.
    Open {
        /// How long each is busy.
        micros: u64,
        /// How many arrive.
        load: Load,
    },
}

/// The rate at which tasks arrive, of what a pool does at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// So much of what the slowest pool does: the same rate for all.
    OfSlowest(u32),
    /// So much of what this pool does.
    OfOwn(u32),
}

impl Load {
    pub(crate) fn part(self) -> f64 {
        let (Load::OfSlowest(percent) | Load::OfOwn(percent)) = self;
        f64::from(percent) / 100.0
    }
}

/// What else the machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Quiet,
    /// Beside two processes that never sleep.
    Busy,
    /// All threads and processes on one CPU, from the start of the program.
    OneCpu,
}

impl Setting {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Setting::Quiet => "",
            Setting::Busy => "2 busy loops beside",
            Setting::OneCpu => "on one CPU",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) workload: Workload,
    pub(crate) setting: Setting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    BytesPerSecond,
    Bytes,
    Number,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
    /// It only says what was done.
    Neither,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) better: Better,
}

const fn cost(name: &'static str, unit: Unit) -> Metric {
    let better = Better::Less;
    Metric { name, unit, better }
}

const fn gain(name: &'static str, unit: Unit) -> Metric {
    let better = Better::More;
    Metric { name, unit, better }
}

const fn fact(name: &'static str, unit: Unit) -> Metric {
    let better = Better::Neither;
    Metric { name, unit, better }
}

pub(crate) const P50: &str = "p50";
pub(crate) const P99: &str = "p99";
pub(crate) const P999: &str = "p99.9";
pub(crate) const CPU: &str = "CPU per task";
pub(crate) const SWITCHES: &str = "sleeps per task";
pub(crate) const TASKS: &str = "tasks";
pub(crate) const ITEMS: &str = "items";
pub(crate) const EFFICIENCY: &str = "efficiency";
pub(crate) const BYTES: &str = "bytes";
pub(crate) const TIME: &str = "time";
pub(crate) const PER_ITEM: &str = "per item";
pub(crate) const PER_TASK: &str = "per task";
pub(crate) const SYSTEM_CALLS: &str = "system calls per task";
pub(crate) const PSS: &str = "PSS";
pub(crate) const RATE: &str = "rate";

impl Workload {
    /// By which it is known on the command line.
    pub(crate) fn id(self) -> String {
        match self {
            Workload::OneAtATime => "W1".into(),
            Workload::Cold => "W1cold".into(),
            Workload::Burst => "W2".into(),
            Workload::Map => "W3".into(),
            Workload::MapOne => "W3c1".into(),
            Workload::Efficiency => "W4".into(),
            Workload::Echo { mib, text: false } => format!("W5-bytes-{mib}"),
            Workload::Echo { mib, text: true } => format!("W5-text-{mib}"),
            Workload::Start => "W6".into(),
            Workload::FirstStart => "W6first".into(),
            Workload::Stream(Order::Input) => "imap".into(),
            Workload::Stream(Order::Completion) => "imap_unordered".into(),
            Workload::Queued => "queued".into(),
            Workload::IdleMemory => "idle".into(),
            Workload::Open { micros, load } => match load {
                Load::OfSlowest(percent) => format!("open-{micros}us-{percent}"),
                Load::OfOwn(percent) => format!("open-{micros}us-own-{percent}"),
            },
        }
    }

    pub(crate) fn title(self) -> String {
        match self {
            Workload::OneAtATime => "W1 one no-op at a time".into(),
            Workload::Cold => "W1cold no-op after 2 ms of rest".into(),
            Workload::Burst => "W2 many no-ops, then all results".into(),
            Workload::Map => "W3 map of 1,000,000 u64".into(),
            Workload::MapOne => "W3c1 map in chunks of 1".into(),
            Workload::Efficiency => "W4 tasks of 1 ms on 2 workers".into(),
            Workload::Echo { mib, text: false } => format!("W5 echo of Vec<u8>, {mib} MiB"),
            Workload::Echo { mib, text: true } => format!("W5 echo of String, {mib} MiB"),
            Workload::Start => "W6 pool of 4, start to first result".into(),
            Workload::FirstStart => "W6 the same, first pool of a program".into(),
            Workload::Stream(Order::Input) => "imap of no-ops, chunks of 1".into(),
            Workload::Stream(Order::Completion) => "imap_unordered of no-ops, chunks of 1".into(),
            Workload::Queued => "a queued task with its handle".into(),
            Workload::IdleMemory => "an idle worker process".into(),
            Workload::Open { micros, load } => match load {
                Load::OfSlowest(percent) => format!("arrivals of {micros} us tasks, {percent} %"),
                Load::OfOwn(percent) => {
                    format!("arrivals of {micros} us tasks, {percent} % of its own")
                }
            },
        }
    }

    /// What is told of it, the most telling first.
    pub(crate) fn metrics(self) -> &'static [Metric] {
        match self {
            Workload::OneAtATime => {
                const {
                    &[
                        cost(P50, Unit::Seconds),
                        cost(P99, Unit::Seconds),
                        cost(CPU, Unit::Seconds),
                        cost(SWITCHES, Unit::Number),
                        cost(SYSTEM_CALLS, Unit::Number),
                    ]
                }
            }
            Workload::Cold => const { &[cost(P50, Unit::Seconds), cost(P99, Unit::Seconds)] },
            Workload::Burst => {
                const {
                    &[
                        gain(TASKS, Unit::PerSecond),
                        cost(CPU, Unit::Seconds),
                        cost(SWITCHES, Unit::Number),
                        cost(SYSTEM_CALLS, Unit::Number),
                    ]
                }
            }
            Workload::Map | Workload::MapOne => const { &[gain(ITEMS, Unit::PerSecond)] },
            Workload::Efficiency => const { &[gain(EFFICIENCY, Unit::Number)] },
            Workload::Echo { .. } => const { &[gain(BYTES, Unit::BytesPerSecond)] },
            Workload::Start | Workload::FirstStart => const { &[cost(TIME, Unit::Seconds)] },
            Workload::Stream(_) => const { &[cost(PER_ITEM, Unit::Seconds)] },
            Workload::Queued => const { &[cost(PER_TASK, Unit::Bytes)] },
            Workload::IdleMemory => const { &[cost(PSS, Unit::Bytes)] },
            Workload::Open { .. } => {
                const {
                    &[
                        cost(P50, Unit::Seconds),
                        cost(P99, Unit::Seconds),
                        cost(P999, Unit::Seconds),
                        cost(CPU, Unit::Seconds),
                        fact(RATE, Unit::PerSecond),
                    ]
                }
            }
        }
    }

    /// Whether it is measured in a program of its own.
    pub(crate) fn alone(self) -> bool {
        matches!(self, Workload::FirstStart | Workload::Queued)
    }
}

/// All rows of a table, in its order.
pub(crate) fn rows(processes: bool) -> Vec<Row> {
    let quiet = |workload| Row {
        workload,
        setting: Setting::Quiet,
    };
    let everywhere = |workload| {
        [Setting::Quiet, Setting::Busy, Setting::OneCpu].map(|setting| Row { workload, setting })
    };
    let mut rows = Vec::new();
    rows.extend(everywhere(Workload::OneAtATime));
    rows.push(quiet(Workload::Cold));
    rows.extend(everywhere(Workload::Burst));
    rows.extend([Workload::Map, Workload::MapOne, Workload::Efficiency].map(quiet));
    if processes {
        for text in [false, true] {
            rows.extend([1, 64].map(|mib| quiet(Workload::Echo { mib, text })));
        }
    }
    rows.push(quiet(Workload::Start));
    if processes {
        rows.push(quiet(Workload::FirstStart));
    }
    rows.extend([Order::Input, Order::Completion].map(|order| quiet(Workload::Stream(order))));
    rows.push(quiet(Workload::Queued));
    if processes {
        rows.push(quiet(Workload::IdleMemory));
    }
    for micros in [0, 1, 100] {
        for load in [
            Load::OfSlowest(10),
            Load::OfSlowest(50),
            Load::OfSlowest(90),
            Load::OfOwn(90),
        ] {
            rows.push(quiet(Workload::Open { micros, load }));
        }
    }
    rows
}
