//! The environment of a node that has just begun: the only place where it is written.
//!
//! # Safety
//!
//! Writing the environment is only sound while no other thread reads it. A node takes its variables before `main`, when nothing of the
//! program has run but initialisers.
#![expect(
    unsafe_code,
    reason = "the environment of a process that has just begun"
)]

use std::env;
use std::ffi::OsString;

/// Takes a variable out of the environment.
pub(crate) fn take(name: &str) -> Option<OsString> {
    let value = env::var_os(name)?;
    // SAFETY: see the module.
    unsafe { env::remove_var(name) };
    Some(value)
}
