//! Pictures of runs: every body once, in its place, and drawings that hold together whatever the case.

use std::collections::BTreeMap;

use spec_harness::case::ast::{Case, Fate, Kind};
use spec_harness::history::{History, What, Who};
use spec_harness::judge::report::width;
use spec_harness::model::{Prediction, predict};
use spec_harness::picture::text::{Look, lines, plain};
use spec_harness::picture::{self, Ink, LaneKind, Picture, svg};

/// Every built-in case, on every kind of worker that it is for, as the model has it.
fn histories() -> Vec<(String, History)> {
    let mut histories = Vec::new();
    for (name, text) in spec_cases::CASES {
        let case = Case::parse(name, text).expect("it is in order");
        for kind in [Kind::Thread, Kind::Process] {
            if let Prediction::Ran(history) = predict(&case, kind) {
                histories.push((format!("{name} on {kind}"), *history));
            }
        }
    }
    histories
}

fn history(text: &str, kind: Kind) -> History {
    let case = Case::parse("case", text).expect("it is in order");
    match predict(&case, kind) {
        Prediction::Ran(history) => *history,
        Prediction::NotApplicable(why) => panic!("{why}"),
    }
}

fn built_in(name: &str, kind: Kind) -> History {
    let case = spec_cases::CASES.iter().find(|(known, _)| *known == name);
    history(case.expect("it exists").1, kind)
}

fn ink(fate: Fate) -> Ink {
    match fate {
        Fate::Done => Ink::Done,
        Fate::Raised => Ink::Raised,
        Fate::Killed => Ink::Killed,
        Fate::Lost => Ink::Lost,
        Fate::Never => Ink::Open,
    }
}

#[test]
fn each_time_that_a_body_began_is_one_bar_with_its_fate() {
    for (name, history) in histories() {
        let picture = Picture::of(&history);
        let mut wanted: BTreeMap<(String, Ink), i32> = BTreeMap::new();
        for event in &history.events {
            let Who::Puppet(key) = event.who else {
                continue;
            };
            let name = history.tasks[key as usize].to_string();
            match event.what {
                What::Begin { .. } => *wanted.entry((name, Ink::Open)).or_default() += 1,
                What::End { fate } => {
                    *wanted.entry((name.clone(), Ink::Open)).or_default() -= 1;
                    *wanted.entry((name, ink(fate))).or_default() += 1;
                }
                _ => {}
            }
        }
        let bodies = [LaneKind::Worker, LaneKind::Callbacks];
        let lanes = picture
            .lanes
            .iter()
            .filter(|lane| bodies.contains(&lane.kind));
        for bar in lanes.flat_map(|lane| &lane.bars) {
            if !matches!(bar.ink, Ink::Waits | Ink::Stuck) {
                *wanted.entry((bar.label.clone(), bar.ink)).or_default() -= 1;
            }
        }
        wanted.retain(|_, count| *count != 0);
        assert!(wanted.is_empty(), "{name}: {wanted:?}");
    }
}

#[test]
fn bars_in_one_row_lie_one_after_the_other() {
    for (name, history) in histories() {
        let picture = Picture::of(&history);
        for lane in &picture.lanes {
            for row in 0..lane.depth {
                let waits = |ink| matches!(ink, Ink::Waits | Ink::Stuck);
                let program = lane.kind == LaneKind::Program;
                let bars = lane.bars.iter();
                let bars = bars.filter(|bar| bar.row == row && (program || !waits(bar.ink)));
                let bars: Vec<_> = bars.collect();
                for pair in bars.windows(2) {
                    assert!(
                        pair[0].to <= pair[1].from,
                        "{name}, {}: {pair:?}",
                        lane.name
                    );
                }
                assert!(bars.iter().all(|bar| bar.from <= bar.to), "{name}");
            }
        }
    }
}

#[test]
fn every_line_of_output_stands_in_its_instant() {
    for (name, history) in histories() {
        let picture = Picture::of(&history);
        let printed = history
            .events
            .iter()
            .filter(|event| matches!(event.what, What::Print(_)));
        let printed: Vec<_> = printed.map(|event| event.at).collect();
        let drawn = picture.output.iter();
        let drawn: Vec<_> = drawn
            .map(|said| picture.instants[said.at.instant].at)
            .collect();
        assert_eq!(printed, drawn, "{name}");
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, history) in histories() {
        let picture = Picture::of(&history);
        for columns in [40, 80, 131] {
            for ascii in [false, true] {
                let look = Look {
                    columns,
                    ascii,
                    most: Some(8),
                };
                // How the run ended is a sentence of any length.
                let drawn = lines(&picture, look);
                let drawn = drawn
                    .iter()
                    .take(drawn.len() - usize::from(picture.ending.is_some()));
                for line in drawn {
                    let line = line.to_string();
                    let legend = line.contains("never ran   ") || line.contains("done   ");
                    assert!(
                        legend || width(&line) <= columns,
                        "{name} in {columns}: {line:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_elements_of_an_svg_are_closed_and_lie_inside() {
    for (name, history) in histories() {
        let drawn = svg::standalone(&Picture::of(&history), "a <title> & more", "here");
        let mut open: Vec<&str> = Vec::new();
        for tag in drawn.split('<').skip(1) {
            let tag = tag.split('>').next().expect("it is closed");
            let word = tag.split(' ').next().expect("there is a name");
            if let Some(closed) = word.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed), "{name}");
            } else if !tag.ends_with('/') {
                open.push(word);
            }
        }
        assert_eq!(open, Vec::<&str>::new(), "{name}");
        let number = |text: &str| text.split('"').next().and_then(|n| n.parse::<f64>().ok());
        let size = drawn.split("viewBox=\"0 0 ").nth(1).expect("it has a size");
        let wide = number(&size.replacen(' ', "\"", 1)).expect("it is a number");
        let ends = drawn.split("<rect x=\"").skip(1).map(|rect| {
            let x = number(rect).expect("a place");
            x + number(rect.split("width=\"").nth(1).expect("a width")).expect("a number")
        });
        for end in ends {
            assert!(end <= wide, "{name}: {end} of {wide}");
        }
    }
}

#[test]
fn a_case_that_prints_markup_is_harmless() {
    let evil = "spec: 1\ntitle: t\nmain:\n  - print: \"<script>alert(1)</script> ]]> & \\\"'\"\n";
    let drawn = svg::standalone(
        &Picture::of(&history(evil, Kind::Thread)),
        "<script>",
        "]]>",
    );
    assert!(!drawn.contains("<script"), "{drawn}");
    assert!(!drawn.contains("]]>"), "{drawn}");
    assert!(drawn.contains("&lt;script&gt;alert(1)&lt;/script&gt; ]]&gt; &amp; &quot;&#39;"));
}

#[test]
fn those_who_do_not_see_it_are_told() {
    let history = built_in("tutorial/S004-1", Kind::Process);
    assert_eq!(
        Picture::of(&history).described(),
        "From 0 to 1.5, 2 worker lanes, 2 done, 2 killed, never ran: func(4) … func(9), 6 tasks."
    );
}

/// The picture in the documentation is what `plot` draws now; `INSTA_UPDATE=always` writes it anew.
#[test]
fn the_picture_in_the_documentation_is_current() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plot.svg");
    let (name, text) = spec_cases::CASES
        .iter()
        .find(|(name, _)| *name == "tutorial/S004-1")
        .expect("it exists");
    let case = Case::parse(name, text).expect("it is in order");
    let Prediction::Ran(history) = predict(&case, Kind::Process) else {
        panic!("it is for processes");
    };
    let on = "process workers, as the model has it";
    let drawn = svg::standalone(&Picture::of(&history), &case.title, on);
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        std::fs::write(&file, &drawn).expect("it can be written");
    }
    let known = std::fs::read_to_string(&file).expect("docs/plot.svg");
    assert!(
        known == drawn,
        "spec-harness plot {name} --on model:process --svg {}",
        file.display()
    );
}

/// The pictures of a few cases that have between them everything that a picture can have.
#[test]
fn pictures_look_like_this() {
    let narrow = Look {
        columns: 80,
        ..Look::default()
    };
    let cases = [
        ("tutorial/S004-1", Kind::Process),
        ("map/a-failing-item-skips-its-chunk", Kind::Thread),
        ("inside/a-callback-waits-for-another-job", Kind::Process),
        ("inside/a-lent-place-is-one-place", Kind::Thread),
        ("death/every-worker-dies", Kind::Process),
        ("lifecycle/two-pools", Kind::Thread),
        ("lifecycle/submit-after-close", Kind::Process),
    ];
    let mut shown = String::new();
    for (name, kind) in cases {
        let picture = Picture::of(&built_in(name, kind));
        shown += &format!("{name} on {kind}\n\n{}\n", plain(&picture, narrow));
    }
    let stuck = history(
        "spec: 1\ntitle: t\ntasks:\n  f():\n    - sleep: 1\nmain:\n  - pool: 1\n  - apply_async: f()\n  - sleep: 2\n  - join\n",
        Kind::Thread,
    );
    let ascii = Look {
        ascii: true,
        ..narrow
    };
    shown += &format!("in ASCII\n\n{}", plain(&Picture::of(&stuck), ascii));
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("shown");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("pictures", shown));
}

#[test]
fn calls_of_a_loop_are_told_once() {
    let looped = "spec: 1\ntitle: t\ntasks:\n  f(i):\n    - return: i\nmain:\n  - pool: 1\n  - apply_async: f(1)\n    as: h\n  - for: i in range(5)\n    do:\n      - wait: h\n      - get: h\n  - close\n  - join\n";
    let picture = Picture::of(&history(looped, Kind::Thread));
    let told: Vec<&str> = picture
        .calls
        .iter()
        .map(|said| said.text.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "pool of 1",
            "apply_async f(1)",
            "wait h",
            "get h",
            "these 2 ×5",
            "close pool",
            "join pool"
        ]
    );
}

#[test]
fn who_waits_for_whom_reads_like_this() {
    let cases = [
        ("tutorial/S004-1", Kind::Process),
        ("inside/a-callback-waits-for-another-job", Kind::Process),
        ("imap/reads-no-further-than-it-may", Kind::Thread),
        ("death/a-worker-that-ignores-sigterm", Kind::Process),
    ];
    let mut shown = String::new();
    for (name, kind) in cases {
        let case = spec_cases::CASES.iter().find(|(known, _)| *known == name);
        let case = Case::parse(name, case.expect("it exists").1).expect("it is in order");
        let history = predict(&case, kind).ran().expect("it is for this kind");
        shown += &format!("{name} on {kind}\n\n");
        for waits in picture::waits(&history) {
            shown += &format!("at {}\n", waits.at);
            shown.extend(waits.lines.iter().map(|line| format!("  {line}\n")));
        }
        shown += "\n";
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("shown");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("waits", shown));
}
