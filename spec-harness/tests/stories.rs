//! Stories of runs: complete, in order, and with a reason for every step of the clock.

use spec_harness::case::ast::{Case, Kind, Time};
use spec_harness::history::{History, What};
use spec_harness::model::predict;
use spec_harness::story;

fn predicted(text: &str, kind: Kind) -> Option<History> {
    let case = Case::parse("case", text).expect("it is in order");
    predict(&case, kind).ran()
}

#[test]
fn every_instant_is_a_chapter_and_everything_that_is_seen_is_told() {
    for (name, text) in spec_cases::CASES {
        for kind in [Kind::Thread, Kind::Process] {
            let Some(history) = predicted(text, kind) else {
                continue;
            };
            let story = story::of(&history);
            let mut instants: Vec<Time> = history.events.iter().map(|event| event.at).collect();
            instants.dedup();
            let told: Vec<Time> = story.iter().map(|chapter| chapter.at).collect();
            assert_eq!(told, instants, "{name} on {kind}");
            for chapter in &story {
                let here = history.events.iter().filter(|event| event.at == chapter.at);
                let count = |wanted: fn(&What) -> bool| {
                    here.clone().filter(|event| wanted(&event.what)).count()
                };
                let tells = |words: &[&str]| {
                    let lines = chapter.happens.iter();
                    lines
                        .filter(|line| words.iter().any(|word| line.contains(word)))
                        .count()
                };
                let printed = count(|what| matches!(what, What::Print(_)));
                assert!(
                    tells(&[" prints "]) >= printed,
                    "{name} on {kind}: {chapter:?}"
                );
                let began = count(|what| matches!(what, What::Begin { .. }));
                assert!(
                    tells(&[" begins ", " called back "]) >= began,
                    "{name} on {kind}: {chapter:?}"
                );
            }
        }
    }
}

/// Whoever neither waits in a call nor is stopped goes on at the instant that the story says.
#[test]
fn the_clock_moves_only_for_a_reason() {
    for (name, text) in spec_cases::CASES {
        for kind in [Kind::Thread, Kind::Process] {
            let Some(history) = predicted(text, kind) else {
                continue;
            };
            let story = story::of(&history);
            for pair in story.windows(2) {
                let to = format!("nobody can move before {}: ", pair[1].at);
                assert!(
                    pair[0].then.starts_with(&to),
                    "{name} on {kind}: {}",
                    pair[0].then
                );
            }
            let last = &story.last().expect("something happens").then;
            assert!(!last.contains("clock"), "{name} on {kind}: {last}");
        }
    }
}

#[test]
fn stories_read_like_this() {
    let cases = [
        ("tutorial/S004-1", Kind::Process),
        ("map/a-failing-item-skips-its-chunk", Kind::Thread),
        ("inside/a-callback-waits-for-another-job", Kind::Process),
        ("imap/reads-no-further-than-it-may", Kind::Thread),
        ("death/a-worker-that-ignores-sigterm", Kind::Process),
    ];
    let mut shown = String::new();
    for (name, kind) in cases {
        let case = spec_cases::CASES.iter().find(|(known, _)| *known == name);
        let history = predicted(case.expect("it exists").1, kind).expect("it is for this kind");
        shown += &format!("{name} on {kind}\n\n");
        for chapter in story::of(&history) {
            shown += &format!("at {}\n", chapter.at);
            let lines = chapter.happens.iter().map(|line| format!("  {line}\n"));
            let waits = chapter.waits.iter().map(|line| format!("  · {line}\n"));
            shown.extend(lines.chain(waits));
            shown += &format!("  → {}\n\n", chapter.then);
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("shown");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("stories", shown));
}
