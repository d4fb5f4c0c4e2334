//! Reading case files: what every form of step means, and that no file can hang or crash the reader.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use spec_harness::case::ast::{Action, Case, Fate, Kind, Line, OpKind, Step, Time, Truth, Which};
use spec_harness::case::call::{Call, PoolOptions};
use spec_harness::case::expr::{Env, Expr, Value};

/// The case in this text; what is wrong with it fails the test.
#[track_caller]
fn parse(text: &str) -> Case {
    Case::parse("test", text).unwrap_or_else(|problems| {
        let shown: Vec<_> = problems
            .iter()
            .map(|problem| problem.render(text, false))
            .collect();
        panic!("{}", shown.join("\n"))
    })
}

/// The steps of a program that begins with a pool of two, and has the tasks `func(i)`, `add(a, b)`.
#[track_caller]
fn steps(program: &str) -> Vec<Step> {
    let text = format!(
        "spec: 1\ntitle: t\ntasks:\n  func(i): []\n  add(a, b):\n    - return: a + b\nmain:\n  - pool: 2\n{program}"
    );
    parse(&text).main.split_off(1)
}

#[track_caller]
fn step(program: &str) -> Step {
    let mut steps = steps(program);
    assert_eq!(steps.len(), 1);
    steps.remove(0)
}

const EXAMPLE: &str = r#"
spec: 1
title: terminate stops the running wave and drops the rest
source: 004#S004-1               # looked up in the list of sources
covers: [L1, L5, L6]
tags: [apply_async, terminate]
tasks:
  func(i):
    - sleep: 1
    - print: "{i}------>{clock}"
main:
  - pool: 2
  - for: i in range(10)
    do:
      - apply_async: func(i)
        takes: 0
  - close
  - sleep: 1.5
  - terminate
  - join
  - print: ending
expect:
  timeline:
    1: [0------>1, 1------>1]
    1.5: [ending]
  tasks: { func(0..2): done, func(2..4): killed, func(4..10): never }
  workers: { distinct: 2, reaped: true }
on:
  thread:
    expect:
      timeline: { 1: [0------>1, 1------>1], 2: [2------>2, 3------>2, ending] }
      tasks: { func(0..4): done, func(4..10): never }
"#;

#[test]
fn a_whole_case_is_read() {
    let case = parse(EXAMPLE);
    assert_eq!(case.name, "test");
    assert_eq!(
        case.title,
        "terminate stops the running wave and drops the rest"
    );
    assert_eq!(
        case.source.as_ref().map(|source| source.value.as_str()),
        Some("004#S004-1")
    );
    assert_eq!(
        case.covers
            .iter()
            .map(|row| row.value.as_str())
            .collect::<Vec<_>>(),
        ["L1", "L5", "L6"]
    );
    assert_eq!(case.tags, ["apply_async", "terminate"]);
    assert_eq!(case.only, None);

    let [func] = &case.tasks[..] else {
        panic!("{:?}", case.tasks)
    };
    assert_eq!(
        (func.name.value.as_str(), &func.params[..]),
        ("func", &["i".to_owned()][..])
    );
    let [sleep, print] = &func.body[..] else {
        panic!("{:?}", func.body)
    };
    assert!(matches!(&sleep.what, OpKind::Sleep(time) if time.constant() == Some(Value::Int(1))));
    let OpKind::Print(text) = &print.what else {
        panic!("{print:?}")
    };
    let env = Env::new().with("i", 3).with("clock", 1.5);
    assert_eq!(text.render(&env).as_deref(), Ok("3------>1.5"));

    assert_eq!(case.main.len(), 7);
    let Action::For { var, over, body } = &case.main[1].action else {
        panic!("{:?}", case.main[1])
    };
    assert_eq!(
        (var.as_str(), shown(over).as_str()),
        ("i", "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]")
    );
    assert_eq!(
        body[0].takes.as_ref().map(|takes| takes.value),
        Some(Time(0))
    );
    assert_eq!(
        &EXAMPLE[body[0].span.start..body[0].span.end],
        "apply_async: func(i)"
    );
    assert!(matches!(
        case.main[2].action,
        Action::Call(Call::Close { pool: None })
    ));

    let timeline = case.expect.timeline.as_ref().unwrap();
    assert_eq!(timeline[1].0.value, Time(1_500_000));
    assert!(matches!(&timeline[0].1[1], Line::Text(line) if line.value == "1------>1"));
    let (set, fate) = &case.expect.tasks[1];
    assert_eq!((&set.which, *fate), (&Which::Range(2, 4), Fate::Killed));
    assert_eq!(
        case.expect
            .workers
            .as_ref()
            .and_then(|workers| workers.reaped),
        Some(true)
    );
    assert_eq!(case.on[0].0.value, Kind::Thread);
    assert_eq!(case.on[0].1.tasks.len(), 2);
}

#[test]
fn a_pool_may_have_a_size_and_a_name_or_neither() {
    let pool = |program: &str| match step(program).action {
        Action::Call(Call::Pool(PoolOptions { pool, size, .. })) => {
            (pool, size.and_then(|size| size.constant()))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(pool("  - pool\n"), ("pool".to_owned(), None));
    assert_eq!(pool("  - pool:\n"), ("pool".to_owned(), None));
    assert_eq!(
        pool("  - pool: 3\n"),
        ("pool".to_owned(), Some(Value::Int(3)))
    );
    assert_eq!(
        pool("  - pool: {size: 1 + 1, name: p}\n"),
        ("p".to_owned(), Some(Value::Int(2)))
    );
}

#[test]
fn a_step_of_a_pool_names_it_or_means_the_last_one() {
    let named = |program: &str| {
        let mut steps = steps(&format!("  - pool: {{size: 1, name: p}}\n{program}"));
        let Action::Call(call) = steps.remove(1).action else {
            panic!("{program} calls nothing")
        };
        match call {
            Call::Close { pool } | Call::Terminate { pool } | Call::Drop { pool } => pool,
            Call::Join { pool, .. } | Call::Apply { pool, .. } => pool,
            other => panic!("{other:?}"),
        }
        .map(|pool| pool.value)
    };
    for form in [
        "  - close: p\n",
        "  - close:\n    on: p\n",
        "  - join: p\n    timeout: 1\n",
        "  - drop: p\n",
    ] {
        assert_eq!(named(form).as_deref(), Some("p"), "{form}");
    }
    assert_eq!(
        named("  - apply: func(1)\n    on: p\n").as_deref(),
        Some("p")
    );
    assert_eq!(named("  - terminate\n"), None);
    assert_eq!(named("  - join:\n    timeout: 0.5\n"), None);
}

#[test]
fn the_modifiers_of_a_step_are_kept() {
    let step = step(
        "  - apply_async: func([1, 'a'])\n    as: r\n    into: all\n    takes: 0.5\n    in: t1\n    callback: func\n    error_callback: func\n",
    );
    assert_eq!(step.bind.as_deref(), Some("r"));
    assert_eq!(step.into.as_deref(), Some("all"));
    assert_eq!(step.thread.as_deref(), Some("t1"));
    assert_eq!(step.takes.map(|takes| takes.value), Some(Time(500_000)));
    let Action::Call(Call::ApplyAsync {
        pool: None,
        key,
        callback: Some(_),
        error_callback: Some(_),
        timeout: None,
        ..
    }) = step.action
    else {
        panic!("{:?}", step.action)
    };
    assert_eq!(shown(&key.args[0]), "[1, 'a']");
}

/// The value of an expression without variables, as Python shows it.
fn shown(expr: &Expr) -> String {
    expr.constant()
        .map_or_else(String::new, |value| value.repr())
}

#[test]
fn a_step_may_have_to_raise_or_to_block() {
    assert_eq!(
        step("  - join:\n    raises: StillRunning\n")
            .raises
            .map(|name| name.value)
            .as_deref(),
        Some("StillRunning")
    );
    assert!(step("  - join:\n    blocks: forever\n").blocks);
}

#[test]
fn maps_say_what_they_go_over() {
    let Action::Call(Call::Map(map)) =
        step("  - map: func\n    over: range(6)\n    chunksize: 2\n").action
    else {
        panic!()
    };
    assert_eq!(shown(&map.keys.over), "[0, 1, 2, 3, 4, 5]");
    assert_eq!(
        map.chunksize.and_then(|size| size.constant()),
        Some(Value::Int(2))
    );
    let Action::Call(Call::StarmapAsync(map)) =
        step("  - starmap_async: add\n    over: [[1, 2], [3, 4]]\n    as: r\n").action
    else {
        panic!()
    };
    assert_eq!(map.keys.over.constant().unwrap().repr(), "[[1, 2], [3, 4]]");
}

#[test]
fn handles_and_processes_are_asked_by_name() {
    let program = "  - apply_async: func(1)\n    as: r\n  - wait: r\n  - ready: r\n    as: done\n  - check: done\n  - get: r\n    timeout: 1\n    raises: TimedOut\n  - process: func(1)\n    as: p\n    daemon: true\n  - start: p\n  - is_alive: p\n    as: alive\n  - join_process: p\n  - exitcode: p\n    as: code\n  - terminate_process: p\n  - kill: p\n";
    let steps = steps(program);
    assert!(
        matches!(&steps[4].action, Action::Call(Call::Get { handle, timeout: Some(_) }) if handle.as_name() == Some("r"))
    );
    assert!(matches!(
        &steps[5].action,
        Action::Call(Call::Process { daemon: true, .. })
    ));
    assert!(matches!(
        &steps[10].action,
        Action::Call(Call::TerminateProcess { .. })
    ));
    assert!(matches!(&steps[11].action, Action::Call(Call::Kill { .. })));
}

#[test]
fn control_flow_nests() {
    let program = "  - let: {n: 2, names: [], s: \"'a'\"}\n  - for: i in [1, 2, n]\n    do:\n      - if: i % 2 == 0\n        then:\n          - print: \"even {i}\"\n        else:\n          - sleep: i / 10\n";
    let steps = steps(program);
    let Action::Let(bindings) = &steps[0].action else {
        panic!()
    };
    assert_eq!(
        bindings
            .iter()
            .map(|(name, value)| format!("{name}={}", shown(value)))
            .collect::<Vec<_>>(),
        ["n=2", "names=[]", "s='a'"]
    );
    let Action::For { body, .. } = &steps[1].action else {
        panic!()
    };
    assert!(
        matches!(&body[0].action, Action::If(_, then, otherwise) if then.len() == 1 && otherwise.len() == 1)
    );
}

#[test]
fn every_operation_of_a_body_is_read() {
    let text = "spec: 1\ntitle: t\ntasks:\n  noop:\n  func(i):\n    - set: {x: i + 1, y: x}\n    - if: x > 1\n      then: [{return: x}]\n      else:\n        - raise: \"ValueError: bad {i}\"\n    - raise: {kind: KeyError, text: gone}\n    - raise: StopIteration\n    - panic: at the disco\n    - work: 0.5\n    - exit: 3\n    - allocate: 64\n    - kill_self\n    - stop_self\n    - close_fds\n    - spawn_child\n    - print: 1.50\nmain:\n  - pool\n  - apply: noop\n  - apply: func(1)\n    raises: StopIteration\n";
    let case = parse(text);
    assert!(case.tasks[0].body.is_empty());
    let body = &case.tasks[1].body;
    assert_eq!(body.len(), 14);
    assert!(matches!(&body[1].what, OpKind::Set(name, _) if name == "y"));
    let OpKind::If(_, _, otherwise) = &body[2].what else {
        panic!()
    };
    let OpKind::Raise { kind, text } = &otherwise[0].what else {
        panic!()
    };
    assert_eq!(
        (
            kind.as_str(),
            text.render(&Env::new().with("i", 7)).unwrap()
        ),
        ("ValueError", "bad 7".to_owned())
    );
    let OpKind::Print(text) = &body[13].what else {
        panic!()
    };
    assert_eq!(text.render(&Env::new()).unwrap(), "1.50");
}

#[test]
fn expectations_are_read() {
    let text = "spec: 1\ntitle: t\ntasks:\n  func(i): []\n  cb(v): []\nmain:\n  - pool: 1\nexpect:\n  output:\n    - any: [b, a]\n    - 7\n    - \"\"\n    - \"[1, 'a']\"\n  elapsed: 3\n  tasks: { func: done, cb(\"x y\"): raised }\n  order: [end func(0) < start func(2), start cb < end func]\n  claims:\n    - says: it stops at once\n      verdict: false\n      why: running tasks finish\n    - {says: often, verdict: usually}\n";
    let expect = parse(text).expect;
    let output = expect.output.unwrap();
    assert!(matches!(&output[0], Line::Any(lines) if lines.len() == 2));
    let texts: Vec<_> = output[1..]
        .iter()
        .map(|line| match line {
            Line::Text(text) => text.value.as_str(),
            Line::Any(_) => "any",
        })
        .collect();
    assert_eq!(texts, ["7", "", "[1, 'a']"]);
    assert_eq!(expect.elapsed.unwrap().value, Time(3_000_000));
    assert_eq!(expect.tasks[0].0.which, Which::All);
    assert_eq!(
        expect.tasks[1].0.which,
        Which::Is(Value::Str("x y".to_owned()))
    );
    assert_eq!(expect.order[0].after.1.which, Which::Is(Value::Int(2)));
    assert_eq!(expect.claims[0].verdict, Truth::False);
    assert_eq!(expect.claims[1].verdict, Truth::Usually);
}

#[test]
fn every_case_of_the_collection_can_be_read() {
    for (name, text) in spec_cases::CASES {
        if let Err(problems) = Case::parse(name, text) {
            let shown: Vec<_> = problems
                .iter()
                .map(|problem| problem.render(text, false))
                .collect();
            panic!("{}", shown.join("\n"));
        }
    }
}

/// Reads a file that must be refused, and shows what is wrong with it, in bounded time.
#[track_caller]
fn refused_quickly(bytes: &[u8]) -> String {
    let begun = Instant::now();
    let problems = Case::parse_bytes("test", bytes).expect_err("it is no case");
    let text = String::from_utf8_lossy(bytes);
    let shown: Vec<_> = problems
        .iter()
        .map(|problem| problem.render(&text, false))
        .collect();
    // A bound for an unoptimised build on a loaded machine; without limits these take minutes.
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    shown.join("\n")
}

#[test]
fn a_huge_file_is_refused_at_once() {
    let shown = refused_quickly(&vec![b'a'; 10 << 20]);
    assert!(
        shown.contains("the file has more than 1048576 bytes"),
        "{:.300}",
        shown
    );
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "[".repeat(1 << 20),
        "- ".repeat(1 << 19),
        "{a: ".repeat(1 << 18),
        "? ".repeat(1 << 19),
    ] {
        refused_quickly(text.as_bytes());
    }
    let mut program = String::from("spec: 1\ntitle: t\nmain:\n");
    for depth in 0..100 {
        let indent = "  ".repeat(2 * depth + 1);
        program += &format!("{indent}- for: i in [1]\n{indent}  do:\n");
    }
    let shown = refused_quickly(program.as_bytes());
    assert!(shown.contains("nested deeper than 40 levels"), "{shown}");
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (one, next) in ('a'..'y').zip('b'..) {
        bomb += &format!("{next}: &{next} [*{one}, *{one}, *{one}, *{one}, *{one}, *{one}]\n");
    }
    let shown = refused_quickly(bomb.as_bytes());
    assert!(shown.contains("no YAML anchors or aliases"), "{shown}");
}

/// What the model says of a program that would do too much.
fn too_much(program: &str) -> String {
    let text = format!(
        "spec: 1\ntitle: t\ntasks:\n  func(i):\n    - print: \"{{'x' * 100000}}\"\nmain:\n  - pool: 2\n{program}"
    );
    let case = parse(&text);
    let begun = Instant::now();
    let problems = spec_harness::model::review(&case);
    // A bound for an unoptimised build on a loaded machine; without limits these take hours.
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    let first = problems.first().expect("it is refused");
    first.message.clone()
}

#[test]
fn programs_that_would_do_too_much_are_refused() {
    let refused = |program: &str, why: &str| {
        let said = too_much(program);
        assert!(said.contains(why), "{said}");
    };
    let nested = "  - for: i in range(9000)\n    do:\n      - for: j in range(9000)\n        do:\n          - print: x\n";
    refused(nested, "more than 100000 steps");
    let loud = "  - for: i in range(9000)\n    do:\n      - print: \"{'x' * 100000}\"\n";
    refused(loud, "the program prints more than");
    let tasks = "  - map: func\n    over: range(100)\n";
    refused(tasks, "the tasks print more than");
    refused("  - pool: 100000\n", "at most 1000 workers");
    let doubled = "  - let: { x: \"'xxxxxxxx'\" }\n  - for: i in range(60)\n    do:\n      - let: { x: x + x }\n";
    refused(doubled, "too large");
}

#[test]
fn a_file_full_of_mistakes_is_refused() {
    let head = "spec: 1\ntitle: t\nmain:\n";
    refused_quickly(format!("{head}{}", "  - aply: func(1)\n".repeat(9_000)).as_bytes());
    refused_quickly(format!("{head}{}", "  - x: ,\n".repeat(100_000)).as_bytes());
    let keys: String = (0..9_000).map(|i| format!("key{i}: 1\n")).collect();
    refused_quickly(keys.as_bytes());
    refused_quickly(format!("{head}  - print: \"{{{}}}\"\n", "(".repeat(1_000_000)).as_bytes());
    refused_quickly(format!("{head}  - check: {}\n", "1+".repeat(500_000)).as_bytes());
    refused_quickly(format!("{head}  - check: [[0] * 1000] * 1000000\n").as_bytes());
    refused_quickly(format!("{head}  - {}\n", "x".repeat(1_000_000)).as_bytes());
}

#[test]
fn what_is_no_text_is_refused() {
    let shown = refused_quickly(b"spec: 1\ntitle: \xff\xfe\n");
    assert!(
        shown.contains("test.yaml:2:8") && shown.contains("not UTF-8"),
        "{shown}"
    );
    refused_quickly(b"spec: 1\0");
    refused_quickly(&[0; 100]);
}

/// Reads a text and shows what is wrong with it.
fn read_and_show(text: &str) {
    if let Err(problems) = Case::parse("test", text) {
        assert!(!problems.is_empty());
        for problem in problems {
            problem.render(text, false);
            problem.position(text);
        }
    }
}

#[test]
fn an_anchor_glued_to_what_it_names_is_refused() {
    read_and_show("&!{a}A ");
    assert!(Case::parse("test", "&!{a}A ").is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Case::parse_bytes("test", &bytes);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,300}") {
        read_and_show(&text);
    }

    #[test]
    fn no_soup_of_yaml_makes_the_reader_panic(pieces in prop::collection::vec(prop::sample::select(vec![
        "\n", "\n  ", "\n    ", "- ", ": ", "? ", "{", "}", "[", "]", ",", "'", "\"", "|\n", ">\n", "#", "&a ", "&",
        "*a", "!x ", "---\n", "...", "~", "1", "func(i)", "堵塞", "print", "spec: 1\n", "main:\n", "\t", "\u{feff}",
        "\r\n", "%", "<<", "{i}", "expect:\n", "tasks:\n",
    ]), 0..60)) {
        read_and_show(&pieces.concat());
    }

    /// A good case with one stretch replaced: most of the reader's ways lead past here.
    #[test]
    fn no_damage_to_a_case_makes_the_reader_panic(
        start in 0..EXAMPLE.len(), len in 0_usize..30, patch in "[\\-\\[\\]{}:,'\"a-z0-9(). \n堵]{0,12}",
    ) {
        let end = (start + len).min(EXAMPLE.len());
        let damaged = format!("{}{patch}{}", &EXAMPLE[..start], &EXAMPLE[end..]);
        read_and_show(&damaged);
    }
}
