//! Performs a case's program without any pool: state machines that say what happens next, and a stage that says when.
//!
//! Nothing here reads a clock, a file or a socket. [`Program`] is main and its threads, [`Body`] one task or
//! callback; each is resumed with an input and yields one demand. [`Stage`] holds them all, together with the
//! virtual clock, and decides who goes next. Whoever plays the pool drives the stage:
//!
//! 1. [`Stage::next_move`] gives one [`Move`]: a call for the pool, an order for a running body, a timer that is due.
//! 2. The pool does it, and everything that follows from it, until nothing more can happen by itself.
//!    It tells the stage what it saw ([`Stage::observe`]): a call returned, a body began, another is gone.
//! 3. Again from 1, until there is no move left.
//!
//! The replay drives it with a real implementation and asks the kernel when step 2 is over; a model of a pool
//! can drive it with plain function calls. What is seen in step 2 is *one* set of observations: the stage puts
//! them into a canonical order (ends, returns, begins, each by number), because in which order a kernel
//! delivers them is chance.

mod body;
mod lower;
mod order;
mod outcome;
mod program;
mod stage;
#[cfg(test)]
mod tests;
mod values;

pub use body::{Act, Body, Ended};
pub use lower::Lowered;
pub use order::Deviations;
pub use outcome::Input;
pub use program::{ActorId, Demand, MAIN, Program};
pub use stage::{Beginning, Caller, Move, Observed, Options, Stage, Taken, Turn, Waiting};
