//! Measures pools beside each other: the same workloads, the same run, one repetition of each in turn.
//!
//! A pool takes part by implementing [`Contestant`]; [`run`] is the command line of a program that compares several.

pub mod contestant;
mod inner;
mod machine;
mod markdown;
mod memory;
mod noise;
mod open_loop;
mod python;
mod raw;
mod rival;
mod runner;
mod scale;
mod stats;
mod svg;
mod syscalls;
mod table;
pub mod threads;
mod usage;
pub mod work;
mod workload;

pub use contestant::{Contestant, Outcome, Payload};
pub use python::Python;
pub use rival::{Native, Rival};
pub use runner::{Suite, run};
pub use workload::Workload;
