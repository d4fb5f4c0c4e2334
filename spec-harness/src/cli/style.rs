//! Colours, of which a terminal shows them and a file sees nothing.

use std::fmt::Display;

/// Green: as it must be.
pub(super) const GOOD: &str = "\u{1b}[32m";
/// Red, bold: not as it must be.
pub(super) const BAD: &str = "\u{1b}[1;31m";
/// Yellow: to be known.
pub(super) const NOTE: &str = "\u{1b}[33m";
/// Dim: beside the point.
pub(super) const DIM: &str = "\u{1b}[2m";
/// Bold.
pub(super) const BOLD: &str = "\u{1b}[1m";

/// A text in a colour.
pub(super) fn paint(colour: &str, text: impl Display) -> String {
    format!("{colour}{text}\u{1b}[0m")
}
