//! Replays programs that use worker pools, exactly and in milliseconds, and judges what happened.

pub mod adapter;
pub mod case;
pub mod history;
pub mod interp;
pub mod judge;
pub mod protocol;
pub mod model;
pub mod replay;
pub mod target;
