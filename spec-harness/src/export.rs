//! Writes a case as a program that stands alone: for those who want to see it happen on the real clock.

mod errors;
mod python;
mod words;

pub use python::python;
