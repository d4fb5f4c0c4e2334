//! Replays programs that use worker pools, exactly and in milliseconds, and judges what happened.
//!
//! A [case] is a program in YAML that makes pools and hands them work, with what must be seen when it runs. An
//! implementation takes part through an [adapter]: a process that speaks the [protocol]. The
//! [replay] tells it what the program does and asks the kernel when all has come to rest, so that time is
//! virtual and a run has one transcript however loaded the machine is. What happened is a [history](history::History);
//! the [judge] holds it against the case, the rules of every pool and the transcript on record. A
//! [model] of a pool says what must happen without any pool.
//!
//! A pool in Rust is tested by [`conformance!`], one test for each case.
//!
//! # Examples
//! ```
//! use spec_harness::case::ast::{Case, Kind};
//! use spec_harness::judge::{Verdict, judge};
//! use spec_harness::model::predict;
//!
//! let text = r#"
//! spec: 1
//! title: two workers do three tasks in two waves
//! tasks:
//!   work(i):
//!     - sleep: 1
//!     - print: "{i} at {clock}"
//! main:
//!   - pool: 2
//!   - map: work
//!     over: range(3)
//!     takes: 2
//!   - close
//!   - join
//! expect:
//!   timeline: { 1: [0 at 1, 1 at 1], 2: [2 at 2] }
//! "#;
//! let case = Case::parse("waves", text).expect("it is in order");
//! let history = predict(&case, Kind::Thread).ran().expect("it is for threads too");
//! let judged = judge(&case, Kind::Thread, &history, None);
//! assert_eq!(judged.verdict, Verdict::Pass);
//! assert!(judged.transcript.contains("1  w0    prints 0 at 1\n"));
//! ```

// The modules are listed ground floor first: each uses only those above it.

pub mod case;

pub mod protocol;

pub mod adapter;

#[cfg(feature = "suite")]
pub mod history;

#[cfg(feature = "suite")]
pub mod interp;

#[cfg(feature = "suite")]
pub mod judge;

#[cfg(feature = "suite")]
pub mod picture;

#[cfg(feature = "suite")]
pub mod record;

#[cfg(feature = "suite")]
pub mod replay;

#[cfg(feature = "suite")]
pub mod model;

#[cfg(feature = "suite")]
pub mod update;

#[cfg(feature = "suite")]
pub mod contract;

#[cfg(feature = "random")]
pub mod random;

#[cfg(feature = "suite")]
pub mod target;

#[cfg(feature = "suite")]
pub mod conformance;

// The examples of the package's own page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
