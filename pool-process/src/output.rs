//! What a program says of the output of its tasks.

/// What becomes of what the tasks of a pool print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Output {
    /// It goes where the pool's own thread writes, byte by byte, at once.
    #[default]
    Inherit,
    /// The program prints it by `print!` and `eprint!`, in whole lines, so that `cargo test` captures it and lines of several workers
    /// do not mix.
    Forward,
    /// Nobody sees it, but the errors of tasks tell it.
    Capture,
}
