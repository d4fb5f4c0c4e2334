//! How deep a value may nest: so many levels, and as far as the stack of the thread reaches.
//!
//! A value that nests is encoded, decoded and dropped by recursion. Without a bound, one that was built by a loop, or that
//! a worker has sent, would overflow the stack, which ends a process.

use std::cell::Cell;

use crate::sys;

/// Levels of sequences, maps, options, newtypes and variants, in both directions.
const LEVELS: u32 = 2048;
/// What one level may need of the stack beside what ours do: the user's own `Serialize`, or serde's buffers of a tagged type.
const ROOM: usize = 128 * 1024;
/// What the stack needs for a value that fits into a slot of a ring, which nests no deeper than it has bytes.
const SMALL: usize = 1024 * 1024;

thread_local! {
    /// A value on this thread has nested deeper than the stack has room for.
    static RAN_OUT: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread's stack has room for values that fit into a slot of a ring.
pub(crate) fn has_room_for_small_values() -> bool {
    let mark = 0_u8;
    (&raw const mark as usize).saturating_sub(sys::stack_floor()) >= SMALL
}

/// Whether a value has nested deeper than the calling thread's stack has room for, since this was asked last.
pub(crate) fn ran_out_of_stack() -> bool {
    // While the thread's locals are torn down it says no, and the error stands.
    RAN_OUT
        .try_with(|ran_out| ran_out.replace(false))
        .unwrap_or(false)
}

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
            // While the thread's locals are torn down nobody asks.
            let _ = RAN_OUT.try_with(|ran_out| ran_out.set(true));
            return Err(TooDeep::Stack);
        }
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Depth { levels, ..self }),
            None => Err(TooDeep::Levels),
        }
    }
}
