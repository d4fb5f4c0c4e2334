//! The environment of a process that has one thread: the only place where it is written.
//!
//! # Safety
//!
//! Writing the environment is only sound while no other thread reads it. These functions are called in a
//! worker or fork server before it has run anything that could have started a thread; where a constructor of
//! the program has started one, it ran before `main` of an unknown program would have, as any `setenv` there.
#![expect(
    unsafe_code,
    reason = "the environment of a process that has just begun"
)]

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};

/// The variables of this process. Of those that stand there twice it is the first one that programs find.
pub(crate) fn here() -> impl Iterator<Item = (OsString, OsString)> {
    let mut seen = BTreeSet::new();
    env::vars_os().filter(move |(name, _)| seen.insert(name.clone()))
}

/// Takes a variable out of the environment.
pub(crate) fn take(name: &str) -> Option<OsString> {
    let value = env::var_os(name)?;
    // SAFETY: see the module.
    unsafe { env::remove_var(name) };
    Some(value)
}

/// Makes the environment exactly this, but for names that only `exec` can hand down.
pub(crate) fn replace(mut wanted: Vec<(OsString, OsString)>) {
    let mut have: Vec<(OsString, OsString)> = env::vars_os().collect();
    if have == wanted {
        return;
    }
    let can_be_written = |(name, _): &(OsString, OsString)| {
        !name.is_empty() && !name.as_encoded_bytes().contains(&b'=')
    };
    have.retain(|(name, _)| !wanted.iter().any(|(other, _)| other == name));
    have.retain(can_be_written);
    wanted.retain(can_be_written);
    for (name, _) in have {
        // SAFETY: see the module.
        unsafe { env::remove_var(&name) };
    }
    for (name, value) in wanted {
        if env::var_os(&name).as_deref() != Some(OsStr::new(&value)) {
            // SAFETY: see the module.
            unsafe { env::set_var(name, value) };
        }
    }
}
