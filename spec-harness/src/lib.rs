//! Replays programs that use worker pools, exactly and in milliseconds, and judges what happened.

pub mod adapter;
pub mod author;
pub mod case;
pub mod conformance;
pub mod contract;
pub mod export;
pub mod history;
pub mod interp;
pub mod judge;
pub mod model;
pub mod picture;
pub mod protocol;
#[cfg(feature = "random")]
pub mod random;
pub mod record;
pub mod replay;
pub mod story;
pub mod target;
