//! How deep a value may nest: so many levels, and as far as the stack of the thread reaches.
//!
//! A value that nests is encoded, decoded and dropped by recursion. Without a bound, one that was built by a loop, or that
//! a worker has sent, would overflow the stack, which ends a process.

use crate::sys;

/// Levels of sequences, maps, options, newtypes and variants, in both directions.
const LEVELS: u32 = 2048;
/// What one level may need of the stack beside what ours do: the user's own `Serialize`, or serde's buffers of a tagged type.
const ROOM: usize = 128 * 1024;

/// How much deeper a value may nest from here on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    levels: u32,
    /// The address that the stack, which grows downwards, must not reach.
    floor: usize,
}

/// Why a value nests too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooDeep {
    #[error("it nests deeper than {LEVELS} levels")]
    Levels,
    #[error("it nests deeper than the stack of this thread has room for")]
    Stack,
}

impl Depth {
    /// What the calling thread has room for.
    pub(super) fn here() -> Depth {
        Depth {
            levels: LEVELS,
            floor: sys::stack_floor().saturating_add(ROOM),
        }
    }

    /// One level deeper.
    pub(super) fn deeper(self) -> Result<Depth, TooDeep> {
        let here = &raw const self as usize;
        if here < self.floor {
            return Err(TooDeep::Stack);
        }
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Depth { levels, ..self }),
            None => Err(TooDeep::Levels),
        }
    }
}
