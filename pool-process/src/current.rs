//! What the calling process is called.

use std::sync::OnceLock;

/// The name of a process that was started by this crate.
static NAME: OnceLock<String> = OnceLock::new();

/// The process that runs the calling code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentProcess {
    /// `MainProcess`, or the name it was started with.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

/// The process that runs the calling code.
///
/// Source: `multiprocessing.current_process` in CPython's documentation.
///
/// # Examples
///
/// ```
/// assert_eq!(pool_process::current_process().name, "MainProcess");
/// ```
pub fn current_process() -> CurrentProcess {
    let name = NAME.get().map_or("MainProcess", String::as_str);
    CurrentProcess {
        name: name.to_owned(),
        pid: std::process::id(),
    }
}

/// Gives this process its name; the first one stays.
pub(crate) fn set_name(name: &str) {
    NAME.get_or_init(|| name.to_owned());
}
