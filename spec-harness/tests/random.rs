//! Random programs on our pools, and what is claimed of the programs.

mod program;

use program::{Folder, harness};
use spec_harness::case::ast::Kind;
use spec_harness::random::{Census, Predicted, Program, Rejected, draw};
use spec_harness::update::reviewed;

/// A seed for the tests alone; what differed once has a case of its own.
const SEED: u64 = 11;

fn predicted(program: &Program) -> Result<Vec<Predicted>, Rejected> {
    let kinds = program.kinds().iter();
    kinds.map(|kind| program.predicted(*kind)).collect()
}

#[test]
fn our_pools_do_what_the_model_says() {
    let run = ["random", "--programs", "40", "--seed"];
    let said = Folder::new().run(&[&run[..], &[&SEED.to_string()]].concat());
    said.ends_with(0).says("no difference");
}

#[test]
fn cpython_is_refused_as_the_model_is_the_contract_s() {
    for on in ["cpython", "thread,cpython:process@recorded"] {
        harness(&["random", "--on", on, "--programs", "3"])
            .ends_with(2)
            .complains("departs from the contract");
    }
}

/// `check` holds every case against the model in all orders up to the bound; here our pools are, in those that lead
/// to something else. `.ci/random` does so with all cases.
#[test]
fn in_other_orders_of_an_instant_our_pools_do_what_the_model_says() {
    let run = ["run", "--schedules", "all", "--on", "thread,process"];
    harness(&[&run[..], &["callback/", "found/", "inside/"]].concat())
        .ends_with(0)
        .says(" orders of same-instant events");
}

#[test]
fn the_programs_are_as_varied_as_they_must_be() {
    let mut census = Census::default();
    for number in 0..150 {
        let program = draw(SEED, number).program();
        match predicted(&program) {
            Ok(predicted) => census.note(&program, &predicted),
            Err(Rejected::Malformed(why)) => panic!("program {number}: {why}"),
            Err(why) => census.reject(why),
        }
    }
    assert!(census.percent(census.deaths) >= 20, "{census}");
    assert!(census.percent(census.stops) >= 20, "{census}");
    assert!(census.percent(census.callbacks) >= 30, "{census}");
    assert!(census.steps >= 8 * census.programs, "{census}");
    assert!(census.programs >= 140, "{census}");
    assert!(census.rows.len() >= 40, "{census}");
}

#[test]
fn every_word_that_a_program_can_have_is_drawn() {
    let mut census = Census::default();
    for number in 0..400 {
        let program = draw(SEED, number).program();
        if let Ok(predicted) = predicted(&program) {
            census.note(&program, &predicted);
        }
    }
    let never = census.words.iter().filter(|(_, count)| **count == 0);
    let never: Vec<&str> = never.map(|(word, _)| *word).collect();
    // How long a step takes says the transcript.
    let not_drawn = ["kill_worker", "max_worker_age", "stats", "takes"];
    assert_eq!(never, not_drawn, "{census}");
}

#[test]
fn the_same_numbers_give_the_same_program() {
    let text = |seed, number| {
        let program = draw(seed, number).program();
        let kind = program.kinds()[0];
        program.predicted(kind).map(|predicted| predicted.text)
    };
    assert_eq!(text(SEED, 3), text(SEED, 3));
    assert_ne!(text(SEED, 3), text(SEED, 4));
    assert_ne!(text(SEED, 3), text(SEED + 1, 3));
}

#[test]
fn a_program_is_a_case_that_can_be_committed() {
    let mut read = 0;
    for number in 0..16 {
        let program = draw(SEED, number).program();
        let Ok(predicted) = predicted(&program) else {
            continue;
        };
        let text = program.file("a program: of many", &predicted);
        let problems = reviewed("random", &text);
        let shown: String = problems
            .iter()
            .map(|one| one.render(&text, false))
            .collect();
        assert!(problems.is_empty(), "program {number}\n{shown}\n{text}");
        read += 1;
    }
    assert!(read > 12, "{read}");
}

#[test]
fn what_differs_is_made_small() {
    let kills = |program: &Program| {
        let predicted = program.predicted(Kind::Process);
        predicted.is_ok_and(|predicted| predicted.text.contains("kill_self"))
    };
    let mut numbers = 0..200;
    let drawn = numbers.find_map(|number| Some(draw(SEED, number)).filter(|d| kills(&d.program())));
    let drawn = drawn.expect("many programs have a worker that dies");
    let before = drawn.program().steps();
    let smallest = drawn.smallest(600, kills);
    assert!(kills(&smallest));
    // A pool, a task, and perhaps what ends them.
    assert!(
        smallest.steps() <= 4 && smallest.steps() < before,
        "{smallest:?}"
    );
}
