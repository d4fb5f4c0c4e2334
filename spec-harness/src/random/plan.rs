//! What a random program is made of before its parts have names.
//!
//! A plan has no wrong references: a number means one of the things that the program has made by then, counted
//! round. So whatever is taken out of it, what is left is a plan.
//!
//! Nearly every kind of step and every operation of a body is drawn, as are failures of every sort, calls from inside, two more
//! threads of the program, loops, branches, and values that go from one task to the next. Not drawn are:
//!
//! - `takes`, and everything under `expect`: the model's transcript says it all, for every step;
//! - `drop` from inside, and of a pool in which another thread may be: whoever uses the pool later asks for what has no
//!   answer, so that next to nothing could follow;
//! - a bound on workers or chunks that is no number, and other mistakes that `check` refuses;
//! - an error of a task that is called as one of the pool's own: nobody could tell the two apart;
//! - what ends the program itself: `exit` and the like in a callback, or in a task on a thread;
//! - `ignore_sigterm` in a task that does not end its worker, and `close_fds` in a chunk of several items: who meets
//!   that worker next, or how far the chunk comes, is chance;
//! - a token beside callbacks where workers are processes: which of several that are stopped ends first is chance;
//! - `retries` in a pool whose workers begin by a function: whether one that rests stays in a closed pool shows then, and is the pool's
//!   own affair;
//! - `kill_worker`; and what hands work from inside to a pool whose queue has a bound;
//! - `maxtasksperchild` beside an initializer where there are several workers: which one has had its share is chance;
//! - `max_worker_age`: some timer of such a pool always runs, so that what never returns is told only after a hundred rings;
//! - a pool of default size where its size shows: that depends on the machine, and it gets a size instead.

mod draw;

pub(super) use draw::plan;

/// A program in outline.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) sort: Sort,
    pub(super) first: NewPool,
    pub(super) steps: Vec<Planned>,
    pub(super) finale: Finale,
}

/// For which kinds of workers a program is: each has something that the other has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Both,
    /// Its tasks call the pool.
    Thread,
    /// Its workers die.
    Process,
}

/// A step, and which thread does it: 0 is main.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) pick: Pick,
    pub(super) by: u8,
}

#[derive(Debug, Clone)]
pub(super) enum Pick {
    Submit(Box<Submit>),
    /// Looks at a handle or an iterator.
    Look {
        of: u8,
        how: Look,
    },
    /// Cancels what a handle or an iterator stands for.
    Cancel {
        of: u8,
    },
    CancelToken,
    /// Takes all results of an iterator, one after the other.
    Drain {
        of: u8,
        timeout: Option<Span>,
    },
    /// Does something with a value that a call has returned.
    Use {
        of: u8,
        how: Use,
    },
    End {
        on: u8,
        how: End,
    },
    Bare {
        of: u8,
        how: Bare,
    },
    Sleep(Span),
    Pool(NewPool),
    /// A loop.
    Repeat {
        rounds: u8,
        steps: Vec<Planned>,
    },
    /// Either of two, by a value or by the clock.
    Branch {
        of: u8,
        before: Span,
        then: Vec<Planned>,
        otherwise: Vec<Planned>,
    },
}

/// A pool that is made.
#[derive(Debug, Clone)]
pub(super) struct NewPool {
    /// Its workers; of nobody where it is 0, and the default without it.
    pub(super) size: Option<u8>,
    /// Tasks of each worker.
    pub(super) share: Option<u8>,
    /// Places of its queue; of none, nobody's pool where it is 0.
    pub(super) queue: Option<u8>,
    pub(super) initializer: Option<Body>,
}

#[derive(Debug, Clone)]
pub(super) struct Submit {
    pub(super) way: Way,
    pub(super) on: u8,
    pub(super) items: u8,
    /// The argument of a single task.
    pub(super) arg: u8,
    pub(super) chunksize: Option<u8>,
    pub(super) read_ahead: Option<u8>,
    pub(super) endless: bool,
    /// How long it waits for a place in a queue.
    pub(super) patience: Option<Span>,
    pub(super) limits: Limits,
    pub(super) body: Body,
    pub(super) callback: Option<Body>,
    pub(super) error_callback: Option<Body>,
}

/// What ends a submission early, and how often its tasks are tried again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) deadline: Option<Span>,
    pub(super) expiry: Option<Span>,
    pub(super) retries: Option<u8>,
    pub(super) pause: Option<Span>,
    /// The error that its tasks raise is tried again, too.
    pub(super) picks: bool,
    /// The program's one token cancels it.
    pub(super) token: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Apply,
    ApplyAsync,
    Map,
    MapAsync,
    Starmap,
    StarmapAsync,
    Imap,
    ImapUnordered,
}

/// A span of time in hundredths of a unit.
pub(super) type Span = u32;

#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    Get(Option<Span>),
    Wait(Option<Span>),
    Ready,
    Successful,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    Print,
    Check,
    Let,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Close,
    Terminate,
    Join(Option<Span>),
    Drop,
}

#[derive(Debug, Clone)]
pub(super) enum Bare {
    Make { body: Body, daemon: bool },
    Start,
    Join(Option<Span>),
    IsAlive,
    ExitCode,
    Signal { kill: bool },
}

/// How a program ends its pools.
#[derive(Debug, Clone, Copy)]
pub(super) enum Finale {
    CloseAndJoin,
    TerminateAndJoin,
    /// Main returns and leaves them.
    Nothing,
}

/// A task function or a callback.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) ops: Vec<Op>,
    pub(super) last: Last,
    /// The one item that ends so; otherwise all do.
    pub(super) only: Option<u8>,
    /// How often it ends so, where it is tried again; otherwise each time.
    pub(super) times: Option<u8>,
    /// The error that it raises is tried again.
    pub(super) is_picked: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Op {
    Print,
    Sleep(Span),
    /// So long for each item before it, or after it.
    Uneven(Span, bool),
    /// One thing or another, by the item.
    Either(Span),
    Allocate(u8),
    SpawnChild,
    IgnoreSigterm,
    /// Asks whether it is still wanted.
    Cancelled,
    Call(Inner),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Last {
    Return(Worth),
    Nothing,
    Raise { key: bool },
    Panic,
    Exit(u8),
    Kill,
    CloseFds,
    Stop,
    ReturnUnsendable,
    RaiseUnsendable,
}

impl Last {
    /// The name of the error that a body raises which ends so.
    pub(super) fn raised(self) -> Option<&'static str> {
        match self {
            Last::Raise { key: true } => Some("KeyError"),
            Last::Raise { key: false } => Some("ValueError"),
            _ => None,
        }
    }
}

/// What a task returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// A number that says which task of which item it is of.
    Number,
    Truth,
    /// What counts as false: of which sort.
    Hollow(u8),
    Mixed,
    /// More than fits into a pipe.
    Large,
}

/// A call from inside.
#[derive(Debug, Clone)]
pub(super) enum Inner {
    Submit {
        way: Way,
        leaf: Leaf,
        items: u8,
        /// To another pool than the body's own.
        elsewhere: bool,
        callback: bool,
        look: Option<Look>,
    },
    Look {
        of: u8,
        how: Look,
    },
    End {
        how: End,
        elsewhere: bool,
    },
}

/// A task that is submitted from inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf {
    pub(super) prints: bool,
    pub(super) span: Option<Span>,
    pub(super) last: Last,
    /// It has another one done first.
    pub(super) deeper: Option<Span>,
}
