//! An observer that writes down what it is told.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use pool_core::{Observer, TaskEnd, TaskInfo, Worker, WorkerEnd};

/// What it was told, without times.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>, Condvar);

impl Notes {
    fn note(&self, note: String) {
        self.0.lock().expect("whole").push(note);
        self.1.notify_all();
    }

    /// Waits for so many notes that end so, a minute at most.
    #[allow(dead_code, reason = "threads tell it all before a call returns")]
    pub(crate) fn wait_for(&self, count: usize, note: &str) {
        let notes = self.0.lock().expect("whole");
        let is_missing = |notes: &mut Vec<String>| {
            let found = notes.iter().filter(|other| other.ends_with(note));
            found.count() < count
        };
        let minute = Duration::from_secs(60);
        let waited = self.1.wait_timeout_while(notes, minute, is_missing);
        let (notes, timeout) = waited.expect("whole");
        assert!(!timeout.timed_out(), "not {count} times {note}: {notes:?}");
    }

    #[allow(dead_code, reason = "not all programs ask for it")]
    pub(crate) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("whole"))
    }
}

impl Observer for Notes {
    fn worker_started(&self, worker: &Worker) {
        let is_thread = worker.name.starts_with("Thread");
        assert_eq!(worker.pid == std::process::id(), is_thread);
        self.note(format!("{} started", worker.name));
    }

    fn worker_ended(&self, worker: &Worker, end: WorkerEnd) {
        self.note(format!("{} ended: {end:?}", worker.name));
    }

    fn task_started(&self, worker: &Worker, task: &TaskInfo) {
        let submitted = task.submitted.file();
        let is_here = ["watching.rs", "resizing.rs"].map(|file| submitted.ends_with(file));
        assert!(is_here.contains(&true), "{submitted}");
        let items = task.items.clone().unwrap_or_default();
        self.note(format!("{} {} {items:?}", worker.index, task.number));
    }

    fn task_ended(&self, worker: &Worker, task: &TaskInfo, end: TaskEnd, _: Duration) {
        let (index, number) = (worker.index, task.number);
        self.note(format!("{index} {number} {end:?}"));
        if end == TaskEnd::Panicked {
            panic!("an observer's panic changes nothing");
        }
    }
}
