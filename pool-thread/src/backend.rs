//! The thread backend: what the engine orders of its threads.

use std::sync::{Arc, Mutex};

use pool_core::{Backend, Carry, Cell, Deadline, Feed, StartError, Work};

use crate::crew::{Crew, lock};
use crate::initializer::Settings;
use crate::job::RunHere;

/// Workers that are threads: the backend behind a [`ThreadPool`](crate::ThreadPool).
#[derive(Debug)]
pub struct Threads {
    /// Until the start.
    settings: Mutex<Option<Settings>>,
    /// From the start on.
    crew: Mutex<Option<Arc<Crew>>>,
}

impl Threads {
    pub(crate) fn new(settings: Settings) -> Self {
        Threads {
            settings: Mutex::new(Some(settings)),
            crew: Mutex::new(None),
        }
    }
}

impl Threads {
    /// Threads that live, and threads that were ever started.
    pub(crate) fn head_count(&self) -> (usize, usize) {
        let crew = lock(&self.crew).clone();
        crew.map_or((0, 0), |crew| crew.head_count())
    }
}

impl Backend for Threads {
    type Job = dyn RunHere;

    const KIND: &'static str = "thread";

    fn start(&self, feed: &Arc<Feed<dyn RunHere>>) -> Result<(), StartError> {
        let settings = lock(&self.settings).take().unwrap_or_default();
        let crew = Crew::new(feed, settings);
        *lock(&self.crew) = Some(crew.clone());
        crew.hire_all()
    }

    fn wake(&self) {}

    fn drain(&self) {}

    fn abandon(&self) {}

    fn reap(&self, deadline: &Deadline) -> bool {
        let crew = lock(&self.crew).clone();
        crew.is_none_or(|crew| crew.reap(deadline))
    }
}

impl<W: Work + 'static> Carry<W> for Threads {
    fn load(cell: Arc<Cell<dyn RunHere, W>>) -> Arc<dyn RunHere> {
        cell
    }
}
