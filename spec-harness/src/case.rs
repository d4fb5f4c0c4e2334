//! Case files: what they say, and what is wrong with them.

pub mod ast;
pub mod call;
#[cfg(feature = "suite")]
mod check;
#[cfg(feature = "suite")]
pub mod diagnostic;
#[cfg(feature = "suite")]
pub mod expr;
#[cfg(feature = "suite")]
pub mod files;
#[cfg(feature = "suite")]
pub mod language;
#[cfg(feature = "suite")]
mod lower;
#[cfg(feature = "suite")]
mod read;
#[cfg(feature = "suite")]
mod references;
mod span;
#[cfg(feature = "suite")]
pub mod suggest;
#[cfg(feature = "suite")]
pub(crate) mod yaml;

#[cfg(feature = "suite")]
pub use diagnostic::Diagnostic;
#[cfg(feature = "suite")]
pub use yaml::MAX_BYTES;
