//! Replays programs that use worker pools, exactly and in milliseconds, and judges what happened.

// The modules are listed ground floor first: each uses only those above it.

pub mod case;

pub mod protocol;

pub mod adapter;

pub mod history;

pub mod interp;

pub mod judge;

pub mod picture;

pub mod record;

pub mod story;

pub mod replay;

pub mod model;

pub mod author;

pub mod contract;

pub mod export;

#[cfg(feature = "random")]
pub mod random;

pub mod target;

pub mod conformance;
