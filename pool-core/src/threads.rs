//! Threads of a pool's own, with room for what the user's code does there.

use std::thread;

/// What a main thread has by default. It is address space: memory is taken as far as the stack is used.
const STACK: usize = 8 * 1024 * 1024;

/// A thread of a pool on which the user's code may run: tasks, callbacks, wakers, inputs, drops, encoding and decoding. Its
/// stack has 8 MiB, as a main thread's has by default, or what the environment variable `RUST_MIN_STACK` says.
///
/// # Examples
///
/// ```
/// let thread = pool_core::backend::thread_builder("pool-example").spawn(|| [0_u8; 4 * 1024 * 1024].len())?;
/// assert_eq!(thread.join().ok(), Some(4 * 1024 * 1024));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn thread_builder(name: impl Into<String>) -> thread::Builder {
    let thread = thread::Builder::new().name(name.into());
    match std::env::var_os("RUST_MIN_STACK") {
        // `std` reads it.
        Some(_) => thread,
        None => thread.stack_size(STACK),
    }
}

/// As [`thread_builder`], for a thread that a model checker may run.
#[cfg(not(all(test, any(loom, shuttle))))]
pub(crate) use thread_builder as checked_thread_builder;

#[cfg(all(test, any(loom, shuttle)))]
pub(crate) fn checked_thread_builder(name: &str) -> crate::sync::thread::Builder {
    crate::sync::thread::Builder::new().name(name.to_owned())
}
