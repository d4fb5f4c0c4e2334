//! Children that the program forks: each has a copy of the parent's memory, and of its threads only the one that forked.
//!
//! A pool, a timer or a lock of the parent is of no use in such a child: no thread takes tasks there, and none unlocks what
//! another thread held at the fork. So what belongs to a process stores its [`OwnerProcess`], and every use of it first checks
//! whether the calling process is still that one. The check is one plain load, which the compiler takes out of a loop whose body it
//! knows; `getpid` would cost more than a small task.
//!
//! # Safety
//!
//! `pthread_atfork` and `_exit` are POSIX's; the first takes functions that live as long as the program. The one that it calls in
//! a child is all that writes the number of forks: the child has one thread then, and starts others later. So no thread ever reads
//! it meanwhile, and it needs no atomic. What a [`PerProcess`] points to was allocated by a `Box` and is never freed.
#![expect(
    unsafe_code,
    reason = "a handler that the C library calls in a forked child"
)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicPtr, Ordering};

/// How many forks lie between the program's first process and this one.
static FORKS: Forks = Forks(UnsafeCell::new(0));

struct Forks(UnsafeCell<u32>);

// SAFETY: see the module's head: it is written where there is one thread.
unsafe impl Sync for Forks {}

impl Forks {
    #[inline]
    fn count(&self) -> u32 {
        // SAFETY: as above.
        unsafe { *self.0.get() }
    }
}

/// A process of this program, distinguished from the children that it forks.
///
/// # Examples
///
/// ```
/// use pool_core::backend::OwnerProcess;
///
/// let owner = OwnerProcess::current();
/// assert!(owner.is_current()); // and in a child that this process forks it is not
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerProcess(u32);

impl OwnerProcess {
    /// The calling process.
    #[inline]
    pub fn current() -> OwnerProcess {
        watch();
        OwnerProcess(FORKS.count())
    }

    /// Whether it is the calling process.
    #[inline]
    pub fn is_current(self) -> bool {
        self.0 == FORKS.count()
    }
}

/// Ends the calling process if it is a forked copy of this owner: the caller's code has forked, and both sides have returned
/// from it to a pool. The copy has none of the pool's threads but the one that it runs on, so it cannot go on. Buffers and
/// handlers for the exit are its parent's: it ends without them.
#[inline]
pub fn end_copy(owner: OwnerProcess) {
    if !owner.is_current() {
        end_now();
    }
}

#[cfg(unix)]
#[cold]
fn end_now() -> ! {
    unsafe extern "C" {
        fn _exit(code: std::ffi::c_int) -> !;
    }
    // SAFETY: it has no preconditions.
    unsafe { _exit(0) }
}

/// Nothing forks here.
#[cfg(not(unix))]
fn end_now() -> ! {
    std::process::exit(0)
}

/// Has forks counted from now on.
#[cfg(unix)]
#[inline]
fn watch() {
    // Not a `Once`: a child that is forked in the middle of one would wait for ever.
    static WATCHED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    if !WATCHED.load(Ordering::Relaxed) && !WATCHED.swap(true, Ordering::AcqRel) {
        register();
    }
}

#[cfg(unix)]
#[cold]
fn register() {
    use std::ffi::c_int;

    unsafe extern "C" {
        fn pthread_atfork(
            prepare: Option<extern "C" fn()>,
            parent: Option<extern "C" fn()>,
            child: Option<extern "C" fn()>,
        ) -> c_int;
    }

    extern "C" fn forked() {
        // SAFETY: called in a child, by its only thread.
        unsafe { *FORKS.0.get() = FORKS.count().wrapping_add(1) };
    }

    // SAFETY: see the module's head. It fails where there is no memory for three pointers: then a forked child takes itself for
    // its parent, as it would without this.
    unsafe { pthread_atfork(None, None, Some(forked)) };
}

/// Nothing forks here.
#[cfg(not(unix))]
fn watch() {}

/// A value that each process makes for itself when it first asks for it, behind no lock: one that was held at a fork would stay
/// locked in the child. That of the parent is left as it is.
///
/// # Examples
///
/// ```
/// use pool_core::backend::PerProcess;
/// use std::sync::Mutex;
///
/// static NAMES: PerProcess<Mutex<Vec<String>>> = PerProcess::new();
///
/// assert!(NAMES.get().lock().is_ok_and(|names| names.is_empty()));
/// ```
pub struct PerProcess<T>(AtomicPtr<(OwnerProcess, T)>);

impl<T: Default + Send + Sync + 'static> PerProcess<T> {
    /// Nothing was made yet.
    pub const fn new() -> Self {
        PerProcess(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// The calling process's own.
    pub fn get(&self) -> &'static T {
        let mut there = self.0.load(Ordering::Acquire);
        loop {
            // SAFETY: null, or what was published below, which is never freed.
            match unsafe { there.as_ref() } {
                Some((owner, value)) if owner.is_current() => return value,
                _ => {}
            }
            let made = Box::into_raw(Box::new((OwnerProcess::current(), T::default())));
            match self
                .0
                .compare_exchange(there, made, Ordering::AcqRel, Ordering::Acquire)
            {
                // SAFETY: published for good by this thread.
                Ok(_) => return unsafe { &(*made).1 },
                Err(other) => {
                    // SAFETY: made above, and nobody else has seen it.
                    drop(unsafe { Box::from_raw(made) });
                    there = other;
                }
            }
        }
    }
}

impl<T: Default + Send + Sync + 'static> Default for PerProcess<T> {
    fn default() -> Self {
        PerProcess::new()
    }
}

impl<T> std::fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerProcess").finish_non_exhaustive()
    }
}
