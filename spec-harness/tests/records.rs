//! Runs of CPython's pools that are on record, judged where there is no Python; and that a record does not pass for
//! more than it is.

use std::ffi::OsString;
use std::path::Path;

use spec_harness::case::ast::{Case, Kind};
use spec_harness::history::{Ending, History};
use spec_harness::judge::{Verdict, judge, transcript};
use spec_harness::record::{Recalled, Record};
use spec_harness::replay::Runner;
use spec_harness::target::{Column, Records, cpython_recorded, ours};
use spec_harness::update::lacking;

const KINDS: [Kind; 2] = [Kind::Process, Kind::Thread];

fn built_in(name: &str) -> Case {
    let found = spec_cases::CASES.iter().find(|(known, _)| *known == name);
    let (name, text) = found.expect("there is such a case");
    parsed(name, text)
}

fn parsed(name: &str, text: &str) -> Case {
    Case::parse(name, text).expect("the case is in order")
}

/// The text of a built-in case, and of what CPython's threads did in it.
fn on_record(name: &str) -> (&'static str, &'static str) {
    let of = |texts: &[(&str, &'static str)], name: &str| {
        let found = texts.iter().find(|(known, _)| *known == name);
        found.expect("it is there").1
    };
    let record = format!("cpython/thread/{name}");
    (
        of(spec_cases::CASES, name),
        of(spec_cases::RECORDS, &record),
    )
}

#[track_caller]
fn ran(record: &str, case: &Case) -> History {
    let record = Record::parse(record).expect("it is in order");
    match record.recall(case) {
        Recalled::Ran(history) => history,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn stale(record: &str, case: &Case) -> String {
    let record = Record::parse(record).expect("it is in order");
    match record.recall(case) {
        Recalled::Stale(why) => why,
        other => panic!("{other:?}"),
    }
}

/// A small case with a record of it.
const SMALL: &str = "handle/get-with-a-timeout";

#[test]
fn everything_is_on_record_and_passes_or_is_an_expected_failure() {
    let mut wrong = Vec::new();
    let mut names = Vec::new();
    for (name, text) in spec_cases::CASES {
        let case = parsed(name, text);
        let mut why = lacking(&case);
        for kind in KINDS {
            let column = cpython_recorded(kind).expect("what is known is in order");
            let recorded = transcript::recorded(&case, kind);
            let tried = column.try_case(&Runner::default(), &case, recorded);
            if let Verdict::Fail(_) | Verdict::Unknown(_) = tried.verdict {
                why.push(format!("CPython's {kind} workers: {:?}", tried.verdict));
            }
        }
        if !why.is_empty() {
            wrong.push(format!("{name}: {}", why.join(", ")));
            names.push(*name);
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nthis writes what is missing and says what is left to do:\ncargo run -p spec-harness -- accept {}",
        wrong.join("\n"),
        names.join(" ")
    );
}

#[test]
fn every_record_belongs_to_a_case() {
    for (record, _) in spec_cases::RECORDS {
        let case = record.splitn(3, '/').nth(2);
        assert!(
            spec_cases::CASES
                .iter()
                .any(|(name, _)| Some(*name) == case),
            "{record}"
        );
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    for (name, text) in spec_cases::RECORDS {
        let record = Record::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(record.to_text(), *text, "{name}");
    }
}

#[test]
fn a_run_that_was_kept_is_the_same_run_again() {
    let program = Path::new(env!("CARGO_BIN_EXE_spec-harness"));
    let names = [
        SMALL,
        "callback/a-callback-that-fails",
        "imap/after-terminate",
        "inside/a-task-waits-for-its-own-pool",
        "lifecycle/terminate-wakes-a-waiting-get",
        "map/results-are-in-input-order",
    ];
    for name in names {
        let case = built_in(name);
        let column = ours(program, Kind::Thread);
        let tried = column.try_case(&Runner::default(), &case, None);
        assert_eq!(tried.verdict, Verdict::Pass, "{name}");
        let record = tried.record.expect("it was kept");
        let again = ran(&record.to_text(), &case);
        let seen = tried.run.expect("it ran").transcript;
        assert_eq!(transcript::of(&again), seen, "{name}");
        let judged = judge(&case, Kind::Thread, &again, None);
        assert_eq!(judged.verdict, Verdict::Pass, "{name}");
    }
}

#[test]
fn a_record_outlives_changes_of_what_a_case_says_and_expects() {
    let (text, record) = on_record(SMALL);
    let changed = text
        .replace("title: get", "title: look, get")
        .replace("3: [", "4: [");
    assert_ne!(changed, text);
    let case = parsed(SMALL, &changed);
    let history = ran(record, &case);
    // It is today's expectation that counts.
    assert!(matches!(
        judge(&case, Kind::Thread, &history, None).verdict,
        Verdict::Fail(_)
    ));
    let case = parsed(SMALL, text);
    let verdict = judge(&case, Kind::Thread, &ran(record, &case), None).verdict;
    assert_eq!(verdict, Verdict::Pass);
}

#[test]
fn a_record_of_another_program_is_stale() {
    let (text, record) = on_record(SMALL);
    let case = parsed(SMALL, &text.replace("i * 10", "i * 11"));
    let why = stale(record, &case);
    assert!(
        why.ends_with(r#"is {"0":{"return":10}}, and the case now asks {"0":{"return":11}}"#),
        "{why}"
    );
    let longer = text.replace("  - join\n", "  - join\n  - join\n");
    let why = stale(record, &parsed(SMALL, &longer));
    assert!(
        why.contains(r#"is "exit", and the case now asks {"main":{"cmd":"join""#),
        "{why}"
    );
    let shorter = text.replace("  - join\n", "");
    let why = stale(record, &parsed(SMALL, &shorter));
    assert!(why.contains(r#"and the case now asks "exit""#), "{why}");
}

#[test]
fn a_record_that_was_tampered_with_does_not_pass() {
    let (text, record) = on_record(SMALL);
    let case = parsed(SMALL, text);
    let forged = record.replacen(r#"{"ok":["main",10]}"#, r#"{"ok":["main",11]}"#, 1);
    assert_ne!(forged, record);
    let verdict = judge(&case, Kind::Thread, &ran(&forged, &case), None).verdict;
    assert!(matches!(verdict, Verdict::Fail(_)), "{verdict:?}");
    // One that says that it hangs although it goes on.
    let forged = record.replace(r#"{"exit":0}"#, r#"{"exit":3}"#);
    let history = ran(&forged, &case);
    assert_eq!(history.ending, Ending::Finished);
    assert_ne!(
        transcript::of(&history),
        transcript::of(&ran(record, &case))
    );
    let nobody = record.replacen(r#"{"ok":["main",10]}"#, r#"{"ok":["t1",10]}"#, 1);
    let why = stale(&nobody, &case);
    assert!(why.ends_with("t1 is in no call"), "{why}");
    let cut: String = record
        .lines()
        .filter(|line| !line.contains("join"))
        .fold(String::new(), |text, line| text + line + "\n");
    let why = stale(&cut, &case);
    assert!(why.contains(r#"is "exit", and the case now asks"#), "{why}");
}

/// Says of itself that it is the version on record, and answers everything by this.
fn imitation(answer: &str) -> Column {
    let script = format!(
        r#"read -r hello
echo '{{"id":0,"ok":{{"name":"ThreadPool","version":"3.11.7","kinds":["thread"],"can":["pool","close","join"]}}}}'
id=0
while read -r call; do
  case $call in *'"exit"'*) exit 0 ;; esac
  id=$((id + 1))
  echo "{{\"id\":$id,{answer}}}"
done"#
    );
    let command = ["sh", "-c", &script].map(OsString::from).into();
    let mut column = Column::of("imitation", command, Kind::Thread);
    column.records = Records::WhereAbsent("cpython");
    column
}

#[test]
fn one_that_does_otherwise_than_its_record_is_said_to() {
    let case = built_in("lifecycle/an-idle-pool-ends");
    let drift = |answer| {
        let tried = imitation(answer).try_case(&Runner::default(), &case, None);
        assert_eq!(tried.recorded, None, "it has run: {tried:?}");
        tried.drift
    };
    assert_eq!(drift(r#"\"ok\":null"#), None);
    let drifted = drift(r#"\"error\":{\"kind\":\"Tired\",\"text\":\"no\"}"#);
    let drifted = drifted.expect("it answers otherwise");
    assert!(drifted.contains("on record"), "{drifted}");
}

#[test]
fn what_is_no_record_is_refused_with_its_line() {
    let (_, record) = on_record(SMALL);
    for (from, to, says) in [
        (
            r#""record":1"#,
            r#""record":2"#,
            "line 1: a record of version 2",
        ),
        (r#""timers":false,"#, "", "line 1: missing field `timers`"),
        (r#"{"exit":0}"#, r#"{"left":0}"#, "unknown variant `left`"),
        (r#"["exit"]"#, "[]", "nothing was asked"),
        (r#"{"gone":0}"#, r#"{"went":0}"#, "unknown variant `went`"),
    ] {
        let changed = record.replacen(from, to, 1);
        assert_ne!(changed, record, "{from}");
        let why = Record::parse(&changed).expect_err(says);
        assert!(why.contains(says), "{why}");
    }
    assert!(Record::parse("").is_err());
}
