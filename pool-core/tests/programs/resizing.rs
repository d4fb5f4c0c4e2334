//! How many workers a pool has while it is resized, and while there is nothing to do: for the tests of each backend.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::stat::Mode;
use pool_core::{AsyncResult, Pool, StartError, Timers};

use crate::clock::Clock;
use crate::notes::Notes;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// What a program sets of its pool.
pub(crate) struct Setup {
    pub(crate) size: usize,
    pub(crate) notes: Arc<Notes>,
    pub(crate) timers: Timers,
    pub(crate) idle_timeout: Option<Duration>,
}

impl Setup {
    fn new(size: usize) -> (Setup, Arc<Notes>) {
        let notes = Arc::new(Notes::default());
        let setup = Setup {
            size,
            notes: notes.clone(),
            timers: Timers::real(),
            idle_timeout: None,
        };
        (setup, notes)
    }
}

/// Gates, behind each of which a task can wait in any process.
struct Gates(tempfile::TempDir);

impl Gates {
    fn new(count: usize) -> Result<Gates, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        for gate in 0..count {
            nix::unistd::mkfifo(&folder.path().join(gate.to_string()), Mode::S_IRWXU)?;
        }
        Ok(Gates(folder))
    }

    fn gate(&self, gate: usize) -> PathBuf {
        self.0.path().join(gate.to_string())
    }

    /// Lets the task pass, as soon as it is there.
    fn open(&self, gate: usize) -> std::io::Result<()> {
        std::fs::write(self.gate(gate), gate.to_string())
    }
}

/// Waits until the gate is open.
fn pass(gate: PathBuf) -> String {
    std::fs::read_to_string(gate).unwrap_or_else(|error| error.to_string())
}

fn double(x: u32) -> u32 {
    2 * x
}

/// Has as many tasks run as there are gates, each behind its own.
fn tasks_at<P: Pool>(
    pool: &P,
    gates: Range<usize>,
    at: &Gates,
) -> Result<Vec<AsyncResult<String>>, Box<dyn std::error::Error>> {
    let submit = |gate| Ok(pool.apply_async(pass, at.gate(gate))?);
    gates.map(submit).collect()
}

/// A pool that grows takes more tasks at once; one that shrinks lets those go that have nothing to do.
pub(crate) fn grows_and_shrinks<P: Pool>(
    start: impl Fn(Setup) -> Result<P, StartError>,
) -> Outcome {
    let (setup, notes) = Setup::new(1);
    let (pool, gates) = (start(setup)?, Gates::new(1)?);
    let first = pool.apply_async(pass, gates.gate(0))?;
    notes.wait_for(1, "0 0 0..0");
    let second = pool.apply_async(double, 2)?;
    pool.resize(3)?;
    assert_eq!(second.get()?, 4);
    notes.wait_for(3, "started");
    assert_eq!(pool.size(), 3);
    pool.resize(1)?;
    notes.wait_for(2, "ended: Left");
    assert_eq!(pool.size(), 1);
    gates.open(0)?;
    assert_eq!(first.get()?, "0");
    assert_eq!(pool.apply(double, 3)?, 6);
    assert!(matches!(pool.resize(0), Err(StartError::NoWorkers)));
    let too_many = pool.resize(usize::MAX);
    assert!(matches!(too_many, Err(StartError::TooManyWorkers { .. })));
    assert_eq!(pool.size(), 1);
    pool.close();
    pool.resize(2)?;
    pool.join()?;
    pool.resize(3)?;
    let mut told = notes.taken();
    told.retain(|note| note.ends_with("started") || note.contains("ended:"));
    let ended = told.iter().filter(|note| note.ends_with("ended: Left"));
    assert_eq!(ended.count() * 2, told.len(), "{told:?}");
    assert!(told.len() <= 8, "{told:?}");
    Ok(())
}

/// Workers that are too many end their tasks before they leave, and what is queued is done by those that stay.
pub(crate) fn shrinks_while_all_are_busy<P: Pool>(
    start: impl Fn(Setup) -> Result<P, StartError>,
) -> Outcome {
    let (setup, notes) = Setup::new(3);
    let (pool, gates) = (start(setup)?, Gates::new(3)?);
    let busy = tasks_at(&pool, 0..3, &gates)?;
    notes.wait_for(3, "0..0");
    pool.resize(1)?;
    let queued = pool.map_async(double, 0..100)?;
    for gate in [1, 2, 0] {
        gates.open(gate)?;
    }
    for (gate, task) in busy.into_iter().enumerate() {
        assert_eq!(task.get()?, gate.to_string());
    }
    assert_eq!(queued.get()?.iter().sum::<u32>(), 9900);
    notes.wait_for(2, "ended: Left");
    pool.resize(2)?;
    assert_eq!(pool.map(double, [1, 2])?, [2, 4]);
    notes.wait_for(4, "started");
    pool.terminate();
    pool.resize(4)?;
    pool.join()?;
    notes.wait_for(4, "ended: Left");
    let told = notes.taken();
    let started = told.iter().filter(|note| note.ends_with("started"));
    assert_eq!(started.count(), 4, "{told:?}");
    Ok(())
}

/// However often it is resized meanwhile, no item is lost and none is done twice.
pub(crate) fn loses_nothing<P: Pool>(start: impl Fn(Setup) -> Result<P, StartError>) -> Outcome {
    let (setup, notes) = Setup::new(2);
    let pool = start(setup)?;
    for size in [4, 1, 3, 2, 5, 1, 9, 2].into_iter().cycle().take(40) {
        let maps = [1, 7].map(|size| pool.each(double, 0..200).chunksize(size).submit());
        let calls = (0..20).map(|x| pool.apply_async(double, x));
        let calls = calls.collect::<Result<Vec<_>, _>>()?;
        pool.resize(size)?;
        for map in maps {
            assert_eq!(map?.get()?, (0..200).map(double).collect::<Vec<_>>());
        }
        for (x, call) in (0..).zip(calls) {
            assert_eq!(call.get()?, double(x));
        }
    }
    pool.close();
    pool.join()?;
    let told = notes.taken();
    let lost = told.iter().find(|note| note.ends_with("ended: Lost"));
    assert_eq!(lost, None);
    Ok(())
}

/// Workers that have nothing to do leave after a while, all but one, and come back when there is more to do than that one can.
pub(crate) fn idle_workers_leave<P: Pool>(
    start: impl Fn(Setup) -> Result<P, StartError>,
) -> Outcome {
    const LIMIT: Duration = Duration::from_secs(3);
    let (clock, armed) = Clock::new();
    let (setup, notes) = Setup::new(3);
    let pool = start(Setup {
        timers: clock.timers(),
        idle_timeout: Some(LIMIT),
        ..setup
    })?;
    for _ in 0..3 {
        armed.expect(LIMIT);
    }
    armed.none();
    clock.advance(LIMIT);
    notes.wait_for(2, "ended: Left");
    assert_eq!((pool.apply(double, 4)?, pool.size()), (8, 3));
    let gates = Gates::new(5)?;
    let tasks = tasks_at(&pool, 0..5, &gates)?;
    // The first three are there at once.
    for gate in [2, 1, 0, 3, 4] {
        gates.open(gate)?;
    }
    for task in tasks {
        task.get()?;
    }
    pool.close();
    pool.join()?;
    let told = notes.taken();
    let started = told.iter().filter(|note| note.ends_with("started"));
    assert_eq!(started.count(), 5, "{told:?}");
    assert_eq!(clock.running(), 0);
    Ok(())
}
