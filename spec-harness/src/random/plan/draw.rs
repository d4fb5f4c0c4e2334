//! How a plan is drawn: how often each thing comes. What is drawn also becomes smaller by it.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::Union;

use super::{
    Bare, Body, End, Finale, Inner, Last, Leaf, Limits, Look, NewPool, Op, Pick, Plan, Planned,
    Sort, Span, Submit, Use, Way, Worth,
};

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
pub(in crate::random) fn plan() -> impl Strategy<Value = Plan> {
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
        // Boxed, as all the others: strategies are large, and lie on the stack.
        36 => submit().prop_map(|submit| Pick::Submit(Box::new(submit))).boxed(),
        24 => (any::<u8>(), look()).prop_map(|(of, how)| Pick::Look { of, how }),
        5 => (any::<u8>(), timeout()).prop_map(|(of, timeout)| Pick::Drain { of, timeout }),
        3 => any::<u8>().prop_map(|of| Pick::Cancel { of }),
        2 => Just(Pick::CancelToken),
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
        limits(),
        task(),
        option::weighted(0.7, callback()),
        option::weighted(0.6, callback()),
    )
        .prop_map(
            |(
                (way, on, items, arg),
                (chunksize, read_ahead, endless, patience),
                limits,
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
                limits,
                body,
                callback,
                error_callback,
            },
        )
}

fn limits() -> impl Strategy<Value = Limits> + Clone {
    let rarely = |chance| option::weighted(chance, span());
    let retries = option::weighted(0.15, 0..=3u8);
    let parts = (rarely(0.12), rarely(0.1), retries, rarely(0.5));
    let parts = (parts, any::<bool>(), proptest::bool::weighted(0.08));
    parts.prop_map(
        |((deadline, expiry, retries, pause), picks, token)| Limits {
            deadline,
            expiry,
            retries,
            pause: pause.filter(|_| retries.is_some()),
            picks: picks && retries.is_some(),
            token,
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
        1 => Just(Op::Cancelled),
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
        times: None,
        is_picked: false,
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
