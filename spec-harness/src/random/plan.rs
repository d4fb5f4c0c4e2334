//! What a random program is made of before its parts have names: how it is drawn, and how it becomes smaller.
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
//! - `kill_worker`; and several who wait for a place in a queue: who is let in first is nobody's promise;
//! - `maxtasksperchild` beside an initializer where there are several workers: which one has had its share is chance;
//! - a pool of default size where its size shows: that depends on the machine, and it gets a size instead.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::Union;

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
    pub(super) body: Body,
    pub(super) callback: Option<Body>,
    pub(super) error_callback: Option<Body>,
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

/// Spans of which no few add up to the same.
const UNLIKE: [Span; 12] = [100, 37, 53, 71, 97, 113, 139, 161, 193, 217, 241, 311];

fn span() -> impl Strategy<Value = Span> + Clone {
    prop_oneof![
        4 => select(&UNLIKE[..]),
        1 => (1..=6u32).prop_map(|halves| halves * 50),
    ]
}

fn timeout() -> impl Strategy<Value = Option<Span>> + Clone {
    option::weighted(0.45, prop_oneof![1 => Just(0), 5 => span()])
}

/// Draws a program.
pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let sort = prop_oneof![
        8 => Just(Sort::Both),
        3 => Just(Sort::Thread),
        13 => Just(Sort::Process),
    ];
    let finale = prop_oneof![
        5 => Just(Finale::CloseAndJoin),
        2 => Just(Finale::TerminateAndJoin),
        2 => Just(Finale::Nothing),
    ];
    let steps = vec(planned(true), 1..27);
    let plan = (sort, new_pool(), steps, finale);
    plan.prop_map(|(sort, first, steps, finale)| Plan {
        sort,
        first,
        steps,
        finale,
    })
}

fn new_pool() -> impl Strategy<Value = NewPool> + Clone {
    let size = prop_oneof![10 => (1..=3u8).prop_map(Some), 1 => Just(None)];
    let share = option::weighted(0.2, 1..=3u8);
    let queue = option::weighted(0.08, 1..=4u8);
    let made = (size, share, queue, option::weighted(0.08, initializer()));
    made.prop_map(|(size, share, queue, initializer)| NewPool {
        size,
        share,
        queue,
        initializer,
    })
}

/// Mostly one that ends well.
fn initializer() -> impl Strategy<Value = Body> + Clone {
    let op = prop_oneof![
        2 => Just(Op::Print),
        1 => span().prop_map(Op::Sleep),
    ];
    let last = prop_oneof![
        12 => Just(Last::Nothing),
        1 => Just(Last::Raise { key: false }),
        1 => Just(Last::Panic),
        1 => Just(Last::Exit(1)),
    ];
    body(op, last)
}

fn planned(at_top: bool) -> impl Strategy<Value = Planned> + Clone {
    let by = prop_oneof![17 => Just(0), 2 => Just(1), 1 => Just(2u8)];
    (pick(at_top), by).prop_map(|(pick, by)| Planned { pick, by })
}

fn pick(at_top: bool) -> impl Strategy<Value = Pick> + Clone {
    let anywhere = prop_oneof![
        16 => span().prop_map(Pick::Sleep),
        36 => submit().prop_map(|submit| Pick::Submit(Box::new(submit))),
        24 => (any::<u8>(), look()).prop_map(|(of, how)| Pick::Look { of, how }),
        5 => (any::<u8>(), timeout()).prop_map(|(of, timeout)| Pick::Drain { of, timeout }),
        7 => (any::<u8>(), select(&[Use::Print, Use::Check, Use::Let][..]))
            .prop_map(|(of, how)| Pick::Use { of, how }),
        10 => (any::<u8>(), end()).prop_map(|(on, how)| Pick::End { on, how }),
        8 => (any::<u8>(), bare()).prop_map(|(of, how)| Pick::Bare { of, how }),
    ];
    if !at_top {
        return anywhere.boxed();
    }
    let nobody = any::<bool>().prop_map(|queue| NewPool {
        size: Some(u8::from(queue)),
        share: None,
        queue: queue.then_some(0),
        initializer: None,
    });
    let inside = || vec(planned(false), 1..4);
    let repeat = (1..=3u8, inside()).prop_map(|(rounds, steps)| Pick::Repeat { rounds, steps });
    let branch = (any::<u8>(), span(), inside(), inside());
    let branch = branch.prop_map(|(of, before, then, otherwise)| Pick::Branch {
        of,
        before,
        then,
        otherwise,
    });
    let pool = prop_oneof![1 => nobody, 4 => new_pool()].prop_map(Pick::Pool);
    let pick = [
        (96, anywhere.boxed()),
        (3, pool.boxed()),
        (3, repeat.boxed()),
        (3, branch.boxed()),
    ];
    Union::new_weighted(pick.to_vec()).boxed()
}

fn way() -> impl Strategy<Value = Way> + Clone {
    prop_oneof![
        6 => Just(Way::ApplyAsync),
        2 => Just(Way::Apply),
        2 => Just(Way::Map),
        3 => Just(Way::MapAsync),
        1 => Just(Way::Starmap),
        1 => Just(Way::StarmapAsync),
        2 => Just(Way::Imap),
        2 => Just(Way::ImapUnordered),
    ]
}

fn submit() -> impl Strategy<Value = Submit> + Clone {
    let chunksize = option::weighted(0.4, prop_oneof![1 => Just(0), 20 => 1..=3u8]);
    let read_ahead = option::weighted(0.2, prop_oneof![1 => Just(0), 20 => 1..=3u8]);
    let items = prop_oneof![3 => Just(0), 38 => 1..=5u8, 1 => 6..=50u8];
    (
        (way(), any::<u8>(), items, any::<u8>()),
        (
            chunksize,
            read_ahead,
            proptest::bool::weighted(0.1),
            timeout(),
        ),
        task(),
        option::weighted(0.7, callback()),
        option::weighted(0.6, callback()),
    )
        .prop_map(
            |(
                (way, on, items, arg),
                (chunksize, read_ahead, endless, patience),
                body,
                callback,
                error_callback,
            )| Submit {
                way,
                on,
                items,
                arg,
                chunksize,
                read_ahead,
                endless,
                patience,
                body,
                callback,
                error_callback,
            },
        )
}

fn look() -> impl Strategy<Value = Look> + Clone {
    prop_oneof![
        4 => timeout().prop_map(Look::Get),
        3 => timeout().prop_map(Look::Wait),
        2 => Just(Look::Ready),
        1 => Just(Look::Successful),
    ]
}

fn end() -> impl Strategy<Value = End> + Clone {
    prop_oneof![
        3 => Just(End::Close),
        3 => Just(End::Terminate),
        4 => timeout().prop_map(End::Join),
        1 => Just(End::Drop),
    ]
}

fn bare() -> impl Strategy<Value = Bare> + Clone {
    prop_oneof![
        4 => (task(), any::<bool>()).prop_map(|(body, daemon)| Bare::Make { body, daemon }),
        2 => Just(Bare::Start),
        3 => timeout().prop_map(Bare::Join),
        2 => Just(Bare::IsAlive),
        4 => Just(Bare::ExitCode),
        4 => any::<bool>().prop_map(|kill| Bare::Signal { kill }),
    ]
}

fn task() -> impl Strategy<Value = Body> + Clone {
    let op = prop_oneof![
        8 => Just(Op::Print),
        18 => span().prop_map(Op::Sleep),
        12 => (span(), any::<bool>()).prop_map(|(span, rising)| Op::Uneven(span, rising)),
        2 => span().prop_map(Op::Either),
        1 => (1..=3u8).prop_map(Op::Allocate),
        1 => Just(Op::SpawnChild),
        3 => Just(Op::IgnoreSigterm),
        8 => inner().prop_map(Op::Call),
    ];
    let last = prop_oneof![
        10 => worth().prop_map(Last::Return),
        1 => Just(Last::Nothing),
        3 => any::<bool>().prop_map(|key| Last::Raise { key }),
        1 => Just(Last::Panic),
        7 => (0..=3u8).prop_map(Last::Exit),
        7 => Just(Last::Kill),
        1 => Just(Last::CloseFds),
        1 => Just(Last::Stop),
        1 => Just(Last::ReturnUnsendable),
        1 => Just(Last::RaiseUnsendable),
    ];
    body(op, last)
}

fn worth() -> impl Strategy<Value = Worth> + Clone {
    prop_oneof![
        40 => Just(Worth::Number),
        3 => Just(Worth::Truth),
        4 => (0..=4u8).prop_map(Worth::Hollow),
        4 => Just(Worth::Mixed),
        1 => Just(Worth::Large),
    ]
}

/// Mostly short, and without what would end the program itself.
fn callback() -> impl Strategy<Value = Body> + Clone {
    let op = prop_oneof![
        4 => Just(Op::Print),
        3 => span().prop_map(Op::Sleep),
        4 => inner().prop_map(Op::Call),
    ];
    let last = prop_oneof![
        8 => Just(Last::Nothing),
        1 => Just(Last::Raise { key: false }),
        1 => Just(Last::Panic)
    ];
    body(op, last)
}

fn body(
    op: impl Strategy<Value = Op> + Clone,
    last: impl Strategy<Value = Last> + Clone,
) -> impl Strategy<Value = Body> + Clone {
    (vec(op, 0..3), last, option::weighted(0.5, 0..5u8)).prop_map(|(ops, last, only)| Body {
        ops,
        last,
        only,
    })
}

fn inner() -> impl Strategy<Value = Inner> + Clone {
    let look_at = prop_oneof![
        1 => Just(None),
        2 => look().prop_map(Some),
    ];
    let few = proptest::bool::weighted(0.2);
    let submit = (way(), leaf(), 0..=3u8, few, few, look_at);
    let submit = submit.prop_map(
        |(way, leaf, items, elsewhere, callback, look)| Inner::Submit {
            way,
            leaf,
            items,
            elsewhere,
            callback,
            look,
        },
    );
    prop_oneof![
        10 => submit,
        2 => (any::<u8>(), look()).prop_map(|(of, how)| Inner::Look { of, how }),
        3 => (end(), few).prop_map(|(how, elsewhere)| Inner::End { how, elsewhere }),
    ]
}

fn leaf() -> impl Strategy<Value = Leaf> + Clone {
    let last = prop_oneof![
        8 => Just(Last::Return(Worth::Number)),
        1 => Just(Last::Raise { key: true }),
        1 => Just(Last::Kill),
    ];
    let prints = proptest::bool::weighted(0.4);
    let parts = (
        prints,
        option::weighted(0.8, span()),
        last,
        option::weighted(0.1, span()),
    );
    parts.prop_map(|(prints, span, last, deeper)| Leaf {
        prints,
        span,
        last,
        deeper,
    })
}
