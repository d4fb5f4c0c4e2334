//! What a task costs in allocations: its own cell, and nothing else.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use pool_thread::{Pool, ThreadPool};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread's allocations count: the test's own and the workers', but not those of whoever runs tests.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(usize::from(COUNTED.get()), Ordering::Relaxed);
        // SAFETY: handed on as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: handed on as it came.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const TASKS: usize = 100_000;

#[test]
fn a_hundred_thousand_tasks_allocate_at_most_once_each_and_a_block_for_many() {
    COUNTED.set(true);
    let pool = ThreadPool::builder()
        .size(2)
        .initializer(|| COUNTED.set(true))
        .build()
        .expect("a pool");
    // Threads, thread locals and whatever is made once are there after a worker's first task: two that meet
    // are one for each worker.
    let meet = Barrier::new(2);
    pool.map(|()| meet.wait().is_leader(), [(); 2])
        .expect("values");
    for _ in 0..100 {
        pool.apply(|()| (), ()).expect("a value");
    }
    let mut handles = Vec::with_capacity(TASKS);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for index in 0..TASKS {
        handles.push(
            pool.apply_async(|index| index, index)
                .expect("a running pool"),
        );
    }
    // Whoever must sleep until a value is there pays for that, which is no cost of the task: here they are all there.
    COUNTED.set(false);
    pool.close();
    pool.join().expect("closed");
    COUNTED.set(true);
    let sum: usize = handles
        .into_iter()
        .map(|handle| handle.get().expect("a value"))
        .sum();
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
    // The queue grows by blocks of many entries, which are no cost of one task.
    assert!(
        allocations <= TASKS + TASKS / 50,
        "{allocations} allocations for {TASKS} tasks"
    );
}
