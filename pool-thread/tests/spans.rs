//! The spans of the crate `tracing` that a pool of threads makes of its tasks.

use std::io;
use std::sync::{Arc, Mutex};

use pool_core::TracingObserver;
use pool_thread::{Pool, ThreadPool};
use tracing_subscriber::fmt::format::FmtSpan;

/// A writer into memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_task_tells_belongs_to_its_span() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_span_events(FmtSpan::CLOSE)
        .without_time()
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("there is no other");
    let observer = Arc::new(TracingObserver::default());
    let pool = ThreadPool::builder().size(1).observer(observer).build();
    let pool = pool.expect("a pool");
    let outer = pool.apply(
        |x: u32| {
            tracing::info!("outer begins");
            let inner = pool.apply(|x: u32| tracing::info!("inner of {x}"), x);
            tracing::info!("outer ends");
            inner
        },
        7,
    );
    assert!(outer.is_ok_and(|inner| inner.is_ok()));
    pool.close();
    pool.join().expect("closed");
    let lines = String::from_utf8(lines.0.lock().expect("whole").clone()).expect("text");
    let task = |number: u32| format!("task{{number={number} ");
    for (what, number) in [("outer begins", 0), ("inner of 7", 1), ("outer ends", 0)] {
        let line = lines.lines().find(|line| line.contains(what));
        assert!(
            line.is_some_and(|line| line.contains(&task(number))),
            "{lines}"
        );
    }
    let ends = lines.lines().filter(|line| line.contains("close"));
    let ends: Vec<&str> = ends.collect();
    assert_eq!(ends.len(), 2, "{lines}");
    let is_end = |line: &&str| line.contains("end=Done") && line.contains("tests/spans.rs");
    assert!(ends.iter().all(is_end), "{lines}");
}
