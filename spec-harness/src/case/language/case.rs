//! The keys of a case file, of what it expects, and of the small mappings inside.

use super::Shape as S;
use super::{Word, word};

/// The keys of a case file.
pub(in crate::case) const DOCUMENT: &[Word] = &[
    word(
        "spec",
        S::Version,
        "the version of the language; every file says it",
        "spec: 1",
    ),
    word(
        "title",
        S::Text,
        "what the case shows, in one line; every file says it",
        "title: terminate drops what waits",
    ),
    word(
        "source",
        S::Text,
        "the document and example that it is taken from, if any (`sources.yaml` lists them)",
        "source: 004#S004-1",
    ),
    word(
        "covers",
        S::Rows,
        "the rows of the contract that it shows (`contract.yaml` lists them)",
        "covers: [L1, L5]",
    ),
    word(
        "tags",
        S::Words,
        "words to select cases by (`--tag close`)",
        "tags: [close, terminate]",
    ),
    word(
        "needs",
        S::Abilities,
        "abilities that a pool must have beyond those that its steps and operations imply",
        "needs: [terminate_process]",
    ),
    word(
        "only",
        S::Kind,
        "the one kind of worker that it is for; without it, both",
        "only: process",
    ),
    word(
        "tasks",
        S::Tasks,
        "the functions that workers (and callbacks) run: a name with parameters, and what is done, operation by operation",
        "tasks:\n  func(i):\n    - sleep: 1\n    - return: i * i",
    ),
    word(
        "main",
        S::Steps,
        "the program: its steps, one after the other; every file has it",
        "main:\n  - pool: 2\n  - map: func\n    over: range(4)\n    as: squares\n  - print: \"{squares}\"",
    ),
    word(
        "expect",
        S::Expect,
        "what must be seen on every kind of worker; each part that is there is judged",
        "expect:\n  output: [done]\n  elapsed: 0",
    ),
    word(
        "on",
        S::On,
        "what must be seen instead on one kind of worker, by its nature: replaces the parts that it names",
        "on:\n  thread:\n    expect:\n      elapsed: 2",
    ),
];

/// The keys of `expect`.
pub(in crate::case) const EXPECT: &[Word] = &[
    word(
        "timeline",
        S::Timeline,
        "the printed lines by the instant of their printing; the order inside one instant is free",
        "timeline:\n  1: [first, second]\n  1.5: [third]",
    ),
    word(
        "output",
        S::Lines,
        "all printed lines in their order; a group `any:` has an order of its own choosing",
        "output: [before, { any: [a, b] }, after]",
    ),
    word(
        "elapsed",
        S::Time,
        "how long it takes until the program and all its workers have ended",
        "elapsed: 1.5",
    ),
    word(
        "tasks",
        S::Fates,
        "how tasks end: all of a function, those whose first argument is a value, or lies in a range (its end excluded)",
        "tasks: { func(0..2): done, func(2): killed, other: never }",
    ),
    word(
        "workers",
        S::Workers,
        "the workers that ran tasks",
        "workers: { distinct: 2, reaped: true }",
    ),
    word(
        "order",
        S::Orders,
        "events of which one must come before the other: the `start` or `end` of tasks",
        "order: [end func(0) < start func(2)]",
    ),
    word(
        "claims",
        S::Claims,
        "what the document claims, in own words, and whether it is so",
        "claims:\n  - says: join waits for every task\n    verdict: true",
    ),
    word(
        "schedules",
        S::Schedules,
        "that results depend on who goes first in an instant. `rule`: nothing is said of other orders; a list: what they may give instead",
        "schedules:\n  - output: [b, a]",
    ),
];

/// The key of a group of lines whose order is free.
pub(in crate::case) const LINE: &[Word] = &[word(
    "any",
    S::Words,
    "these lines, in any order",
    "{ any: [a, b] }",
)];

/// The keys of `workers`.
pub(in crate::case) const WORKERS: &[Word] = &[
    word(
        "distinct",
        S::Count,
        "exactly so many workers ran a task",
        "{ distinct: 2 }",
    ),
    word(
        "reaped",
        S::Bool,
        "that no worker, nor a process of theirs, is left at the end",
        "{ reaped: true }",
    ),
];

/// The keys of a claim.
pub(in crate::case) const CLAIM: &[Word] = &[
    word(
        "says",
        S::Text,
        "what is claimed, in own words",
        "{ says: map keeps the order, verdict: true }",
    ),
    word(
        "verdict",
        S::Truth,
        "whether it is so: `true`, `false`, or `usually` where nothing promises it",
        "{ says: tasks end in order, verdict: usually }",
    ),
    word(
        "why",
        S::Text,
        "the reason, in one sentence",
        "{ says: close waits, verdict: false, why: it returns at once }",
    ),
];

/// The keys of one part of `on`.
pub(in crate::case) const ON: &[Word] = &[word(
    "expect",
    S::Expect,
    "the parts that are other than what stands under the case's own `expect`",
    "{ expect: { elapsed: 2 } }",
)];

/// The keys of a pool that is made.
pub(in crate::case) const POOL: &[Word] = &[
    word(
        "size",
        S::Expr,
        "the number of workers; without it, the pool's own choice, which depends on the machine",
        "{ size: 2 }",
    ),
    word(
        "name",
        S::Name,
        "its name, by which `on:` means it; without it, `pool`",
        "{ size: 2, name: p }",
    ),
    word(
        "maxtasksperchild",
        S::Expr,
        "tasks (of a map: chunks) after which a worker leaves and another takes its place",
        "{ size: 2, maxtasksperchild: 3 }",
    ),
    word(
        "max_worker_age",
        S::Expr,
        "how long a worker lives before another takes its place; it ends its task before",
        "{ size: 2, max_worker_age: 3 }",
    ),
    word(
        "initializer",
        S::Call,
        "the task that each worker runs before its first one, also a worker that takes another's place",
        "{ size: 2, initializer: func(1) }",
    ),
    word(
        "queue",
        S::Expr,
        "tasks (of a map: chunks) that may wait for a worker; who hands in more waits for a place. Without it, no bound",
        "{ size: 2, queue: 3 }",
    ),
];

/// The keys of `raise`, where it is a mapping.
pub(in crate::case) const RAISE: &[Word] = &[
    word(
        "kind",
        S::Name,
        "the name of the error",
        "{ kind: ValueError }",
    ),
    word(
        "text",
        S::Template,
        "its message",
        "{ kind: ValueError, text: \"bad {i}\" }",
    ),
];
