//! A program with an asynchronous `main` and an allocator of its own: workers must take their place before either has
//! begun, and handles are futures for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::{Arguments, Failed, Trial};
use pool_process::{Pool, ProcessPool};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Counts what is allocated.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all of it is the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[tokio::main]
async fn main() -> ExitCode {
    let runtime = Handle::current();
    // The trial may run on this very thread.
    let trial = Trial::test("workers_of_an_asynchronous_program", move || {
        block_in_place(|| runtime.block_on(check())).map_err(Failed::from)
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

async fn check() -> Result<(), Box<dyn std::error::Error>> {
    for builder in [ProcessPool::builder(), ProcessPool::builder().reexec()] {
        let pool = builder.size(2).build()?;
        let square = pool.apply_async(|x: u64| x * x, 7)?;
        let threads = pool.apply_async(
            |()| std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count),
            (),
        )?;
        let allocations = pool.apply_async(|()| ALLOCATIONS.load(Ordering::Relaxed), ())?;
        assert_eq!(square.await?, 49);
        assert_eq!(threads.await?, 1, "a worker has no runtime");
        assert!(allocations.await? > 0, "but the program's allocator");
        pool.close();
        pool.join()?;
    }
    Ok(())
}
