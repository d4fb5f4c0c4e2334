//! Cases as Python programs: each is exported or refused at the step that cannot be said, all are Python, and a handful
//! is run.

use std::fs;
use std::path::{Path, PathBuf};
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

/// Where a program is written to.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // What an earlier run has left may be there or not.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a place for programs");
    folder
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
    let folder = folder("export-all");
    for (number, (name, text)) in spec_cases::CASES.iter().enumerate() {
        let case = Case::parse(name, text).expect(name);
        for kind in KINDS {
            if let Ok(program) = python(&case, kind) {
                fs::write(folder.join(format!("{number}-{kind}.py")), program).expect("a program");
            }
        }
    }
    let compile = "import pathlib, sys\nfor path in pathlib.Path(sys.argv[1]).glob('*.py'):\n    compile(path.read_text('utf-8'), str(path), 'exec')\n";
    let done = Command::new("python3")
        .args(["-IS", "-W", "error", "-c", compile])
        .arg(&folder)
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
        "imap/in-the-order-of-the-input",
        "map/results-are-in-input-order",
        "map/starmap-unpacks-tuples",
        "submit/apply-waits-for-its-own-task",
    ];
    let folder = folder("export-run");
    for name in names {
        let case = case(name);
        for kind in KINDS {
            let program = python(&case, kind).unwrap_or_else(|problems| panic!("{problems:?}"));
            assert!(program.contains("UNIT = 0.2 "), "{program}");
            let path = folder.join("program.py");
            fs::write(&path, program.replace("UNIT = 0.2 ", "UNIT = 0.01 ")).expect("a program");
            let done = Command::new("python3")
                .args(["-IS"])
                .arg(&path)
                .output()
                .expect("python3");
            let said = String::from_utf8_lossy(&done.stdout);
            let mut lines: Vec<&str> = said.lines().collect();
            lines.sort_unstable();
            let Prediction::Ran(history) = model::predict(&case, kind) else {
                panic!("{name} is for both kinds")
            };
            let seen = Seen::of(&case, &history);
            let mut predicted: Vec<&str> =
                seen.lines.iter().map(|(_, line)| line.as_str()).collect();
            predicted.sort_unstable();
            let errors = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{name} on {kind}: {errors}");
            assert_eq!(lines, predicted, "{name} on {kind}: {errors}");
        }
    }
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
