//! Cases as Python programs: each is exported or refused at the step that cannot be said, all are Python, and a handful
//! is run.

use std::fs;
use std::process::Command;

use spec_harness::author::Seen;
use spec_harness::case::ast::{Case, Kind};
use spec_harness::export::python;
use spec_harness::model::{self, Prediction};

const KINDS: [Kind; 2] = [Kind::Thread, Kind::Process];

fn case(name: &str) -> Case {
    let found = spec_cases::CASES.iter().find(|(known, _)| *known == name);
    let (name, text) = found.unwrap_or_else(|| panic!("there is no case {name}"));
    Case::parse(name, text).expect(name)
}

/// Whether there is a Python to try; says so where there is none.
fn python_is_here(what: &str) -> bool {
    let here = Command::new("python3").arg("--version").output().is_ok();
    if !here {
        eprintln!("not done, for there is no python3: {what}");
    }
    here
}

#[test]
fn what_cannot_be_exported_is_refused_at_its_place() {
    let mut exported = 0;
    for (name, text) in spec_cases::CASES {
        let case = Case::parse(name, text).expect(name);
        for kind in KINDS {
            match python(&case, kind) {
                Ok(_) => exported += 1,
                Err(problems) => {
                    assert!(!problems.is_empty(), "{name}");
                    for problem in problems {
                        let place = &text[problem.span.start..problem.span.end];
                        assert!(
                            !place.is_empty() && !problem.message.is_empty(),
                            "{name}: {problem:?}"
                        );
                    }
                }
            }
        }
    }
    // Most cases are ordinary programs.
    assert!(exported > spec_cases::CASES.len(), "{exported}");
}

#[test]
fn every_program_of_the_documents_is_exported() {
    for (name, _) in spec_cases::CASES
        .iter()
        .filter(|(name, _)| name.starts_with("tutorial/"))
    {
        let case = case(name);
        let kind = case.only.as_ref().map_or(Kind::Process, |only| only.value);
        assert!(
            python(&case, kind).is_ok(),
            "{name}: {:?}",
            python(&case, kind)
        );
    }
}

#[test]
fn every_program_is_python() {
    if !python_is_here("compiling every exported case") {
        return;
    }
    let folder = tempfile::tempdir().expect("a place for programs");
    for (number, (name, text)) in spec_cases::CASES.iter().enumerate() {
        let case = Case::parse(name, text).expect(name);
        for kind in KINDS {
            if let Ok(program) = python(&case, kind) {
                let path = folder.path().join(format!("{number}-{kind}.py"));
                fs::write(path, program).expect("a program");
            }
        }
    }
    let compile = "import pathlib, sys\nfor path in pathlib.Path(sys.argv[1]).glob('*.py'):\n    compile(path.read_text('utf-8'), str(path), 'exec')\n";
    let done = Command::new("python3")
        .args(["-IS", "-W", "error", "-c", compile])
        .arg(folder.path())
        .output()
        .expect("python3");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn programs_print_what_the_model_predicts() {
    if !python_is_here("running exported cases") {
        return;
    }
    // What these print does not depend on how fast the machine is.
    let names = [
        "callback/exactly-one-of-two",
        "error/a-raised-error-arrives",
        "handle/two-threads-get-one-result",
        "imap/in-the-order-of-the-input",
        "lifecycle/join-from-two-threads",
        "lifecycle/terminate-is-idempotent",
        "map/results-are-in-input-order",
        "map/starmap-unpacks-tuples",
        "submit/apply-waits-for-its-own-task",
    ];
    for case in names.map(case) {
        for kind in KINDS {
            prints_what_the_model_predicts(&case, kind);
        }
    }
    for (text, kinds) in [
        (FROM_CALLBACKS, KINDS.as_slice()),
        (FROM_THREADS, KINDS.as_slice()),
        (FROM_TASKS, &[Kind::Thread]),
    ] {
        for kind in kinds {
            prints_what_the_model_predicts(&parsed(text), *kind);
        }
    }
}

/// Callbacks that hand their pool more work, end it, and are refused: a result is there when its callback has returned.
const FROM_CALLBACKS: &str = r#"spec: 1
title: callbacks call
tasks:
  func(i):
    - return: i * 10
  more(value):
    - print: "{value}"
    - if: value < 20
      then:
        - call: { apply_async: func(value // 10 + 1), callback: more, error_callback: note, as: handle }
        - call: { ready: handle, as: early }
        - print: "{early}"
        - call: { join: mine, raises: StillRunning }
        - call: { close: mine, takes: 0 }
        - call: { apply: func(1), on: mine, raises: NotRunning }
        - print: closed
  note(error):
    - print: "{error}"
main:
  - pool: { size: 1, name: mine }
  - apply_async: func(1)
    callback: more
    as: job
  - get: job
    as: value
  - print: "{value}"
  - join
  - print: joined
"#;

/// Threads with steps in several places, in loops, with variables that all share. Nobody closes the pool: the program
/// ends when its threads have, however slow the machine is.
const FROM_THREADS: &str = r#"spec: 1
title: threads call
tasks:
  func(i):
    - return: i * 10
main:
  - pool: { size: 2, name: t1 }
  - for: i in range(3)
    do:
      - apply: func(i)
        in: t1
        as: value
      - print: "{i}: {value}"
        in: t1
  - sleep: 1
  - apply_async: func(9)
    in: t1
    as: handle
  - get: handle
    in: t1
    into: values
  - print: "{values}"
    in: t1
  - apply: func(5)
    in: print
  - print: "done"
    in: print
  - map: func
    over: range(2)
    into: main
  - print: "{main}"
"#;

/// A task that calls its pool while another worker is free, with variables of its own and of main.
const FROM_TASKS: &str = r#"spec: 1
title: tasks call
tasks:
  func(i):
    - return: i * 10
  outer(i):
    - call: { apply: func(i), into: got }
    - call: { map: func, over: range(i), into: got }
    - call: { get: early, into: got }
    - call: { apply_async: func(7), on: p, as: job }
    - call: { get: job, as: job }
    - set: { value: job + 1 }
    - call: { join: p, raises: StillRunning }
    - return: "[got, value]"
main:
  - pool: { size: 3, name: p }
  - apply_async: func(4)
    as: early
  - apply: outer(2)
    as: value
  - print: "{value}"
  - close
  - join
"#;

#[track_caller]
fn parsed(text: &str) -> Case {
    Case::parse("t", text).unwrap_or_else(|problems| panic!("{}", problems[0].render(text, false)))
}

#[track_caller]
fn prints_what_the_model_predicts(case: &Case, kind: Kind) {
    let name = &case.title;
    let program = python(case, kind).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    assert!(program.contains("UNIT = 0.2 "), "{program}");
    let folder = tempfile::tempdir().expect("a place for the program");
    let path = folder.path().join("program.py");
    fs::write(&path, program.replace("UNIT = 0.2 ", "UNIT = 0.01 ")).expect("a program");
    let done = Command::new("python3")
        .args(["-IS"])
        .arg(&path)
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&done.stdout);
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    let Prediction::Ran(history) = model::predict(case, kind) else {
        panic!("{name} is for {kind} workers too")
    };
    let seen = Seen::of(case, &history);
    let mut predicted: Vec<&str> = seen.lines.iter().map(|(_, line)| line.as_str()).collect();
    predicted.sort_unstable();
    let errors = String::from_utf8_lossy(&done.stderr);
    // What a second thread or a callback fails by stands there, although the program goes on.
    assert_eq!(errors, "", "{name} on {kind}:\n{program}");
    assert!(done.status.success(), "{name} on {kind}");
    assert_eq!(lines, predicted, "{name} on {kind}");
}

/// Says that a program cannot be exported at this place, for a reason with these words.
#[track_caller]
fn is_refused(text: &str, kind: Kind, place: &str, says: &str) {
    let case = parsed(text);
    let problems = python(&case, kind).expect_err("it is refused");
    let found = problems.iter().any(|problem| {
        text[problem.span.start..problem.span.end] == *place && problem.message.contains(says)
    });
    assert!(found, "no {says:?} at {place:?} in {problems:?}");
}

#[test]
fn what_cpython_cannot_do_is_refused_with_its_reason() {
    let built_in = |name: &str| {
        let found = spec_cases::CASES.iter().find(|(known, _)| *known == name);
        found.expect(name).1
    };
    for kind in KINDS {
        let callback = built_in("inside/a-callback-runs-a-map");
        is_refused(callback, kind, "map: func", "brings results");
    }
    let task = built_in("inside/a-task-waits-for-its-own-pool");
    let call = "apply: func(depth - 1)";
    is_refused(task, Kind::Thread, call, "keeps its worker");
    is_refused(task, Kind::Process, "thread", "for thread workers only");
    let copied = "a copy of the pool";
    is_refused(FROM_TASKS, Kind::Process, "apply: func(i)", copied);
    let kept = built_in("callback/due-when-terminated");
    is_refused(kept, Kind::Thread, "get: job", "wait here for ever");
    let none = built_in("map/chunks-of-none-are-refused");
    is_refused(none, Kind::Thread, "InvalidChunksize", "do not end");
}

#[test]
fn a_call_from_inside_that_python_reads_otherwise_is_refused() {
    let program = |body: &str, main: &str| {
        format!(
            "spec: 1\ntitle: t\ntasks:\n  func(i):\n    - return: i\n  outer(i):\n{body}main:\n  - pool: {{ size: 2, name: p }}\n  - let: {{ known: 1 }}\n{main}"
        )
    };
    let once = "  - apply: outer(1)\n  - close\n  - join\n";
    let joins = program("    - call: { close: p }\n    - call: { join: p }\n", once);
    is_refused(&joins, Kind::Thread, "join: p", "its own end");
    let own = program("    - call: { apply: func(known), as: known }\n", once);
    is_refused(&own, Kind::Thread, "apply: func(known)", "another name");
    let begins = "  - pool: { size: 1, initializer: outer(1) }\n  - close\n  - join\n";
    let begins = program("    - call: { close: p }\n", begins);
    is_refused(&begins, Kind::Thread, "close: p", "before it is made");
    let two = format!("{once}  - pool: 1\n{once}");
    let two = program("    - call: { apply: func(1) }\n", &two);
    is_refused(&two, Kind::Thread, "apply: func(1)", "which pool is meant");
    let looped =
        "  - for: i in range(2)\n    do:\n      - apply: func(i)\n        in: t1\n        as: i\n";
    let looped = program("    []\n", looped).replace("outer(i):\n    []", "outer(i): []");
    is_refused(
        &looped,
        Kind::Thread,
        "apply: func(i)",
        "variable of a loop",
    );
}

/// The line of a program that says what this step does.
#[track_caller]
fn says(steps: &str, line: &str) {
    let text = format!(
        "spec: 1\ntitle: t\ntasks:\n  func(i): []\n  list(x): []\nmain:\n  - pool: 2\n  - let: {{ print: 1, func: 2, x: 'range(3)' }}\n{steps}"
    );
    let case = Case::parse("t", &text).unwrap_or_else(|problems| {
        panic!("{}", problems[0].render(&text, false));
    });
    let program = python(&case, Kind::Process).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(
        program.lines().any(|known| known.trim() == line),
        "no {line:?} in:\n{program}"
    );
}

#[test]
fn names_and_texts_keep_their_meaning() {
    says(
        "  - print: \"{print} {func} {x!r}\"\n",
        r#"print(f"{print_} {func_} {x!r}")"#,
    );
    says(
        "  - apply: list(func)\n    as: pool\n",
        "pool = pool_pool.apply(list_, (func_,))",
    );
    says(
        "  - print: \"{1 / 3:.2f}{{}}\"\n",
        r#"print(f"{1 / 3:.2f}{{}}")"#,
    );
    says(
        "  - print: '{\"a\" + \"''\"}'\n",
        r#"print(str('a' + "'"))"#,
    );
    says(
        "  - print: 'say \"{x}\" \\ now'\n",
        r#"print(f"say \"{x}\" \\ now")"#,
    );
    says("  - print: '{3:5d}|'\n", r#"print('%5d' % (3,) + "|")"#);
    says(
        "  - check: \"len(range(3)) == 3 and 'range(1)' != ''\"\n",
        "assert len(numbers(3)) == 3 and 'range(1)' != ''",
    );
    says(
        "  - map: func\n    over: range(1, 4)\n    chunksize: 2\n",
        "pool.map(func, range(1, 4), chunksize=2)",
    );
    says("  - sleep: clock + 0.5\n", "sleep(clock() + 0.5)");
    says(
        "  - join:\n    raises: StillRunning\n",
        "with raises(ValueError):  # StillRunning",
    );
}
