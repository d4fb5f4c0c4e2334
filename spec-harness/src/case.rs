//! Case files: what they say, and what is wrong with them.

pub mod ast;
pub mod expr;
pub mod suggest;
