//! Files before and after.

use super::*;

fn case(text: &str) -> Case {
    Case::parse("test", text).unwrap_or_else(|problems| {
        let shown: Vec<_> = problems.iter().map(|p| p.render(text, false)).collect();
        panic!("{}\n{text}", shown.join("\n"))
    })
}

/// What becomes of a text; it is in order afterwards.
#[track_caller]
fn updated(text: &str) -> String {
    let case = case(text);
    let new = update(&case, text, &predicted(&case));
    let problems = reviewed("test", &new);
    let shown: Vec<_> = problems.iter().map(|p| p.render(&new, false)).collect();
    assert!(problems.is_empty(), "{}\n{new}", shown.join("\n"));
    new
}

/// The expectation that becomes of another, for a program of two workers and three tasks.
#[track_caller]
fn becomes(expect: &str) -> String {
    let program = "spec: 1\ntitle: t\ntasks:\n  func(i):\n    - sleep: 1 + i\n    - print: \"{i} is done\"\nmain:\n  - pool: 2 # two\n  - map: func\n    over: range(3)\n  - close\n  - join\n  - print: ending\n";
    let new = updated(&format!("{program}{expect}"));
    let rest = new.strip_prefix(program).expect("the program stays");
    rest.to_owned()
}

#[test]
fn what_holds_stays_as_it_is() {
    let expect = "expect:\n  output: [ 0 is done , \"1 is done\", 2 is done, ending ] # so\n  elapsed: 4.0\n";
    assert_eq!(becomes(expect), expect);
}

#[test]
fn a_part_that_does_not_hold_is_written_anew_with_its_comments_above_it() {
    let old = "expect: # mine
  # how long
  elapsed: 3   # about
  output: [ 0 is done , \"1 is done\", 2 is done, ending ] # so

  # by time
  timeline: # all
    # the first
    1: [0 is done] # good
    3:
      - \"1 # is done\"
    7: [ending]
      # deeper
  # of the workers
  workers: { distinct: 3 }
  # the end
";
    let new = "expect: # mine
  # how long
  # about
  elapsed: 4
  output: [ 0 is done , \"1 is done\", 2 is done, ending ] # so

  # by time
  # all
  # the first
  # good
  # deeper
  timeline:
    1: [0 is done]
    2: [1 is done]
    4: [2 is done, ending]
  # of the workers
  workers: { distinct: 2 }
  # the end
";
    assert_eq!(becomes(old), new);
}

#[test]
fn a_file_need_not_end_with_a_newline() {
    assert_eq!(
        becomes("expect:\n  timeline:\n    1: [0 is done]"),
        "expect:\n  timeline:\n    1: [0 is done]\n    2: [1 is done]\n    4: [2 is done, ending]"
    );
}

#[test]
fn an_expectation_in_braces_gets_lines() {
    let old = "expect: { timeline: { 1: [a] }, # some
  elapsed: 1, tasks: { func: done }, order: [\"end func(0) < end func(2)\"] }
# the end
";
    let new = "expect:
  timeline:
    1: [0 is done]
    2: [1 is done]
    4: [2 is done, ending]
  elapsed: 4
  tasks: { func: done }
  order: [end func(0) < end func(2)]
# the end
";
    assert_eq!(becomes(old), new.replace("expect", "# some\nexpect"));
}

#[test]
fn a_file_in_braces_gets_lines() {
    let old = r#"{ "spec": 1, # so
  "title": "a: b", "tasks": { "func(i)": [{ "sleep": "i" }] },
  "main": [{ "pool": 2 }, { "map": "func", "over": "range(3)" }, { "close": null }, "join"],
  "expect": { "tasks": { "func(0)": "done", "func([1, 2])": "never" }, "elapsed": 7 } }
"#;
    let new = "# so
spec: 1
title: \"a: b\"
tasks: { func(i): [{ sleep: i }] }
main:
  - pool: 2
  - map: func
    over: range(3)
  - close: ~
  - join
expect:
  tasks: { func(0): done, \"func([1, 2])\": never }
  elapsed: 2
";
    assert_eq!(updated(old), new);
}

#[test]
fn an_output_keeps_its_groups_where_it_has_as_many_lines() {
    assert_eq!(
        becomes("expect:\n  output:\n    - any: [0, 1 is done]\n    - 2 is done\n    - end\n"),
        "expect:\n  output:\n    - any: [0 is done, 1 is done]\n    - 2 is done\n    - ending\n"
    );
    assert_eq!(
        becomes("expect:\n  output:\n    - 0 is done\n  elapsed: 4\n"),
        "expect:\n  output: [0 is done, 1 is done, 2 is done, ending]\n  elapsed: 4\n"
    );
}

#[test]
fn of_tasks_those_functions_are_told_that_were() {
    assert_eq!(
        becomes("expect:\n  tasks:\n    \"func(0)\": killed # one\n"),
        "expect:\n  # one\n  tasks: { func: done }\n"
    );
}

/// A program whose running task is stopped where it can be.
const TERMINATED: &str = "spec: 1
title: t
tasks:
  func(i):
    - sleep: 2
    - print: \"{i}\"
main:
  - pool: 1
  - apply_async: func(1)
  - sleep: 1
  - terminate
  - join
";

#[test]
fn where_kinds_differ_threads_get_a_part_of_their_own() {
    let new = updated(&format!(
        "{TERMINATED}expect:\n  output: []\n  elapsed: 5\n"
    ));
    let expect = new.strip_prefix(TERMINATED).expect("the program stays");
    let told = "expect:
  output: []
  elapsed: 1
on:
  thread:
    expect:
      output: [\"1\"]
      elapsed: 2
";
    assert_eq!(expect, told);
    // What there is of it is added to.
    let half = told.replace("      output: [\"1\"]\n", "");
    let new = updated(&format!("{TERMINATED}{half}"));
    assert!(
        new.ends_with("      elapsed: 2\n      output: [\"1\"]\n"),
        "{new}"
    );
    let other = told.replace(
        "  thread:\n    expect:\n      output: [\"1\"]\n      elapsed: 2\n",
        "  process: { expect: { elapsed: 1 } }\n",
    );
    let new = updated(&format!("{TERMINATED}{other}"));
    let end = "on:
  process: { expect: { elapsed: 1 } }
  thread:
    expect:
      output: [\"1\"]
";
    assert!(new.ends_with(end), "{new}");
    let braces = told.replace(
        "  thread:\n    expect:\n      output: [\"1\"]\n      elapsed: 2\n",
        "  { thread: { expect: { elapsed: 7 } } }\n",
    );
    let new = updated(&format!("{TERMINATED}{braces}"));
    let end = "on:
  thread:
    expect:
      elapsed: 2
      output: [\"1\"]
";
    assert!(new.ends_with(end), "{new}");
}

#[test]
fn a_program_without_expectation_gets_one() {
    let case = case(TERMINATED);
    let new = prefilled(&case, TERMINATED, true).expect("it is in order");
    let expect = new.strip_prefix(TERMINATED).expect("the program stays");
    let told = format!(
        "expect: {REMARK}
  elapsed: 1
  tasks: {{ func: killed }}
  workers: {{ distinct: 1, reaped: true }}
on:
  thread:
    expect:
      timeline:
        2: [\"1\"]
      elapsed: 2
      tasks: {{ func: done }}
"
    );
    assert_eq!(expect, told);
    assert!(!read(&new).contains(REMARK));
}

#[test]
fn a_program_that_hangs_gets_none() {
    let text = "spec: 1\ntitle: t\ntasks:\n  func(i):\n    - stop_self\nmain:\n  - pool: 1\n  - apply: func(1)\n";
    let (_, problems) = prefilled(&case(text), text, true).expect_err("it hangs");
    assert!(problems[0].message.contains("never ends"), "{problems:?}");
}

#[test]
fn every_built_in_case_is_as_accepted_and_can_be_filled() {
    for (name, text) in spec_cases::CASES {
        let case = Case::parse(name, text).expect(name);
        assert_eq!(update(&case, text, &predicted(&case)), *text, "{name}");
        // Its program, without what follows it.
        let Some((program, _)) = text.split_once("\nexpect:") else {
            continue;
        };
        if case.expect.schedules.is_some() {
            continue;
        }
        let program = format!("{program}\n");
        let bare = Case::parse(name, &program).expect(name);
        if let Err((new, problems)) = prefilled(&bare, &program, false) {
            let shown: Vec<_> = problems.iter().map(|p| p.render(&new, false)).collect();
            panic!("{name}\n{}\n{new}", shown.join("\n"));
        }
    }
}

#[test]
fn every_built_in_case_that_is_out_of_date_is_in_order_afterwards() {
    for (name, text) in spec_cases::CASES {
        let wrong = |line: &str| match line.split_once(':') {
            Some(("  elapsed", _)) => "  elapsed: 777\n".to_owned(),
            Some(("  timeline", _)) => "  timeline: { 777: [late] }\n".to_owned(),
            Some(("  workers", _)) if line.contains("distinct: ") => {
                line.replace("distinct: ", "distinct: 77")
            }
            _ => line.to_owned(),
        };
        // The instants of a timeline stand below it.
        let mut below = false;
        let lines = text.split_inclusive('\n').filter(|line| {
            below = line.starts_with("  timeline:") || below && line.starts_with("    ");
            !below || line.starts_with("  timeline:")
        });
        let old: String = lines.map(wrong).collect();
        let new = update(&case(&old), &old, &predicted(&case(text)));
        // What is as before is in order: the model's own tests say so.
        if new != *text {
            let problems = reviewed(name, &new);
            assert!(problems.is_empty(), "{name}: {problems:?}\n{new}");
        }
        let program = |text: &str| {
            text.split_once("\nexpect:")
                .map(|(program, _)| program.to_owned())
        };
        assert_eq!(program(&new), program(text), "{name}");
    }
}

#[test]
fn lines_of_any_kind_are_written_so_that_they_are_read_as_they_are() {
    let lines = [
        "",
        " ",
        "a",
        "- a",
        "a: b",
        "a #b",
        "#",
        "1",
        "true",
        "'",
        "\"",
        "'\"",
        "\\",
        "{a}",
        "[a]",
        "a, b",
        "*",
        "&x",
        "堵塞",
        "0------>1",
        "-1",
        "~",
        "null",
        "a\tb",
        "\u{7f}",
        "?",
        "! x",
        "%",
        "@",
        "`",
        "|",
        ">",
        "a:",
        "...",
        "---",
        "it's",
        "1_000",
        "0x10",
        "1e3",
        ".inf",
        "=",
        "<<",
        "\u{a0}x",
        "e\u{301}",
        "\u{feff}",
    ];
    for line in lines {
        for (flow, text) in [
            (true, format!("[{}]", write::scalar(line, true))),
            (false, format!("- {}", write::scalar(line, false))),
        ] {
            let text =
                format!("spec: 1\ntitle: t\nmain:\n  - close\nexpect:\n  output:\n    {text}\n");
            let Ok(tree) = crate::case::yaml::parse(&text) else {
                panic!("{line:?} {flow}: {text}")
            };
            let (_, expect) = edit::entry(&tree, "expect").expect("it is there");
            let (_, output) = edit::entry(expect, "output").expect("it is there");
            let crate::case::yaml::Kind::List(items) = &output.kind else {
                panic!("{line:?}: {text}")
            };
            let read = items[0].scalar().map(|scalar| scalar.text.as_str());
            assert_eq!(read, Some(line), "{flow}: {text}");
        }
    }
}

/// What becomes of the steps of a program that makes a pool of one worker, `p`.
#[track_caller]
fn steps_become(steps: &str, new: &str) {
    let before = "spec: 1\ntitle: t\ntasks:\n  func(i):\n    - sleep: 2\n    - return: i\n  fails(i):\n    - raise: ValueError\nmain:\n  - pool: { size: 1, name: p }\n";
    let text = format!("{before}{steps}");
    let (updated, text) = update_steps(&case(&text), &text);
    assert_eq!(text, format!("{before}{new}"));
    // They are the same case, but for places.
    assert_eq!(case(&text).main.len(), updated.main.len());
    assert!(model::review(&case(&text)).is_empty(), "{text}");
}

#[test]
fn a_step_says_how_long_it_takes() {
    steps_become(
        "  - apply: func(1)\n    takes: 3 # long\n    as: x\n  - { close: , takes: 1 }\n",
        "  - apply: func(1)\n    takes: 2 # long\n    as: x\n  - { close: , takes: 0 }\n",
    );
}

#[test]
fn a_step_says_by_which_error_it_ends() {
    steps_become(
        "  - apply: fails(1)\n    raises: NotRunning # so\n  - join:\n    raises: NotReady\n",
        "  - apply: fails(1)\n    raises: ValueError # so\n  - join:\n    raises: StillRunning\n",
    );
}

#[test]
fn a_step_that_raises_nothing_says_nothing_wherever_it_stood() {
    steps_become(
        "  - raises: NotRunning\n    apply: func(1)\n  - apply: func(2)\n    # why\n    raises: NotRunning # oh\n    takes: 2\n",
        "  - apply: func(1)\n  - apply: func(2)\n    # why\n    takes: 2\n",
    );
    steps_become(
        "  - { raises: NotRunning, close: p }\n  - { close: p, raises: NotRunning, takes: 0 }\n  - { join: p, raises: NotRunning }\n",
        "  - { close: p }\n  - { close: p, takes: 0 }\n  - { join: p }\n",
    );
}

#[test]
fn a_step_that_comes_back_does_not_block() {
    steps_become(
        "  - apply: func(1)\n    blocks: forever # no\n  - close\n  - apply: func(1)\n    blocks: forever # no\n",
        "  - apply: func(1)\n  - close\n  - apply: func(1)\n    raises: NotRunning # no\n",
    );
}

#[test]
fn what_comes_out_now_so_and_now_otherwise_is_the_authors() {
    let text = "spec: 1\ntitle: t\ntasks:\n  func(i):\n    - sleep: i\nmain:\n  - pool: 1\n  - for: i in range(2)\n    do:\n      - apply: func(i)\n        takes: 7\n";
    let before = case(text);
    let (updated, new) = update_steps(&before, text);
    assert_eq!((updated, new.as_str()), (before, text));
}

#[test]
fn a_call_from_inside_is_a_step_too() {
    let text = "spec: 1\ntitle: t\ntasks:\n  func(i):\n    - call: { join: p, raises: NotReady, takes: 1 } # not\nmain:\n  - pool: { size: 1, name: p }\n  - apply: func(1)\n";
    let (_, new) = update_steps(&case(text), text);
    let now = text.replace("NotReady, takes: 1", "StillRunning, takes: 0");
    assert_eq!(new, now);
}

#[test]
fn every_transcript_on_record_is_as_accept_writes_it() {
    for (name, text) in spec_cases::CASES {
        let case = Case::parse(name, text).expect(name);
        for (record, new) in transcripts(&case, &predicted(&case)).expect(name) {
            let found = spec_cases::TRANSCRIPTS
                .iter()
                .find(|(known, _)| *known == record);
            assert_eq!(found.map(|(_, text)| *text), Some(new.as_str()), "{record}");
        }
    }
}

#[test]
fn what_says_only_that_schedules_differ_is_filled_in_beside_it() {
    let program = "spec: 1\ntitle: t\ntasks:\n  func(i):\n    - sleep: 1\n    - print: \"{i}\"\nmain:\n  - pool: 2\n  - map_async: func\n    over: range(4)\n    chunksize: 2\n  - sleep: 1\n  - terminate\n  - join\n";
    let filled = |expect: &str| {
        let text = format!("{program}{expect}");
        let case = case(&text);
        assert!(expects_nothing(&case));
        let new = prefilled(&case, &text, true).unwrap_or_else(|problems| panic!("{problems:?}"));
        new.strip_prefix(program).expect("it stays").to_owned()
    };
    let new = filled("expect:\n  schedules: rule # so\n");
    let head = format!("expect: {REMARK}\n  schedules: rule # so\n  elapsed: 1\n  tasks: ");
    assert!(new.starts_with(&head), "{new}");
    let new = filled("expect: { schedules: rule }\n");
    assert!(new.starts_with(&head.replace(" # so", "")), "{new}");
}
