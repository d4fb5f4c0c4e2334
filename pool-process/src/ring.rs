//! A ring in memory that a pool shares with one worker: small tasks and their answers travel through it, and no system call is made for
//! one as long as both sides are awake.
//!
//! A slot holds a task, and later its answer in the same place. The parent puts tasks into slots one after the other, and the worker
//! takes them in this order. A slot's word says whose turn it is, and for which position:
//!
//! ```text
//!          parent: put          worker: take           worker: answer
//!   free ──────────────▶ ready ──────────────▶ taken ──────────────▶ done ──▶ (free for a later position)
//!     ▲                    │  compare-and-swap
//!     └────────────────────┘  compare-and-swap
//!          parent: take back
//! ```
//!
//! The compare-and-swap by which the worker takes a slot is what says that its task has started. By one from the same word the parent
//! takes a task back that has not, from the last one on, so what it takes back is always the end of the ring, and the worker waits at
//! the same position for whatever comes there next.
//!
//! Both sides sleep in a call on their socket. One that is going to sleep says so in a word, and looks again; one that has brought
//! something looks at this word, and sends a frame that wakes. Between the write and the look of each is a fence, so that never both
//! miss each other. Of what is too long for a slot the rest lies in the worker's arena, and the slot says where. What has no room there
//! either travels by the socket: the slot says how many frames come before its task.
//!
//! The parent trusts nothing that lies here. It keeps positions, numbers and lengths itself, and compares. It copies bytes out before
//! it looks at them. What does not fit is a breach.

// Each module uses only those above it.

// The mapping.
mod memory;

// What lies where.
mod layout;

// The parent's side.
pub(crate) mod parent;

// The worker's side.
pub(crate) mod worker;
