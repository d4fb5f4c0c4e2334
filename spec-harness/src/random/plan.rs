//! What a random program is made of before its parts have names: how it is drawn, and how it becomes smaller.
//!
//! A plan has no wrong references: a number means one of the things that the program has made by then, counted
//! round. So whatever is taken out of it, what is left is a plan.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

/// A program in outline.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) sort: Sort,
    /// Workers of the first pool.
    pub(super) size: u8,
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

/// A step, and whether another thread than main does it.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) pick: Pick,
    pub(super) apart: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Pick {
    Submit(Box<Submit>),
    /// Looks at a handle or an iterator.
    Look {
        of: u8,
        how: Look,
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
    /// Another pool, of nobody where the size is 0.
    Pool(u8),
}

#[derive(Debug, Clone)]
pub(super) struct Submit {
    pub(super) way: Way,
    pub(super) on: u8,
    pub(super) items: u8,
    pub(super) chunksize: Option<u8>,
    pub(super) read_ahead: Option<u8>,
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
    IgnoreSigterm,
    Call(Inner),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Last {
    Return,
    Nothing,
    Raise,
    Panic,
    Exit(u8),
    Kill,
    CloseFds,
    Stop,
}

/// A call from inside.
#[derive(Debug, Clone)]
pub(super) enum Inner {
    Apply(Span),
    ApplyAsync(Span, Option<Option<Span>>),
    Map(u8, Span),
    Get(u8, Option<Span>),
    Wait(u8, Option<Span>),
    Close,
    Terminate,
    Join,
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
        9 => Just(Sort::Both),
        3 => Just(Sort::Thread),
        11 => Just(Sort::Process),
    ];
    let finale = prop_oneof![
        5 => Just(Finale::CloseAndJoin),
        2 => Just(Finale::TerminateAndJoin),
        2 => Just(Finale::Nothing),
    ];
    (sort, 1..=3u8, vec(planned(), 1..29), finale).prop_map(|(sort, size, steps, finale)| Plan {
        sort,
        size,
        steps,
        finale,
    })
}

fn planned() -> impl Strategy<Value = Planned> {
    (pick(), proptest::bool::weighted(0.15)).prop_map(|(pick, apart)| Planned { pick, apart })
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        8 => span().prop_map(Pick::Sleep),
        18 => submit().prop_map(|submit| Pick::Submit(Box::new(submit))),
        12 => (any::<u8>(), look()).prop_map(|(of, how)| Pick::Look { of, how }),
        5 => (any::<u8>(), end()).prop_map(|(on, how)| Pick::End { on, how }),
        3 => (any::<u8>(), bare()).prop_map(|(of, how)| Pick::Bare { of, how }),
        1 => (0..=3u8).prop_map(Pick::Pool),
    ]
}

fn submit() -> impl Strategy<Value = Submit> {
    let way = prop_oneof![
        6 => Just(Way::ApplyAsync),
        2 => Just(Way::Apply),
        2 => Just(Way::Map),
        3 => Just(Way::MapAsync),
        1 => Just(Way::Starmap),
        1 => Just(Way::StarmapAsync),
        2 => Just(Way::Imap),
        2 => Just(Way::ImapUnordered),
    ];
    let chunksize = option::weighted(0.4, prop_oneof![1 => Just(0), 20 => 1..=3u8]);
    let read_ahead = option::weighted(0.2, prop_oneof![1 => Just(0), 20 => 1..=3u8]);
    let items = prop_oneof![1 => Just(0), 20 => 1..=5u8];
    (
        (way, any::<u8>(), items, chunksize, read_ahead),
        task(),
        option::weighted(0.5, callback()),
        option::weighted(0.5, callback()),
    )
        .prop_map(
            |((way, on, items, chunksize, read_ahead), body, callback, error_callback)| Submit {
                way,
                on,
                items,
                chunksize,
                read_ahead,
                body,
                callback,
                error_callback,
            },
        )
}

fn look() -> impl Strategy<Value = Look> {
    prop_oneof![
        4 => timeout().prop_map(Look::Get),
        3 => timeout().prop_map(Look::Wait),
        2 => Just(Look::Ready),
        1 => Just(Look::Successful),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Close),
        3 => Just(End::Terminate),
        4 => timeout().prop_map(End::Join),
        1 => Just(End::Drop),
    ]
}

fn bare() -> impl Strategy<Value = Bare> {
    prop_oneof![
        6 => (task(), any::<bool>()).prop_map(|(body, daemon)| Bare::Make { body, daemon }),
        5 => Just(Bare::Start),
        3 => timeout().prop_map(Bare::Join),
        1 => Just(Bare::IsAlive),
        1 => Just(Bare::ExitCode),
        2 => any::<bool>().prop_map(|kill| Bare::Signal { kill }),
    ]
}

fn task() -> impl Strategy<Value = Body> + Clone {
    let op = prop_oneof![
        4 => Just(Op::Print),
        10 => span().prop_map(Op::Sleep),
        4 => (span(), any::<bool>()).prop_map(|(span, rising)| Op::Uneven(span, rising)),
        1 => Just(Op::IgnoreSigterm),
        4 => inner().prop_map(Op::Call),
    ];
    let last = prop_oneof![
        10 => Just(Last::Return),
        1 => Just(Last::Nothing),
        3 => Just(Last::Raise),
        1 => Just(Last::Panic),
        4 => (0..=3u8).prop_map(Last::Exit),
        4 => Just(Last::Kill),
        1 => Just(Last::CloseFds),
        1 => Just(Last::Stop),
    ];
    body(op, last)
}

/// Mostly short, and without what would end the program itself.
fn callback() -> impl Strategy<Value = Body> {
    let op = prop_oneof![
        4 => Just(Op::Print),
        3 => span().prop_map(Op::Sleep),
        4 => inner().prop_map(Op::Call),
    ];
    let last =
        prop_oneof![8 => Just(Last::Nothing), 1 => Just(Last::Raise), 1 => Just(Last::Panic)];
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
    prop_oneof![
        4 => span().prop_map(Inner::Apply),
        4 => (span(), option::of(timeout())).prop_map(|(span, get)| Inner::ApplyAsync(span, get)),
        2 => (0..=3u8, span()).prop_map(|(items, span)| Inner::Map(items, span)),
        1 => (any::<u8>(), timeout()).prop_map(|(of, timeout)| Inner::Get(of, timeout)),
        1 => (any::<u8>(), timeout()).prop_map(|(of, timeout)| Inner::Wait(of, timeout)),
        1 => Just(Inner::Close),
        1 => Just(Inner::Terminate),
        1 => Just(Inner::Join),
    ]
}
